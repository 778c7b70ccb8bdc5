"""The bridge and all of its sources die, and the bridge comes back alone: Envoy and its requests do not notice."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.backends import backends
from support.bridge import BridgeProcess
from support.consul import consul_agent
from support.consul_traffic import ConsulTraffic
from support.envoy import EnvoyProcess
from support.load import Load
from support.transports import Bootstrap, Transport
from support.waiting import eventually

UNCHANGED = (
    "cluster_manager.cluster_added",
    "cluster_manager.cluster_modified",
    "cluster_manager.cluster_removed",
    "cluster.web.membership_change",
)


@dataclass
class World(ConsulTraffic):
    """With a bridge that keeps its state."""

    state: Path

    async def until_kept(self, *names: str) -> None:
        """Wait until the state file knows these backends, so that `kill -9` costs nothing."""
        ports = {self.backends.addresses[name].port for name in names}

        def kept() -> bool:
            return self.state.exists() and all(str(port) in self.state.read_text() for port in ports)

        await eventually(kept, timeout=30, what=f"the state knows {names}")

    async def updates(self) -> int:
        name = "cluster.web.update_success"
        return (await self.envoy.stats(name))[name]

    async def back(self, before: int) -> None:
        """Wait until Envoy was told its endpoints once more, which it is on a new stream."""

        async def told() -> bool:
            return await self.updates() > before

        await eventually(told, timeout=60, what="Envoy has come back")

    async def counters(self) -> dict[str, int]:
        stats = await self.envoy.stats()
        return {name: stats[name] for name in UNCHANGED}

    async def versions(self) -> object:
        return (await self.bridge.get("/api/v1/status"))["versions"]


@pytest.fixture(params=[Transport.SOTW_ADS, Transport.DELTA_ADS], ids=lambda transport: transport.value)
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(backends("a", "b", "c"))
        consul = await stack.enter_async_context(consul_agent())
        source: dict[str, object] = {"name": "dc1", "type": "consul", "address": consul.address, "wait": "1s"}
        directory = tmp_path / "bridge"
        bridge = BridgeProcess(directory, [source], state_directory=str(directory / "state"), startup_grace="500ms")
        bootstrap = Bootstrap(request.param, [bridge.xds_port], "web")
        subject = EnvoyProcess(bootstrap.config, tmp_path)
        world = World(consul, bridge, subject, Load(bootstrap.url), running, directory / "state" / "state.json")
        await world.register("a", "b")
        await stack.enter_async_context(bridge)
        await stack.enter_async_context(subject)
        await stack.enter_async_context(world.load)
        yield world


async def test_a_bridge_that_comes_back_alone_serves_what_it_knew(world: World) -> None:
    await world.load.more(50)
    await world.until_kept("a", "b")
    before, versions, updates = await world.counters(), await world.versions(), await world.updates()

    await world.consul.kill()
    await world.bridge.kill()
    await world.load.more(50)
    await world.bridge.start()
    await world.back(updates)
    await world.load.more(50)

    assert await world.versions() == versions
    assert await world.counters() == before
    assert world.load.failures == []
    assert set(world.load.answers) == {"a", "b"}
    assert (await world.bridge.metrics())['xds_bridge_source_restored_endpoints{source="dc1"}'] == 2

    await world.consul.start()
    await world.register("a", "b", "c")
    await world.until("a", "b", "c")
    await world.load.more(50)
    assert world.load.failures == []


async def test_an_emptied_catalog_after_a_restart_takes_nothing(world: World) -> None:
    await world.load.more(20)
    await world.until_kept("a", "b")
    updates = await world.updates()

    await world.bridge.terminate()
    await world.consul.kill()
    await world.consul.start()  # a development agent keeps nothing
    await world.bridge.start()
    await world.back(updates)
    await world.load.more(100)
    await world.until("a", "b")
    assert world.load.failures == []

    await world.register("b", "c")
    await world.until("a", "b", "c")  # the first to return do not take the others with them
    await world.load.more(50)
    assert world.load.failures == []
