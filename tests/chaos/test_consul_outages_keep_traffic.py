"""Consul is killed, frozen, or comes back knowing nothing: requests through Envoy go on, and healing is followed."""

from collections.abc import AsyncIterator, Awaitable, Callable
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


@dataclass
class World(ConsulTraffic):
    """With a word of when the bridge has noticed that Consul fails."""

    async def until_failing(self) -> None:
        """Wait until the bridge says that its source fails."""

        async def failing() -> bool:
            return (await self.bridge.get("/api/v1/status"))["sources_failing"] == ["dc1"]

        await eventually(failing, timeout=30, what="the source is said to fail")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(backends("a", "b", "c"))
        consul = await stack.enter_async_context(consul_agent())
        # A short wait, so that a frozen agent is noticed within the test.
        source: dict[str, object] = {"name": "dc1", "type": "consul", "address": consul.address, "wait": "1s"}
        bridge = BridgeProcess(tmp_path / "bridge", [source])
        bootstrap = Bootstrap(Transport.DELTA_ADS, [bridge.xds_port], "web")
        subject = EnvoyProcess(bootstrap.config, tmp_path)
        world = World(consul, bridge, subject, Load(bootstrap.url), running)
        await world.register("a", "b")
        await stack.enter_async_context(bridge)
        await stack.enter_async_context(subject)
        await stack.enter_async_context(world.load)
        yield world


async def kill(world: World) -> None:
    await world.consul.kill()
    await world.until_failing()


async def restart(world: World) -> None:
    await world.consul.start()


async def freeze(world: World) -> None:
    world.consul.pause()
    await world.until_failing()


async def thaw(world: World) -> None:
    world.consul.resume()


async def forget_everything(world: World) -> None:
    """A development agent keeps nothing: it comes back with an empty catalog and a lower index."""
    await world.consul.kill()
    await world.consul.start()
    await eventually(lambda: bool(world.bridge.events("consul.catalog_emptied")), timeout=60)


async def nothing(world: World) -> None:
    """The registrations that follow are the healing."""


@pytest.mark.parametrize(
    ("fault", "heal"), [(kill, restart), (freeze, thaw), (forget_everything, nothing)], ids=lambda each: each.__name__
)
async def test_no_request_fails_and_no_endpoint_is_lost(
    world: World, fault: Callable[[World], Awaitable[None]], heal: Callable[[World], Awaitable[None]]
) -> None:
    await world.load.more(20)

    await fault(world)
    await world.load.more(200)
    await world.until("a", "b")
    await heal(world)
    await world.register("a", "b", "c")
    await world.until("a", "b", "c")
    await world.load.more(50)

    assert world.load.failures == []
    assert set(world.load.answers) == {"a", "b", "c"}
