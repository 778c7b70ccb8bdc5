"""Clients that send requests without a pause."""

from pathlib import Path

from support.bridge import BridgeProcess
from support.file_traffic import file_traffic
from support.transports import Transport
from support.waiting import eventually
from support.xds_process import MIB, XdsProcess, bystander, flooder, settles


async def test_a_hundred_clients_that_flood_requests_are_slowed_and_nobody_else() -> None:
    async with XdsProcess(request_rate=1) as server, bystander(server) as other:
        before = server.memory()
        server.forget_peak()

        async with flooder(server, "requests", 100, 130):
            await other.sees_changes()
            # Twenty are read at once and the rest at one per second, for minutes: nobody here waits for that.
            await eventually(lambda: _slowed(server, 100), timeout=60)
            await other.sees_changes()

            assert (await server.counts())["open"] == 101
            # 100 MB are on their way. Each may have its window of 64 KiB unread, and gRPC as much again to frame it.
            assert server.peak() < before + 100 * (256 << 10) + 16 * MIB
        await eventually(lambda: _alone(server), timeout=60)
        await settles(server, before + 16 * MIB)


async def test_no_request_of_an_envoy_fails_and_every_change_arrives_while_clients_flood_its_bridge(
    tmp_path: Path,
) -> None:
    async with file_traffic(tmp_path, Transport.DELTA_ADS, limits={"request_rate": 5}) as world:
        await world.load.more(50)
        before = await world.history()

        # A hundred of each client's are read at once, and the rest at five per second, for as long as all this takes.
        async with flooder(world.bridge.xds_port, "requests", 50, 2000):
            await eventually(lambda: _flooded(world.bridge, 50), timeout=60, what="all of them are slowed")
            await world.load.more(100)
            assert await world.history() == before
            await world.converges("a", "b", "c")

        await world.streams(1)
        await world.converges("b", "c")
        assert await world.stat("cluster_manager.cluster_removed") == 0


async def _flooded(bridge: BridgeProcess, clients: int) -> bool:
    return (await bridge.metrics())["xds_bridge_xds_streams_slowed_total"] == clients


async def _slowed(server: XdsProcess, count: int) -> bool:
    return (await server.counts()).get("slowed") == count


async def _alone(server: XdsProcess) -> bool:
    return (await server.counts())["open"] == 1
