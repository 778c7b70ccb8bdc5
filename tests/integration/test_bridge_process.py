"""The daemon as its operator meets it: exit codes, readiness, the admin interface, and the end."""

import asyncio
import json
import os
import sys
from pathlib import Path

import aiohttp
import pytest

from bridge.model import EndpointKey
from support.bridge import BridgeProcess
from support.endpoints_file import EndpointsFile
from support.waiting import eventually


@pytest.fixture
def endpoints(tmp_path: Path) -> EndpointsFile:
    file = EndpointsFile(tmp_path / "endpoints.json")
    file.set("web", [EndpointKey("10.0.0.1", 80)])
    return file


async def outcome(*arguments: str) -> tuple[int, str]:
    """Exit code and standard error of a command."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bridge", *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, errors.decode()


async def test_it_serves_until_it_is_told_to_end(tmp_path: Path, endpoints: EndpointsFile) -> None:
    async with BridgeProcess(tmp_path, [endpoints.source()]) as bridge:
        services = await bridge.get("/api/v1/services/web")
        assert "10.0.0.1" in json.dumps(services)

        code = await bridge.terminate()

    assert code == 0


async def test_it_ends_when_told_also_before_it_is_ready(tmp_path: Path) -> None:
    bridge = BridgeProcess(tmp_path, [{"name": "local", "type": "file", "path": str(tmp_path / "missing.yaml")}])
    await bridge.start(ready=False)

    async with asyncio.timeout(5):
        code = await bridge.terminate()

    assert code == 0


STUBBORN = """
import asyncio, sys
from bridge import plugins
from bridge.adapter import AdapterConfig
from bridge.cli import main

class Stubborn:
    Config = AdapterConfig

    def __init__(self, config):
        pass

    async def run(self, context):
        context.succeeded()
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass

