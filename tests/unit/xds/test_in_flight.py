import asyncio

import pytest

from support.waiting import eventually
from xds.budget import SLOW
from xds.in_flight import InFlight


class Writer:
    """Writes for as long as the test wants, unless it is told to end."""

    def __init__(self, in_flight: InFlight, number: int, size: int) -> None:
        self.writing, self.may_end = asyncio.Event(), asyncio.Event()
        self.ended = False
        self._in_flight, self._number, self._size = in_flight, number, size

    async def write(self) -> None:
        async with self._in_flight.room(self._number, self._size, self._end):
            self.writing.set()
            await self.may_end.wait()

    def _end(self) -> None:
        self.ended = True
        self.may_end.set()


@pytest.fixture
async def in_flight() -> InFlight:
    return InFlight(100, asyncio.get_running_loop().time)


async def test_writers_wait_for_room_and_leave_none_behind(in_flight: InFlight) -> None:
    first, second = (Writer(in_flight, number, 80) for number in (1, 2))
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(first.write())
        tasks.create_task(second.write())
        await first.writing.wait()
        assert (in_flight.used, in_flight.waiting) == (80, 1)
        first.may_end.set()
        await second.writing.wait()
        second.may_end.set()

    assert (in_flight.used, in_flight.waiting) == (0, 0)
    assert in_flight._timer is None


async def test_whoever_is_cancelled_while_waiting_makes_way(in_flight: InFlight) -> None:
    writers = [Writer(in_flight, number, 80) for number in range(3)]
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(writer.write()) for writer in writers]
        await eventually(lambda: in_flight.waiting == 2)
        running[1].cancel()
        await asyncio.wait({running[1]})
        writers[0].may_end.set()
        await writers[2].writing.wait()
        writers[2].may_end.set()

    assert not writers[1].writing.is_set()
    assert in_flight.used == 0


async def test_stuck_writers_are_passed_and_the_slowest_ended_without_anybody_asking_again() -> None:
    loop = asyncio.get_running_loop()
    in_flight = InFlight(100, lambda: loop.time() * SLOW * 20)  # a second passes twenty times as fast
    stuck = [Writer(in_flight, number, 100) for number in range(2)]
    healthy = Writer(in_flight, 9, 100)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        for writer in (*stuck, healthy):
            tasks.create_task(writer.write())
        await healthy.writing.wait()
        assert in_flight.used == 200
        assert [writer.ended for writer in stuck] == [True, False]
        for writer in (*stuck, healthy):
            writer.may_end.set()

    assert in_flight.used == 0
