"""Clients that ask for much and read nothing, though their connections live: memory is bounded, and others are served.

Without a limit each of them costs a copy of what it does not read, for as long as it likes.
"""

from support.waiting import eventually
from support.xds_process import MIB, Bystander, XdsProcess, bystander, flooder, said, settles

BULK = 12 * MIB
"""More than the buffers of both kernels and of both ends take: whoever does not read is stuck with the first one."""

IN_FLIGHT = 32 * MIB

BOUND = 4 * IN_FLIGHT + 2 * BULK + 32 * MIB
"""The budget twice, for gRPC's copies, and again for ours, which streams that began at different times do not share;
the content as resource and as response; gRPC's own buffers. Without a budget: 768 MiB."""


async def test_clients_that_do_not_read_cost_no_more_than_the_budget_and_are_hung_up_on() -> None:
    async with XdsProcess(in_flight=IN_FLIGHT, write_timeout=3) as server, bystander(server) as other:
        await other.sees_changes(1, BULK)
        before = server.memory()
        server.forget_peak()

        async with flooder(server, "unread", 32, 1) as client:
            assert await said(client) == {"asked": 32}

            await eventually(lambda: _alone_after_a_change(server, other), timeout=120)

            assert server.peak() < before + BOUND
            assert (await server.counts())["stalled"] == 32
            # The clients still live, and what they did not read is free all the same.
            await settles(server, before + 32 * MIB)


async def test_one_stuck_client_costs_one_response_however_many_changes_there_are() -> None:
    async with XdsProcess() as server, bystander(server) as other:
        await other.sees_changes(1, BULK)
        before = server.memory()
        server.forget_peak()

        async with flooder(server, "unread", 1, 1) as client:
            assert await said(client) == {"asked": 1}
            for extra in range(30):
                await other.sees_changes(1, BULK + extra)

            # Three contents are alive at most (what it is stuck with, what is current, what was before that), each as
            # resource, as response and as gRPC's copy of it. Every change kept would be 30 of them.
            assert server.peak() < before + 9 * BULK + 16 * MIB


async def test_those_who_ask_do_not_read_and_leave_with_nonsense_leave_nothing_behind() -> None:
    async with XdsProcess(in_flight=IN_FLIGHT, write_timeout=3) as server, bystander(server) as other:
        await other.sees_changes(1, BULK)
        before = server.memory()
        server.forget_peak()

        async with flooder(server, "comers", 60) as client:
            assert (await said(client))["asked"] == 60
            await eventually(lambda: _alone(server), timeout=60)
            await other.sees_changes(3, BULK)

            assert server.peak() < before + BOUND
            assert (await server.counts())["invalid_request"] > 0
            await settles(server, before + 32 * MIB)


async def _alone(server: XdsProcess) -> bool:
    return (await server.counts())["open"] == 1


async def _alone_after_a_change(server: XdsProcess, other: Bystander) -> bool:
    await other.sees_changes(1, BULK)
    return await _alone(server)
