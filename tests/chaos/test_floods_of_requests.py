"""Clients that send requests without a pause."""

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


async def _slowed(server: XdsProcess, count: int) -> bool:
    return (await server.counts()).get("slowed") == count


async def _alone(server: XdsProcess) -> bool:
    return (await server.counts())["open"] == 1
