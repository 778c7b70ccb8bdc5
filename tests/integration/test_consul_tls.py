"""An agent that speaks HTTPS and wants to see a certificate."""

import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.consul import ConsulAgent, consul_agent, consul_binary, consul_source
from support.ports import free_port
from support.recording import RecordingContext, running
from support.waiting import eventually


@dataclass
class Secured:
    """An agent with HTTPS, and the files of its authority."""

    agent: ConsulAgent
    address: str
    files: Path

    def tls(self, **changed: object) -> dict[str, object]:
        files = {
            "ca": str(self.files / "consul-agent-ca.pem"),
            "certificate": str(self.files / "dc1-client-consul-0.pem"),
            "private_key": str(self.files / "dc1-client-consul-0-key.pem"),
            "server_name": "server.dc1.consul",
        }
        return {key: value for key, value in {**files, **changed}.items() if value is not None}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls")
    for arguments in (["ca", "create"], ["cert", "create", "-server"], ["cert", "create", "-client"]):
        subprocess.run([consul_binary(), "tls", *arguments], cwd=directory, check=True, capture_output=True)
    return directory


@pytest.fixture
async def secured(certificates: Path) -> AsyncIterator[Secured]:
    port = free_port()
    files = {
        "ca_file": "consul-agent-ca.pem",
        "cert_file": "dc1-server-consul-0.pem",
        "key_file": "dc1-server-consul-0-key.pem",
    }
    settings = " ".join(f'{key} = "{certificates / name}"' for key, name in files.items())
    async with consul_agent(hcl=f"ports {{ https = {port} }} verify_incoming_https = true {settings}") as agent:
        await agent.register("web", "10.0.0.1")
        yield Secured(agent, f"https://127.0.0.1:{port}", certificates)


async def test_services_are_read_over_https(secured: Secured) -> None:
    context = RecordingContext()
    async with running(consul_source(secured.address, tls=secured.tls()), context):
        await eventually(lambda: context.spoken)
        await secured.agent.register("web", "10.0.0.2")

        await eventually(lambda: context.sink.addresses("web") == {"10.0.0.1:80", "10.0.0.2:80"})


@pytest.mark.parametrize(
    "changed",
    [{"server_name": "other.consul"}, {"ca": None}, {"certificate": None, "private_key": None}],
    ids=["another name", "unknown authority", "no certificate of ours"],
)
async def test_nothing_is_read_from_who_cannot_be_verified(secured: Secured, changed: dict[str, object]) -> None:
    context = RecordingContext()
    async with running(consul_source(secured.address, tls=secured.tls(**changed)), context):
        await eventually(lambda: len(context.failures["run"]) > 0)

        assert secured.address in context.messages
        assert context.sink.calls == []
