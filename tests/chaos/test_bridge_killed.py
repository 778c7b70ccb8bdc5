"""The bridge is killed and comes back: requests do not notice, and nor does Envoy."""

from pathlib import Path

import pytest

from support.backends import backends
from support.bridge import BridgeProcess
from support.endpoints_file import EndpointsFile
from support.envoy import EnvoyProcess, envoy
from support.load import Load
from support.transports import Bootstrap, Transport
from support.waiting import eventually


async def updates(subject: EnvoyProcess, cluster: str) -> int:
    name = f"cluster.{cluster}.update_success"
    return (await subject.counts(name))[name]


@pytest.mark.parametrize("transport", Transport)
async def test_a_killed_bridge_that_is_restarted_is_invisible_to_envoy(tmp_path: Path, transport: Transport) -> None:
    file = EndpointsFile(tmp_path / "endpoints.json")
    async with backends("a", "b") as running:
        file.set("web", list(running.addresses.values()))
        async with BridgeProcess(tmp_path / "bridge", [file.source()]) as bridge:
            bootstrap = Bootstrap(transport, [bridge.xds_port], "web")
            async with envoy(bootstrap.config, tmp_path) as subject, Load(bootstrap.url) as load:
                await load.more(50)
                before = await subject.changes("web", transport.cluster("web"))
                updates_before = await updates(subject, transport.cluster("web"))

                await bridge.kill()
                await load.more(200)
                await bridge.start()
                # The endpoints are sent once more on the new stream: that it arrived is how we know Envoy is back.
                await eventually(lambda: _more_updates(subject, transport.cluster("web"), updates_before), timeout=30)
                await load.more(50)

                assert load.failures == []
                assert await subject.changes("web", transport.cluster("web")) == before
                assert set(load.answers) == {"a", "b"}


async def _more_updates(subject: EnvoyProcess, cluster: str, before: int) -> bool:
    return await updates(subject, cluster) > before


@pytest.mark.parametrize("transport", Transport)
async def test_what_changed_while_the_bridge_was_away_reaches_envoy_after_it(
    tmp_path: Path, transport: Transport
) -> None:
    file = EndpointsFile(tmp_path / "endpoints.json")
    async with backends("a", "b") as running:
        file.set("web", [running.addresses["a"]])
        async with BridgeProcess(tmp_path / "bridge", [file.source()]) as bridge:
            bootstrap = Bootstrap(transport, [bridge.xds_port], "web")
            async with envoy(bootstrap.config, tmp_path) as subject, Load(bootstrap.url) as load:
                await load.more(20)

                await bridge.kill()
                file.set("web", [running.addresses["b"]])
                await bridge.start()
                expected = {str(running.addresses["b"])}
                await eventually(lambda: _hosts(subject, transport.cluster("web"), expected), timeout=30)

                assert load.failures == []


async def _hosts(subject: EnvoyProcess, cluster: str, expected: set[str]) -> bool:
    return set((await subject.clusters())[cluster]) == expected
