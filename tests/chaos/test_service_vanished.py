"""No source names a service any more: its cluster stays, empty, as long as it is to, also when the bridge is killed.

A static route of Envoy may name it still.
"""

import json
import math
import time
from pathlib import Path
from typing import cast

import pytest

from support.file_traffic import PATIENCE, FileTraffic, file_traffic
from support.transports import Transport
from support.waiting import eventually

HOUR = 3600.0
"""For which the cluster stays by default."""

REMOVED, ENDPOINTS = "cluster_manager.cluster_removed", "cluster.old.membership_change"


async def until_has(world: FileTraffic, endpoints: set[str] | None) -> None:
    """Wait until Envoy has exactly these endpoints of the service, or no cluster at all."""

    async def matches() -> bool:
        found = (await world.envoy.clusters()).get("old")
        return (found if found is None else set(found)) == endpoints

    await eventually(matches, timeout=PATIENCE, what=f"Envoy has {endpoints}, see {world.envoy.log}")


async def goes(world: FileTraffic) -> float:
    """When the cluster is to go, in seconds since 1970."""
    listed = cast("list[dict[str, object]]", (await world.bridge.get("/api/v1/services"))["services"])
    return cast("float", next(each["retained_until"] for each in listed if each["name"] == "old"))


def kept(state: Path) -> bool:
    """Whether a state file knows that the service has gone."""
    content = json.loads(state.read_text())["content"] if state.exists() else {"retained": []}
    return [each["service"] for each in content["retained"]] == ["old"]


@pytest.mark.parametrize("transport", [Transport.SOTW_ADS, Transport.DELTA_ADS])
async def test_an_empty_cluster_stays_until_its_time_is_over_although_the_bridge_is_killed(
    tmp_path: Path, transport: Transport
) -> None:
    state = tmp_path / "state"
    async with file_traffic(tmp_path, transport, state_directory=str(state)) as world:
        world.file.set("old", [world.backends.addresses["c"]])
        await until_has(world, {str(world.backends.addresses["c"])})
        before = await world.envoy.changes("web", "old")

        del world.file.services["old"]
        world.file.write()
        await until_has(world, set())
        await eventually(lambda: kept(state / "state.json"), timeout=PATIENCE, what="that it has gone is kept")
        when, updates = await goes(world), await world.updates()
        await world.bridge.kill()
        await world.load.more(50)
        await world.bridge.start()
        await world.told_again(updates)
        await world.load.more(50)
        assert await world.envoy.changes("web", "old") == before | {ENDPOINTS: before[ENDPOINTS] + 1}
        assert await goes(world) == pytest.approx(when, abs=1)
        await until_has(world, set())

        gone = when - HOUR
        retention = math.ceil(time.time() - gone) + 3
        assert (await world.bridge.reload(cluster_retention=f"{retention}s"))["ok"]
        await until_has(world, None)
        assert time.time() > gone + retention - 1
        assert await world.stat(REMOVED) == before[REMOVED] + 1
        await world.converges("a", "b", "c")
