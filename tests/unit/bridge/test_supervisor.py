import asyncio
import logging
from collections.abc import AsyncIterator
from functools import partial

import pytest

from bridge.adapter import AdapterContext
from bridge.errors import SourceError
from bridge.model import Scope, ServiceName, SourceName
from bridge.supervisor import Backoff, Supervisor
from support.supervised import DC1, Bench, Scripted, fails, returns, succeeds, succeeds_then_fails
from support.waiting import eventually


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    for task in bench.tasks:
        task.cancel()
    await asyncio.gather(*bench.tasks, return_exceptions=True)


def events(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    ours = [record for record in caplog.records if record.name == "bridge.supervisor"]
    return [record.message for record in ours if record.levelno == level]


async def test_failure_is_tried_again_with_a_back_off_that_doubles_up_to_a_limit(bench: Bench) -> None:
    adapter = Scripted([fails(SourceError("refused"))] * 8)

    bench.run(adapter)
    await eventually(lambda: adapter.done)

    assert bench.time.slept == [0.5, 1, 2, 4, 8, 15, 15, 15]


async def test_success_resets_the_back_off(bench: Bench) -> None:
    error = SourceError("refused")
    adapter = Scripted([fails(error), fails(error), succeeds_then_fails(error), fails(error)])

    bench.run(adapter)
    await eventually(lambda: adapter.done)

    assert bench.time.slept == [0.5, 1, 0.5, 1]


def test_back_off_draws_from_the_whole_span() -> None:
    spans: list[tuple[float, float]] = []
    backoff = Backoff(uniform=lambda low, high: spans.append((low, high)) or low)  # type: ignore[func-returns-value]  # append returns None

    for attempts in (1, 2, 5, 6, 7, 5000):
        assert backoff.delay(attempts, None) == 0

    assert spans == [(0, 0.5), (0, 1), (0, 8), (0, 15), (0, 15), (0, 15)]


@pytest.mark.parametrize("asked", [0.0, 0.25, 30.0, 600.0])
def test_source_is_left_alone_for_as_long_as_it_asks(asked: float) -> None:
    delays = [Backoff().delay(3, asked) for _ in range(200)]

    assert min(delays) >= asked
    assert max(delays) <= asked * 1.1


def test_nonsense_about_when_to_come_back_is_not_believed() -> None:
    assert Backoff().delay(1, -5.0) == 0


async def test_retry_after_of_a_source_error_is_honoured(bench: Bench) -> None:
    adapter = Scripted([fails(SourceError("throttled", retry_after=60))])

    bench.run(adapter)
    await eventually(lambda: adapter.done)

    assert bench.time.slept == [pytest.approx(66)]


async def test_failure_is_logged_once_per_outage(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "bridge.supervisor")
    adapter = Scripted([fails(SourceError("refused"))] * 5 + [succeeds])

    bench.run(adapter)
    await eventually(lambda: bench.observer.count("recovered") == 1)

    assert events(caplog, logging.WARNING) == ["source.failed"]
    assert events(caplog, logging.DEBUG) == ["source.failed"] * 4
    assert events(caplog, logging.INFO) == ["source.recovered"]


async def test_log_of_a_failure_says_what_failed_and_what_happens_next(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = Scripted([fails(SourceError("connection refused"))])

    bench.run(adapter)
    await eventually(lambda: adapter.done)

    fields = caplog.records[0].__dict__
    assert {key: fields[key] for key in ("source", "reading", "error", "retry_in", "endpoints_kept")} == {
        "source": "dc1",
        "reading": "",
        "error": "connection refused",
        "retry_in": 0.5,
        "endpoints_kept": 42,
    }


async def test_another_error_and_a_long_outage_are_logged_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    refused, denied = SourceError("refused"), SourceError("403", retry_after=400)
    adapter = Scripted([fails(refused), fails(refused), fails(denied), fails(denied), fails(denied)])

    bench.run(adapter)
    await eventually(lambda: adapter.done)

    warnings = [record.__dict__["error"] for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["refused", "403", "403"], "at once, when it changed, and after ten minutes"


async def test_thousand_watches_that_fail_together_are_logged_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    tried: set[str] = set()

    async def watch(context: AdapterContext, name: str) -> None:
        if name in tried:
            context.succeeded(name)
            return
        tried.add(name)
        raise SourceError(f"cannot read {name}: refused")

    async def read(context: AdapterContext) -> None:
        names = [f"service {number}" for number in range(1000)]
        await asyncio.gather(*(context.supervise(name, partial(watch, context, name)) for name in names))
        context.succeeded()

    caplog.set_level(logging.INFO, "bridge.supervisor")
    bench.run(Scripted([read]))
    await eventually(lambda: ("succeeded", DC1, "") in bench.observer.events)

    assert events(caplog, logging.WARNING) == ["source.failed"]
    assert events(caplog, logging.INFO) == ["source.recovered"]
    assert bench.observer.count("failed") == 1000


async def test_supervised_work_is_tried_again_alone(bench: Bench) -> None:
    attempts = {"web": 0, "api": 0}

    async def read(context: AdapterContext) -> None:
        async def work(name: str, failures: int) -> None:
            attempts[name] += 1
            if attempts[name] <= failures:
                raise SourceError("refused")
            context.succeeded(name)

        await context.supervise("web", lambda: work("web", 3))
        await context.supervise("api", lambda: work("api", 0))
        await succeeds(context)

    adapter = Scripted([read])

    bench.run(adapter)
    await eventually(lambda: attempts == {"web": 4, "api": 1})

    assert adapter.runs == 1


async def test_failure_of_supervised_work_does_not_lengthen_the_back_off_of_another(bench: Bench) -> None:
    attempts = 0

    async def work() -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= 3:
            raise SourceError("refused")

    async def read(context: AdapterContext) -> None:
        await context.supervise("web", work)
        raise SourceError("refused")

    adapter = Scripted([read])

    bench.run(adapter)
    await eventually(lambda: adapter.done)

    assert bench.time.slept == [0.5, 1, 2, 0.5]


async def test_bug_in_an_adapter_is_logged_with_its_traceback_once_and_tried_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async def stumble(context: AdapterContext) -> None:
        payload: dict[str, int] = {}
        context.requested("read", "200", float(payload["port"]))

    adapter = Scripted([stumble, stumble, stumble, succeeds])

    bench.run(adapter)
    await eventually(lambda: bench.observer.count("succeeded") == 1)

    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.message for record in errors] == ["source.crashed"]
    assert errors[0].exc_info is not None
    assert "KeyError('port')" in errors[0].__dict__["error"]
    assert bench.observer.count("crashed") == 3
    assert bench.observer.count("failed") == 0
    assert bench.supervisor.status(DC1).crashes == 3
    assert bench.time.slept == [0.5, 1, 2]


async def test_second_bug_is_not_hidden_by_the_first_nor_by_an_outage(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = Scripted([fails(SourceError("refused")), fails(KeyError("a")), fails(ValueError("b"))])

    bench.run(adapter)
    await eventually(lambda: adapter.done)

    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [KeyError, ValueError]


async def test_adapter_that_returns_without_being_cancelled_is_a_bug(bench: Bench) -> None:
    adapter = Scripted([returns, returns])

    async def run(context: AdapterContext) -> None:
        adapter.runs += 1
        if adapter.done:
            await succeeds(context)

    adapter.run = run  # type: ignore[method-assign]  # returns where Scripted would wait

    bench.run(adapter)
    await eventually(lambda: adapter.done)

    assert bench.observer.count("crashed") == 2


async def test_failure_in_a_task_group_of_the_adapter_is_a_failure(bench: Bench) -> None:
    async def group(context: AdapterContext) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fails(SourceError("refused", retry_after=7))(context))  # type: ignore[arg-type]  # a coroutine

    adapter = Scripted([group])

    bench.run(adapter)
    await eventually(lambda: adapter.done)

    assert ("failed", DC1, "", "refused") in bench.observer.events
    assert bench.time.slept == [pytest.approx(7.7)]


async def test_bug_in_a_task_group_is_a_bug_although_others_failed(bench: Bench) -> None:
    adapter = Scripted([fails(ExceptionGroup("", [SourceError("refused"), ExceptionGroup("", [KeyError("a")])]))])

    bench.run(adapter)
    await eventually(lambda: adapter.done)

    assert bench.observer.count("crashed") == 1


async def test_bug_in_one_source_leaves_the_others_alone(bench: Bench) -> None:
    healthy = Scripted([succeeds])

    bench.run(Scripted([fails(KeyError("a"))] * 50), SourceName("ill"))
    bench.run(healthy)
    await eventually(lambda: bench.observer.count("crashed") == 50)

    assert healthy.runs == 1
    assert bench.supervisor.status(DC1).failures == ()


async def test_cancellation_passes_at_once(bench: Bench) -> None:
    reading, failing = Scripted([succeeds]), Scripted([fails(SourceError("refused", retry_after=3600))])
    supervisor = Supervisor([], bench.ticks, lambda _source: 0)
    tasks = [
        asyncio.create_task(supervisor.run(SourceName(f"s{number}"), adapter, bench.sink))
        for number, adapter in enumerate((reading, failing))
    ]
    await eventually(lambda: bool(supervisor.status(SourceName("s1")).failures))

    for task in tasks:
        task.cancel()
    done, pending = await asyncio.wait(tasks, timeout=1)

    assert not pending
    assert all(task.cancelled() for task in done)


async def test_abandoned_watch_does_not_count_as_failing(bench: Bench) -> None:
    async def read(context: AdapterContext) -> None:
        watch = asyncio.create_task(context.supervise("web", lambda: fails(SourceError("refused"))(context)))
        await eventually(lambda: bench.observer.count("failed") > 0)
        watch.cancel()
        await asyncio.wait([watch])
        await succeeds(context)

    bench.run(Scripted([read]))
    await eventually(lambda: bench.observer.count("recovered") == 1)

    assert bench.supervisor.status(DC1).failures == ()


async def test_status_tells_what_fails_and_when_a_read_last_succeeded(bench: Bench) -> None:
    adapter = Scripted([succeeds_then_fails(SourceError("refused")), fails(SourceError("403"))])
    began = bench.time.wall()

    bench.run(adapter)
    await eventually(lambda: adapter.done)
    bench.time.now += 8.5
    status = bench.supervisor.status(DC1)

    assert [(each.reading, each.error, each.attempts, each.since) for each in status.failures] == [
        ("", "403", 2, began)
    ]
    assert status.last_success == began
    assert status.age == pytest.approx(0.5 + 1 + 8.5)


def test_status_of_a_source_that_does_not_run_is_unknown(bench: Bench) -> None:
    status = bench.supervisor.status(DC1)

    assert (status.last_success, status.age, status.failures) == (None, None, ())


async def test_every_observer_is_told_everything_in_order(bench: Bench) -> None:
    async def read(context: AdapterContext) -> None:
        context.requested("list", "200", 0.25)
        await succeeds(context)

    bench.run(Scripted([fails(SourceError("refused")), read]))
    await eventually(lambda: bench.second.count("recovered") == 1)

    assert bench.observer.events == bench.second.events
    assert bench.observer.events == [
        ("started", DC1),
        ("failed", DC1, "", "refused"),
        ("requested", DC1, "list", "200", "0.25"),
        ("succeeded", DC1, ""),
        ("recovered", DC1),
    ]


async def test_context_gives_the_adapter_what_it_needs(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[object] = []

    async def read(context: AdapterContext) -> None:
        context.sink.update(Scope("s"), ServiceName("web"), frozenset())
        seen.extend([context.source, context.allow_empty, context.shared("fake:limit", object)])
        context.noticed("fake.limited", connections=20)
        async for _ in context.ticks(5.0):
            context.succeeded()

    bench.run(Scripted([read]), SourceName("a"))
    bench.run(Scripted([read]), SourceName("b"))
    await eventually(lambda: bench.observer.count("succeeded") == 2)
    bench.ticks.tick()
    await eventually(lambda: bench.observer.count("succeeded") == 4)

    assert seen[:2] == ["a", False]
    assert seen[2] is seen[5], "what is shared is one object for all sources"
    assert bench.ticks.intervals == [5.0, 5.0]
    assert bench.sink.services == {ServiceName("web"): frozenset()}
    noticed = [record.__dict__ for record in caplog.records if record.message == "fake.limited"]
    assert [(fields["source"], fields["connections"]) for fields in noticed] == [("a", 20), ("b", 20)]


async def test_cancellation_that_nobody_asked_for_is_a_bug_and_not_the_end_of_the_source(bench: Bench) -> None:
    async def waits_for_a_cancelled_future(_context: AdapterContext) -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    adapter = Scripted([waits_for_a_cancelled_future])
    bench.run(adapter)

    await eventually(lambda: adapter.done)

    assert bench.supervisor.status(DC1).crashes == 1


async def test_fields_of_a_notice_may_have_any_name(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    async def notices(context: AdapterContext) -> None:
        context.noticed("consul.limited", name="web", message="none", args=1, watches=64)

    bench.run(Scripted([notices]))
    await eventually(lambda: any(record.getMessage() == "consul.limited" for record in caplog.records))

    (record,) = [record for record in caplog.records if record.getMessage() == "consul.limited"]
    assert record.__dict__["watches"] == 64
    assert record.__dict__["name_"] == "web"
