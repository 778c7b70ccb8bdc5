import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from support.waiting import eventually
from xds import Limits, Reason, Refused
from xds import admission as module
from xds.admission import Admission


async def enter(admission: Admission, client: str, stay: asyncio.Event) -> None:
    async with admission.place(client):
        await stay.wait()


@contextlib.asynccontextmanager
async def inside(admission: Admission, *clients: str) -> AsyncIterator[None]:
    """Streams of these clients, which stay for as long as the block lasts."""
    async with contextlib.AsyncExitStack() as stack:
        for client in clients:
            await stack.enter_async_context(admission.place(client))
        yield


def admission(limits: Limits) -> Admission:
    return Admission(limits, asyncio.get_running_loop().time)


async def refusal(subject: Admission, client: str) -> Reason:
    with pytest.raises(Refused) as caught:
        async with subject.place(client):
            pass
    return caught.value.reason


async def test_one_stream_too_many_is_refused_and_a_place_that_is_left_is_free_again() -> None:
    subject = admission(Limits(streams=2))
    async with inside(subject, "a", "b"):
        assert await refusal(subject, "c") is Reason.STREAMS

    async with inside(subject, "c"):
        assert subject.taken == 1
    assert subject.taken == 0


async def test_a_client_with_too_many_streams_leaves_room_for_others() -> None:
    subject = admission(Limits(streams_per_client=2))
    async with inside(subject, "a", "a"):
        assert await refusal(subject, "a") is Reason.STREAMS_PER_CLIENT
        async with inside(subject, "b"):
            assert subject.taken == 3


async def test_who_waits_for_a_turn_or_has_just_got_it_is_refused_when_the_server_stops() -> None:
    now = 0.0
    subject = Admission(Limits(accept_rate=1), lambda: now)
    async with inside(subject, "a", "b"), asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(refusal(subject, client)) for client in "cd"]
        await eventually(lambda: subject.taken == 4)

        now = 1.0
        subject._call_those_due()
        subject.close()

    assert [task.result() for task in waiting] == [Reason.STOPPING] * 2
    assert await refusal(subject, "e") is Reason.STOPPING
    assert subject.taken == 0


async def test_those_who_come_too_fast_wait_for_their_turn() -> None:
    now = 0.0
    subject = Admission(Limits(accept_rate=50), lambda: now)
    let_in = list[int]()

    async def come(number: int) -> None:
        async with subject.place("a"):
            let_in.append(number)

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        for number in range(150):
            tasks.create_task(come(number))
        await eventually(lambda: len(let_in) == 100)  # two seconds' worth at once
        assert subject.taken == 50
        now = 0.5
        await eventually(lambda: len(let_in) == 125)
        assert subject.taken == 25
        now = 1.0

    assert let_in == list(range(150))
    assert subject.taken == 0


async def test_whoever_hangs_up_while_waiting_leaves_nothing_behind() -> None:
    subject = admission(Limits(accept_rate=1))
    async with inside(subject, "a", "a"):
        waiting = asyncio.ensure_future(enter(subject, "a", asyncio.Event()))
        await asyncio.sleep(0)
        assert subject.taken == 3
        waiting.cancel()
        await asyncio.wait({waiting})

        assert subject.taken == 2
        assert subject._turns.wait(0.0) is None


async def test_a_turn_that_does_not_come_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    begun, passing = loop.time(), loop.time
    subject = Admission(Limits(accept_rate=1), lambda: begun)  # its time stands still: nobody's turn comes
    async with inside(subject, "a", "a"), asyncio.TaskGroup() as tasks:
        refused = tasks.create_task(refusal(subject, "b"))
        await eventually(lambda: subject.taken == 3)
        assert not refused.done()
        monkeypatch.setattr(loop, "time", lambda: passing() + module.PATIENCE)

    assert refused.result() is Reason.ACCEPT_RATE

    assert subject.taken == 0
