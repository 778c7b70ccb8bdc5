import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from bridge.notify import Condition, Herald
from bridge.notify.herald import INTERVAL, UNWATCHED
from bridge.notify.progress import Progress
from support.waiting import eventually


@dataclass
class FakeManager:
    """Remembers what it is told."""

    patience: float | None = None
    told: list[str] = field(default_factory=list)

    def ready(self, status: str) -> None:
        self.told.append(f"ready {status}")

    def status(self, text: str) -> None:
        self.told.append(f"status {text}")

    def alive(self) -> None:
        self.told.append("alive")

    def reloading(self) -> None:
        self.told.append("reloading")

    def stopping(self) -> None:
        self.told.append("stopping")

    def extend(self, seconds: float) -> None:
        self.told.append(f"extend {seconds}")


@dataclass
class FakePipeline:
    waiting: bool = False
    publications: int = 0


class Bench:
    def __init__(self, patience: float | None = None) -> None:
        self.manager, self.pipeline = FakeManager(patience), FakePipeline()
        self.endpoints = 1
        self.intervals: list[float] = []
        self.due = asyncio.Event()
        self.herald = Herald(self.manager, self.condition, self.pipeline, self.ticks)

    def condition(self) -> Condition:
        return Condition((), 1, (), self.endpoints, 1, 0, 0, paused=False, refused="")

    def text(self) -> str:
        return str(self.condition())

    async def ticks(self, interval: float) -> AsyncIterator[None]:
        self.intervals.append(interval)
        while True:
            await self.due.wait()
            self.due.clear()
            yield

    async def tick(self) -> list[str]:
        """What one look has the manager told."""
        self.manager.told.clear()
        self.due.set()
        await eventually(lambda: not self.due.is_set(), what="a tick")
        await asyncio.sleep(0)
        return list(self.manager.told)


async def test_the_manager_hears_of_the_start_and_of_what_changes() -> None:
    bench = Bench()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.herald.run())
        await eventually(lambda: bool(bench.manager.told), what="the start")
        assert bench.manager.told == [f"ready {bench.text()}"]

        assert await bench.tick() == ["alive"]
        bench.endpoints = 2

        assert await bench.tick() == [f"status {bench.text()}", "alive"]
        task.cancel()


async def test_the_watchdog_is_fed_three_times_while_it_waits() -> None:
    bench = Bench(patience=9)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.herald.run())
        await eventually(lambda: bool(bench.intervals), what="ticks")

        assert bench.intervals == [3.0]
        task.cancel()


def test_without_a_watchdog_a_change_that_came_right_after_a_look_has_not_waited_for_too_long() -> None:
    pipeline = FakePipeline()
    progress = Progress(pipeline, UNWATCHED)
    assert not progress.stuck(0)
    pipeline.waiting = True

    assert not progress.stuck(INTERVAL + 1)
    assert progress.stuck(UNWATCHED + 1)


async def test_a_pipeline_that_stands_still_is_not_vouched_for(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(patience=0.01)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.herald.run())
        await eventually(lambda: bool(bench.manager.told), what="the start")
        assert "alive" in await bench.tick()

        bench.pipeline.waiting = True
        loop, waited = asyncio.get_running_loop(), asyncio.Event()
        loop.call_later(0.02, waited.set)
        await waited.wait()

        assert await bench.tick() == []
        assert await bench.tick() == []
        bench.pipeline.publications += 1
        assert await bench.tick() == ["alive"]
        task.cancel()
    assert [record.message for record in caplog.records] == ["bridge.stuck"]


async def test_a_reload_begins_and_ends() -> None:
    bench = Bench()

    bench.herald.began()
    bench.herald.failed()
    bench.herald.began()
    bench.herald.succeeded()

    assert bench.manager.told == ["reloading", f"ready {bench.text()}"] * 2


async def test_the_manager_waits_for_as_long_as_something_takes() -> None:
    bench = Bench()

    with bench.herald.taking_longer():
        assert bench.manager.told == ["extend 15.0"]

    bench.herald.stopping()
    assert bench.manager.told == ["extend 15.0", "stopping"]
