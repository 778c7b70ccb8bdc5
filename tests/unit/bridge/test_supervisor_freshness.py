"""What the supervisor tells of the single reads of a source, and how fresh it says the source is."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from bridge.adapter import AdapterContext
from bridge.errors import SourceError
from bridge.poll import Poll
from support.supervised import DC1, Bench, Scripted, fails
from support.waiting import eventually

POLL = Poll("self/eu-west-1", (), 15, 15, 5)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    for task in bench.tasks:
        task.cancel()
    await asyncio.gather(*bench.tasks, return_exceptions=True)


async def forever() -> None:
    await asyncio.Event().wait()


async def test_each_read_is_told_of_and_the_oldest_makes_the_freshness(bench: Bench) -> None:
    began: list[float] = []
    denied = iter([SourceError("denied", missing=("ecs:ListTasks",))])

    async def well(context: AdapterContext) -> None:
        began.append(bench.time.wall())
        context.succeeded("a")
        context.polled("a", POLL)
        bench.time.now += 5
        context.succeeded("b")
        await forever()

    async def denied_once() -> None:
        for error in denied:
            raise error
        await forever()

    async def read(context: AdapterContext) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(context.supervise("c", denied_once))
            tasks.create_task(context.supervise("b", forever))
            tasks.create_task(context.supervise("a", partial(well, context)))

    bench.run(Scripted([read]))
    await eventually(lambda: bench.observer.count("succeeded") == 2)
    status = bench.supervisor.status(DC1)

    assert [(each.name, each.last_success, each.poll) for each in status.readings] == [
        ("a", began[0], POLL),
        ("b", began[0] + 5, None),
        ("c", None, None),
    ]
    assert (status.last_success, status.age) == (None, None), "one was never read"
    assert [(each.reading, each.missing) for each in status.failures] == [("c", ("ecs:ListTasks",))]


async def test_a_read_that_succeeds_does_not_hide_one_that_does_not(bench: Bench) -> None:
    began = bench.time.wall()

    async def read(context: AdapterContext) -> None:
        async def both() -> None:
            for name in ("a", "b"):
                context.succeeded(name)
            bench.time.now += 100
            context.succeeded("a")
            context.succeeded()
            await forever()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(context.supervise("a", forever))
            tasks.create_task(context.supervise("b", both))

    bench.run(Scripted([read]))
    await eventually(lambda: bench.observer.count("succeeded") == 4)
    status = bench.supervisor.status(DC1)

    assert (status.last_success, status.age) == (began, 100)


async def test_freshness_stays_when_a_run_fails_and_its_reads_with_it(bench: Bench) -> None:
    began = bench.time.wall()

    async def read(context: AdapterContext) -> None:
        async def once() -> None:
            context.succeeded("a")

        await context.supervise("a", once)
        raise SourceError("refused")

    adapter = Scripted([read, fails(SourceError("refused"))])
    bench.run(adapter)
    await eventually(lambda: adapter.done)
    status = bench.supervisor.status(DC1)

    assert (status.last_success, status.readings) == (began, ())
    assert status.age == pytest.approx(0.5 + 1)
