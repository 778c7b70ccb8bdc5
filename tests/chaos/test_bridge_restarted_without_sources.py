"""The bridge and all of its sources die, and the bridge comes back alone: Envoy and its requests do not notice."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.consul import consul_agent
from support.consul_traffic import ConsulTraffic, consul_traffic
from support.transports import Transport


@pytest.fixture(params=[Transport.SOTW_ADS, Transport.DELTA_ADS], ids=lambda transport: transport.value)
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[ConsulTraffic]:
    async with (
        consul_agent() as consul,
        consul_traffic(tmp_path, consul, transport=request.param, startup_grace="500ms") as world,
    ):
        yield world


async def versions(world: ConsulTraffic) -> object:
    return (await world.bridge.get("/api/v1/status"))["versions"]


async def test_a_bridge_that_comes_back_alone_serves_what_it_knew(world: ConsulTraffic) -> None:
    await world.load.more(50)
    await world.until_kept("a", "b")
    before, served, updates = await world.counters(), await versions(world), await world.updates()

    await world.consul.kill()
    await world.bridge.kill()
    await world.load.more(50)
    await world.bridge.start()
    await world.back(updates)
    await world.load.more(50)

    assert await versions(world) == served
    assert await world.counters() == before
    assert world.load.failures == []
    assert set(world.load.answers) == {"a", "b"}
    assert (await world.bridge.metrics())['xds_bridge_source_restored_endpoints{source="dc1"}'] == 2

    await world.consul.start()
    await world.register("a", "b", "c")
    await world.until("a", "b", "c")
    await world.load.more(50)
    assert world.load.failures == []


async def test_an_emptied_catalog_after_a_restart_takes_nothing(world: ConsulTraffic) -> None:
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
