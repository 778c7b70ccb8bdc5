"""The bridge starts with nothing kept and no source to be read, while an Envoy has what an earlier bridge told it."""

import shutil
from pathlib import Path

import pytest

from support.file_traffic import FileTraffic, file_traffic
from support.transports import Transport
from support.waiting import eventually


async def told(world: FileTraffic) -> dict[str, int]:
    """How often Envoy was told of clusters and of endpoints."""
    clusters = {"web", world.cluster}
    return await world.envoy.counts(
        "cluster_manager.cds.update_success", *map("cluster.{}.update_success".format, clusters)
    )


async def pushes(world: FileTraffic) -> float:
    """How many responses the bridge has sent."""
    samples = await world.bridge.metrics()
    return sum(value for name, value in samples.items() if name.startswith("xds_bridge_xds_pushes_total"))


@pytest.mark.parametrize("transport", Transport)
async def test_an_envoy_that_has_something_is_told_nothing_by_a_bridge_that_knows_nothing(
    tmp_path: Path, transport: Transport
) -> None:
    state = tmp_path / "state"
    async with file_traffic(tmp_path, transport, state_directory=str(state), startup_grace="500ms") as world:
        await world.load.more(50)
        before, changes, so_far = await world.history(), await world.envoy.changes(world.cluster), await told(world)
        await world.bridge.kill()
        shutil.rmtree(state)
        world.file.path.unlink()

        await world.bridge.start(ready=False)
        await world.streams(3 if transport.separate else 1)
        await eventually(lambda: bool(world.bridge.events("source.silent")), what="it has waited for long enough")
        await world.load.more(200)

        assert [event["source"] for event in world.bridge.events("source.silent")] == ["local"]
        assert await pushes(world) == 0
        assert await told(world) == so_far
        assert await world.history() == before
        assert set(await world.hosts()) == set(world.load.answers) == {"a", "b"}
        assert world.load.failures == []

        await world.converges("a", "b", "c")
        arrived = f"cluster.{world.cluster}.membership_change"
        assert await world.envoy.changes(world.cluster) == changes | {arrived: changes[arrived] + 1}
