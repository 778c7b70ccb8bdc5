import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from bridge.scheduler import Scheduler
from support.clock import Step, Stepped, steppable_clock
from support.waiting import eventually


@pytest.fixture
def step_clock() -> Iterator[Step]:
    with steppable_clock() as step:
        yield step


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    with Scheduler() as scheduler:
        yield scheduler
    await asyncio.sleep(0)  # the library ends on the loop


class Reader:
    """Loops over ticks in a task and keeps when each came."""

    def __init__(self, scheduler: Scheduler, interval: float) -> None:
        self.times: list[float] = []
        self.task = asyncio.create_task(self._read(scheduler, interval))

    async def _read(self, scheduler: Scheduler, interval: float) -> None:
        async for _ in scheduler.ticks(interval):
            self.times.append(asyncio.get_running_loop().time())

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def test_first_tick_comes_at_once(scheduler: Scheduler) -> None:
    reader = Reader(scheduler, 3600)

    await eventually(lambda: len(reader.times) == 1, timeout=1)

    await reader.stop()


async def test_ticks_come_once_every_interval(scheduler: Scheduler) -> None:
    reader = Reader(scheduler, 0.1)

    await eventually(lambda: len(reader.times) >= 6)

    await reader.stop()
    assert 0.4 <= reader.times[5] - reader.times[0] <= 1.5


async def test_ticks_missed_by_a_slow_reader_coalesce_into_one(scheduler: Scheduler) -> None:
    ticks = aiter(scheduler.ticks(0.05))
    await anext(ticks)
    loop, slow = asyncio.get_running_loop(), asyncio.Event()
    loop.call_later(0.4, slow.set)
    await slow.wait()

    began = loop.time()
    for _ in range(5):
        await anext(ticks)

    # One that was missed comes at once and the next may be due; three more take their time, however slow all is.
    assert loop.time() - began > 2.5 * 0.05
    await ticks.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_several_readers_tick_independently(scheduler: Scheduler) -> None:
    often, seldom = Reader(scheduler, 0.02), Reader(scheduler, 3600)

    await eventually(lambda: len(often.times) >= 5)

    assert len(seldom.times) == 1
    await often.stop()
    await seldom.stop()


@pytest.mark.parametrize(
    "step", [timedelta(hours=-1), timedelta(seconds=-60), timedelta(hours=1), timedelta(days=365 * 50)]
)
async def test_ticks_go_on_after_the_wall_clock_was_set(
    scheduler: Scheduler, step_clock: Step, step: timedelta
) -> None:
    reader = Reader(scheduler, 0.1)
    await eventually(lambda: len(reader.times) >= 2)

    step_clock(step)
    seen = len(reader.times)
    await eventually(lambda: len(reader.times) >= seen + 6, timeout=5)

    await reader.stop()
    gaps = [later - earlier for earlier, later in zip(reader.times, reader.times[1:], strict=False)]
    assert max(gaps) < 1.0, "no tick may stay away much longer than its interval"
    assert reader.times[-1] - reader.times[seen - 1] > 0.3, "no burst of missed ticks either"


async def test_the_job_is_planned_anew_after_the_wall_clock_was_set_back(
    scheduler: Scheduler, step_clock: Step
) -> None:
    reader = Reader(scheduler, 0.1)
    await eventually(lambda: len(reader.times) >= 2)

    step_clock(timedelta(hours=-1))
    seen = len(reader.times)
    await eventually(lambda: len(reader.times) >= seen + 2)

    planned = scheduler._jobs.get_jobs()[0].next_run_time - Stepped.now(scheduler._jobs.timezone)
    assert planned < timedelta(seconds=1)
    await reader.stop()


async def test_a_loop_that_ended_leaves_no_job_behind(scheduler: Scheduler) -> None:
    cancelled = Reader(scheduler, 0.05)
    await eventually(lambda: bool(cancelled.times))

    async def fail() -> None:
        async for _ in scheduler.ticks(0.05):
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    await cancelled.stop()

    await eventually(lambda: not scheduler._jobs.get_jobs())


async def test_ticks_may_outlive_the_scheduler() -> None:
    with Scheduler() as scheduler:
        reader = Reader(scheduler, 0.05)
        await eventually(lambda: bool(reader.times))
    await asyncio.sleep(0)

    await reader.stop()

    assert reader.task.cancelled()
