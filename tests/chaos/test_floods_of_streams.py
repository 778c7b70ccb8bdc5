"""Streams and connections in numbers: opened and dropped, kept, or all at once."""

import asyncio

from support.waiting import eventually
from support.xds_process import MIB, XdsProcess, bystander, flooder, said, settles


def refused(outcomes: dict[str, int], *, answered: int) -> int:
    """How many were refused, given that so many were answered; of some the client knows only that they ended."""
    assert outcomes["answered"] == answered
    assert outcomes["resource_exhausted"] > 0
    return outcomes["resource_exhausted"] + outcomes.get("ended", 0)


async def _only(server: XdsProcess, count: int) -> bool:
    return (await server.counts())["open"] == count


async def test_thirty_thousand_streams_opened_and_cancelled_leave_nothing_behind() -> None:
    async with XdsProcess() as server, bystander(server) as other:
        before = server.memory()
        server.forget_peak()

        async with flooder(server, "cancel", 30_000) as client:
            await other.sees_changes()
            assert await said(client) == {"cancelled": 30_000}
            await other.sees_changes()
            await eventually(lambda: _only(server, 1), timeout=60)

            # 5,000 streams, what one client may have, take some 200 MB; those that were cancelled are not among them.
            assert server.peak() < before + 256 * MIB
        await settles(server, before + 32 * MIB)


async def test_two_thousand_envoys_that_connect_at_once_are_all_answered() -> None:
    # One process has all the connections, and on a busy machine not the time to answer so many probes within seconds.
    async with XdsProcess(keepalive_timeout=60) as server, bystander(server) as other:
        before = server.memory()

        async with flooder(server, "connections", 2000) as client:
            assert await said(client) == {"answered": 2000}
            counts = await server.counts()
            await other.sees_changes()

            assert counts["open"] == 2001
            assert server.memory() < before + 2000 * 100_000  # measured: some 45 KB each
        await eventually(lambda: _only(server, 1), timeout=60)
        await settles(server, before + 64 * MIB)


async def test_a_client_with_too_many_streams_is_refused_those_and_others_are_not() -> None:
    async with XdsProcess(streams_per_client=100) as server:
        await server.serve(1)
        async with flooder(server, "streams", 300) as client:
            assert refused(await said(client), answered=100) == 200

            counts = await server.counts()
            assert (counts["open"], counts["streams_per_client"]) == (100, 200)
        await eventually(lambda: _only(server, 0))
        async with bystander(server) as other:  # of the same host: the places are free again
            await other.sees_changes()


async def test_streams_beyond_the_limit_of_all_are_refused() -> None:
    async with (
        XdsProcess(streams=100) as server,
        bystander(server) as other,
        flooder(server, "streams", 300) as client,
    ):
        assert refused(await said(client), answered=99) == 201
        await other.sees_changes()

        counts = await server.counts()
        assert (counts["open"], counts["streams"]) == (100, 201)


async def test_streams_that_come_too_fast_wait_and_are_all_answered() -> None:
    async with (
        XdsProcess(accept_rate=200) as server,
        bystander(server) as other,
        flooder(server, "streams", 900) as client,
    ):
        await other.sees_changes()
        assert await said(client) == {"answered": 900}

        assert "accept_rate" not in await server.counts()


async def test_streams_that_come_much_too_fast_are_refused() -> None:
    async with (
        XdsProcess(accept_rate=20) as server,
        bystander(server) as other,
        flooder(server, "streams", 1000) as client,
    ):
        outcome = await said(client)
        await other.sees_changes()

        assert sum(outcome.values()) == 1000
        assert outcome["answered"] >= 39  # two seconds' worth at once; the bystander was one of them
        assert (await server.counts())["accept_rate"] == refused(outcome, answered=outcome["answered"])


async def test_new_envoys_are_taken_up_while_everybody_is_written_to() -> None:
    async with XdsProcess() as server, bystander(server) as other, flooder(server, "followers", 400) as old:
        assert await said(old) == {"answered": 400}

        async with flooder(server, "connections", 100) as new, asyncio.TaskGroup() as tasks:
            answered = tasks.create_task(said(new))
            changes = 0
            while not answered.done():
                await other.sees_changes(1)
                changes += 1

        # One each change is what gRPC takes up by itself; measured with turns: some 20 changes for all of them.
        assert answered.result() == {"answered": 100}
        assert changes < 60
