"""The bridge hangs (SIGSTOP): it says nothing, and its connections stay open. Envoy goes on with what it has."""

import time
from pathlib import Path

import pytest

from support.bridge import BridgeProcess
from support.file_traffic import file_traffic
from support.transports import Transport


@pytest.mark.parametrize("transport", [Transport.SOTW_ADS, Transport.DELTA_ADS])
async def test_a_bridge_that_hangs_until_envoy_has_given_it_up_goes_on_where_it_was(
    tmp_path: Path, transport: Transport
) -> None:
    async with file_traffic(tmp_path, transport, impatient=True) as world:
        await world.load.more(50)
        before, lag = await world.history(), await _lag(world.bridge)

        began = time.monotonic()
        world.bridge.pause()
        await world.load.more(100)
        await world.until_stat("control_plane.connected_state", 0)
        await world.load.more(100)
        assert await world.history() == before
        hung = time.monotonic() - began
        world.bridge.resume()

        await world.until_stat("control_plane.connected_state", 1)
        await world.streams(1)
        await world.load.more(50)
        assert await world.history() == before
        assert await _lag(world.bridge) - lag > hung - 2
        await world.converges("a", "b", "c")
        assert world.bridge.running


async def _lag(bridge: BridgeProcess) -> float:
    """Seconds by which the event loop was late, all in all."""
    return (await bridge.metrics())["xds_bridge_event_loop_lag_seconds_sum"]
