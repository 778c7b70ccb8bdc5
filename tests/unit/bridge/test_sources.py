import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.file import FileAdapter
from bridge.adapter import Adapter, AdapterContext
from bridge.config import SourceConfig
from bridge.merge import union
from bridge.model import SourceName
from bridge.operator import Pauses
from bridge.registry import Registry
from bridge.sources import Sources
from bridge.supervisor import Supervisor
from support.context import RecordingObserver
from support.guarded import SCOPE, WEB, entries
from support.ticks import ManualTicks
from support.waiting import eventually

A, B = SourceName("a"), SourceName("b")


class Reader:
    """An adapter that reads until it is cancelled, and may take its time then."""

    def __init__(self, *, stubborn: bool = False) -> None:
        self.running = 0
        self.runs = 0
        self._stubborn = stubborn
        self.leave = asyncio.Event()

    async def run(self, context: AdapterContext) -> None:
        self.running += 1
        self.runs += 1
        try:
            await asyncio.Event().wait()
        finally:
            if self._stubborn:
                await self.leave.wait()
            self.running -= 1


class Deaf:
    """An adapter that takes no notice of its cancellation: it reads on when it is told to, and fails."""

    def __init__(self) -> None:
        self.runs = 0
        self.cancelled = False
        self.goes_on = asyncio.Event()

    async def run(self, context: AdapterContext) -> None:
        self.runs += 1
        with contextlib.suppress(*[asyncio.CancelledError] * (self.runs == 1)):
            await asyncio.Event().wait()
        self.cancelled = True
        await self.goes_on.wait()
        for number in (1, 2):
            context.sink.replace(SCOPE, {WEB: entries([number])})
            context.succeeded()
        raise KeyError("somebody")


def file(name: str, path: str = "/x.yaml", *, required: bool = True) -> SourceConfig:
    options = FileAdapter.Config(path=Path(path))
    return SourceConfig(name=SourceName(name), type="file", required=required, adapter=FileAdapter, options=options)


class Bench:
    """Sources that run, and the configuration that they are from."""

    def __init__(self, patience: float = 5.0) -> None:
        self.observer = RecordingObserver()
        self.supervisor = Supervisor([self.observer], ManualTicks(), lambda _: 0)
        self.registry = Registry([A, B], lambda _: union, lambda: 1.0)
        self.sources = Sources(self.supervisor, Pauses(self.registry, lambda: 1.0, lambda _: None).sink, patience)

    def start(self, reader: Adapter, config: SourceConfig) -> None:
        self.sources.start(config, reader)


@pytest.fixture
def waiting() -> Bench:
    return Bench()


@pytest.fixture
async def bench(waiting: Bench) -> AsyncIterator[Bench]:
    task = asyncio.create_task(waiting.sources.run())
    yield waiting
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_sources_that_were_given_before_are_read_once_it_runs(waiting: Bench) -> None:
    reader = Reader()
    waiting.start(reader, file("a"))
    assert reader.running == 0

    task = asyncio.create_task(waiting.sources.run())
    await eventually(lambda: reader.running == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert reader.running == 0


async def test_a_source_is_ended_while_the_others_go_on(bench: Bench) -> None:
    one, other = Reader(), Reader()
    bench.start(one, file("a"))
    bench.start(other, file("b"))
    await eventually(lambda: one.running == other.running == 1)

    await bench.sources.stop([A])

    assert (one.running, other.running, other.runs) == (0, 1, 1)
    assert list(bench.sources.configs()) == [B]


async def test_a_source_is_read_by_another_adapter_under_its_name(bench: Bench) -> None:
    one, other = Reader(), Reader()
    bench.start(one, file("a"))
    await eventually(lambda: one.running == 1)

    await bench.sources.stop([A])
    bench.start(other, file("a", "/y.yaml"))
    await eventually(lambda: other.running == 1)

    assert one.running == 0
    assert bench.sources.configs() == {A: file("a", "/y.yaml")}


async def test_keys_that_make_no_difference_are_noted_and_nothing_is_read_anew(bench: Bench) -> None:
    reader = Reader()
    bench.start(reader, file("a"))
    await eventually(lambda: reader.running == 1)

    bench.sources.note(file("a", required=False))

    assert reader.runs == 1
    assert not bench.sources.configs()[A].required


async def test_an_adapter_that_does_not_end_is_named_and_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    bench, stuck = Bench(patience=0.01), Reader(stubborn=True)
    task = asyncio.create_task(bench.sources.run())
    bench.start(stuck, file("a"))
    await eventually(lambda: stuck.running == 1)

    await bench.sources.stop([A])

    (record,) = [each for each in caplog.records if each.getMessage() == "source.stuck"]
    assert vars(record)["task"] == "source a"
    stuck.leave.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("again", [True, False], ids=["another adapter reads it", "nobody reads it"])
async def test_an_adapter_that_was_left_behind_is_not_heard_and_not_run_again(
    caplog: pytest.LogCaptureFixture,
    again: bool,
) -> None:
    bench, deaf, other = Bench(patience=0.01), Deaf(), Reader()
    task = asyncio.create_task(bench.sources.run())
    bench.start(deaf, file("a"))
    await eventually(lambda: deaf.runs == 1)
    (reading,) = [each for each in asyncio.all_tasks() if each.get_name() == "source a"]

    await bench.sources.stop([A])
    if again:
        bench.start(other, file("a", "/y.yaml"))
        await eventually(lambda: other.running == 1)
        bench.registry.sink(A).replace(SCOPE, {WEB: entries([3])})
    else:
        bench.registry.forget(A, "it was taken out of the configuration")
        bench.supervisor.forget(A)
    told = list(bench.observer.events)
    deaf.goes_on.set()
    await eventually(reading.done)

    assert deaf.cancelled
    assert deaf.runs == 1
    assert bench.observer.events == told
    assert [len(each.endpoints) for each in bench.registry.drain().added.values()] == [1] * again
    assert [each.getMessage() for each in caplog.records] == ["source.stuck", "source.unheard"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_bug_in_an_adapter_that_is_being_ended_is_its_end(bench: Bench) -> None:
    deaf = Deaf()
    deaf.goes_on.set()
    bench.start(deaf, file("a"))
    await eventually(lambda: deaf.runs == 1)

    await bench.sources.stop([A])

    assert deaf.runs == 1
    assert bench.supervisor.status(A).crashes == 0
    assert "source a" not in {each.get_name() for each in asyncio.all_tasks()}
