"""The bridge is told to end (SIGTERM) under load and started again: it ends by itself, and Envoy does not notice."""

from pathlib import Path

import pytest

from bridge.bootstrap import BRIDGE_CLUSTER
from support.file_traffic import file_traffic
from support.transports import Transport


@pytest.mark.parametrize("transport", [Transport.SOTW_ADS, Transport.DELTA_ADS])
async def test_a_bridge_that_is_told_to_end_ends_its_streams_keeps_its_state_and_comes_back_unnoticed(
    tmp_path: Path, transport: Transport
) -> None:
    state = tmp_path / "state"
    async with file_traffic(tmp_path, transport, state_directory=str(state)) as world:
        await world.load.more(50)
        world.offer("a", "b", "c")
        await world.until("a", "b", "c")
        before, updates = await world.history(), await world.updates()
        versions = (await world.bridge.get("/api/v1/status"))["versions"]

        # One that does not end by itself within its four seconds cuts itself off, and that is another exit code.
        assert await world.bridge.terminate() == 0
        assert world.kept(state / "state.json") == {"a", "b", "c"}
        await world.until_stat("control_plane.connected_state", 0)
        assert await world.stat(f"cluster.{BRIDGE_CLUSTER}.upstream_cx_destroy_with_active_rq") == 0
        await world.load.more(200)

        await world.bridge.start()
        await world.told_again(updates)
        await world.load.more(50)
        assert await world.history() == before
        assert (await world.bridge.get("/api/v1/status"))["versions"] == versions
        await world.backends.start("d")
        await world.converges("a", "b", "c", "d")