plugins.discover = lambda: {"stubborn": Stubborn}
main(sys.argv[1:])
"""


async def test_an_adapter_that_ignores_its_cancellation_does_not_keep_the_process_alive(tmp_path: Path) -> None:
    bridge = BridgeProcess(tmp_path, [{"name": "stubborn", "type": "stubborn", "allow_empty": True}])
    await bridge.start(command=("-c", STUBBORN))

    async with asyncio.timeout(5):
        code = await bridge.terminate()

    assert code == 1
    assert [event["tasks"] for event in bridge.events("bridge.abandoned")] == [["Task-1", "source stubborn", "sources"]]


async def test_it_ends_when_told_although_a_file_takes_long_to_parse(tmp_path: Path) -> None:
    path = tmp_path / "endpoints.yaml"
    path.write_text("services:\n  web:\n" + "    - {address: 10.0.0.1, port: 80, zone: a}\n" * 100_000)
    bridge = BridgeProcess(tmp_path, [{"name": "local", "type": "file", "path": str(path)}])
    await bridge.start(ready=False)
    started = cpu_seconds(bridge.process.pid)
    await eventually(lambda: cpu_seconds(bridge.process.pid) > started + 1, timeout=30, what="the file is being parsed")

    async with asyncio.timeout(5):
        code = await bridge.terminate()

    assert code == 0
    assert [event["event"] for event in bridge.events("bridge.stopped")] == ["bridge.stopped"]


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processor so far; see proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_a_source_that_has_not_spoken_is_named_by_readyz_and_in_the_log(tmp_path: Path) -> None:
    missing: dict[str, object] = {"name": "local", "type": "file", "path": str(tmp_path / "missing.yaml")}
    bridge = BridgeProcess(tmp_path, [missing], startup_grace="100ms")
    await bridge.start(ready=False)
    try:
        async with aiohttp.ClientSession() as session, session.get(bridge.url("/readyz")) as response:
            assert response.status == 503
            assert "local" in await response.text()
        await eventually(lambda: [event["source"] for event in bridge.events("source.silent")] == ["local"])
    finally:
        await bridge.kill()


async def test_an_optional_source_that_stays_silent_is_not_waited_for_without_end(
    tmp_path: Path, endpoints: EndpointsFile
) -> None:
    missing = {"name": "extra", "type": "file", "path": str(tmp_path / "missing.yaml"), "required": False}

    async with BridgeProcess(tmp_path, [endpoints.source(), missing], startup_grace="200ms") as bridge:
        assert [event["source"] for event in bridge.events("source.silent")] == ["extra"]


async def test_a_port_in_use_ends_it_with_one_line_and_exit_code_1(tmp_path: Path, endpoints: EndpointsFile) -> None:
    async with BridgeProcess(tmp_path / "first", [endpoints.source()]) as first:
        second = BridgeProcess(tmp_path / "second", [endpoints.source()])
        admin = {"listen": f"127.0.0.1:{second.admin_port}"}
        second.write(
            {"xds": {"listen": f"127.0.0.1:{first.xds_port}"}, "admin": admin, "sources": [endpoints.source()]}
        )

        code, errors = await outcome("run", "--config", str(second.config))

    assert code == 1
    assert str(first.xds_port) in errors
    assert "Traceback" not in errors


async def test_a_state_directory_in_use_ends_it_with_the_name_of_who_uses_it_and_exit_code_1(
    tmp_path: Path, endpoints: EndpointsFile
) -> None:
    directory = str(tmp_path / "state")
    first = BridgeProcess(tmp_path / "first", [endpoints.source()], state_directory=directory)
    second = BridgeProcess(tmp_path / "second", [endpoints.source()], state_directory=directory)

    async with first:
        code, errors = await outcome("run", "--config", str(second.config))

        assert (code, errors.count("\n")) == (1, 1)
        assert errors.startswith(f"cannot start: process {first.process.pid}, started at ")
        assert errors.endswith(f" uses the state directory {directory}; stop it, or give each bridge its own\n")
        await first.kill()
        async with second:
            assert await second.terminate() == 0
        async with first:
            assert await first.terminate() == 0


async def test_a_state_directory_that_cannot_be_used_ends_it_with_exit_code_78(
    tmp_path: Path, endpoints: EndpointsFile
) -> None:
    bridge = BridgeProcess(tmp_path, [endpoints.source()], state_directory=str(endpoints.path))

    code, errors = await outcome("run", "--config", str(bridge.config))

    assert (code, errors.count("\n")) == (78, 1)
    assert f"cannot use the state_directory {endpoints.path} (Not a directory)" in errors


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sources: []\n", "sources"),
        ("sources:\n  - {name: a, type: consull}\n", "consul"),
        ("sources:\n  - {name: a, type: file, path: x, pth: y}\n", "bridge.yaml:2:"),
        ("surces: []\n", "sources"),
        ("sources: [", "bridge.yaml:"),
        ("sources:\n  - {name: a, type: file, path: x}\ncluster_defaults: {lb_polcy: RANDOM}\n", "lb_policy"),
    ],
)
async def test_a_bad_configuration_ends_it_with_exit_code_78(tmp_path: Path, text: str, complaint: str) -> None:
    config = tmp_path / "bridge.yaml"
    config.write_text(text)

    code, errors = await outcome("run", "--config", str(config))

    assert code == 78
    assert complaint in errors
    assert "Traceback" not in errors


async def test_two_replicas_serve_the_same_versions_whatever_the_order_they_were_fed_in(
    tmp_path: Path, endpoints: EndpointsFile
) -> None:
    names = [EndpointKey(f"10.0.0.{number}", 80) for number in range(1, 20)]
    endpoints.set("web", names)
    mirrored = EndpointsFile(tmp_path / "mirrored.json")
    mirrored.replace({"web": list(reversed(endpoints.services["web"]))})

    async with (
        BridgeProcess(tmp_path / "a", [endpoints.source()]) as first,
        BridgeProcess(tmp_path / "b", [mirrored.source()]) as second,
    ):
        versions = [(await bridge.get("/api/v1/status"))["versions"] for bridge in (first, second)]

    assert versions[0] == versions[1]
