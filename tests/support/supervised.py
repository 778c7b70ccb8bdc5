"""A `Supervisor` with everything it needs, none of it real: time that is ours, and adapters that follow a script."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bridge.adapter import AdapterContext
from bridge.model import SourceName
from bridge.supervisor import Backoff, Clock, Supervisor
from support.context import MemorySink, RecordingObserver
from support.ticks import ManualTicks

DC1 = SourceName("dc1")


@dataclass
class FakeTime:
    """Time that passes only by sleeping, which takes none."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_700_000_000 + self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        return Clock(self.wall, self.monotonic, self.sleep)


@dataclass
class Scripted:
    """An adapter that takes the next step of its script each time it is run, and then waits."""

    steps: list[Callable[[AdapterContext], Awaitable[None]]]
    runs: int = 0

    async def run(self, context: AdapterContext) -> None:
        self.runs += 1
        if self.runs <= len(self.steps):
            await self.steps[self.runs - 1](context)
        await asyncio.Event().wait()

    @property
    def done(self) -> bool:
        return self.runs > len(self.steps)


def fails(error: Exception) -> Callable[[AdapterContext], Awaitable[None]]:
    async def step(_context: AdapterContext) -> None:
        raise error

    return step


def succeeds_then_fails(error: Exception) -> Callable[[AdapterContext], Awaitable[None]]:
    async def step(context: AdapterContext) -> None:
        context.succeeded()
        raise error

    return step


async def succeeds(context: AdapterContext) -> None:
    context.succeeded()
    await asyncio.Event().wait()


async def returns(_context: AdapterContext) -> None:
    return


@dataclass
class Bench:
    """A Supervisor with everything it needs, none of it real."""

    time: FakeTime = field(default_factory=FakeTime)
    observer: RecordingObserver = field(default_factory=RecordingObserver)
    second: RecordingObserver = field(default_factory=RecordingObserver)
    ticks: ManualTicks = field(default_factory=ManualTicks)
    sink: MemorySink = field(default_factory=MemorySink)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    def __post_init__(self) -> None:
        longest = Backoff(uniform=lambda _low, high: high)
        self.supervisor = Supervisor(
            [self.observer, self.second], self.ticks, lambda _source: 42, self.time.clock(), longest
        )

    def run(self, adapter: Scripted, source: SourceName = DC1) -> "asyncio.Task[None]":
        task = asyncio.create_task(self.supervisor.run(source, adapter, self.sink))
        self.tasks.append(task)
        return task
