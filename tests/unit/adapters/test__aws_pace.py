import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters._aws import Api, AwsError, Cloud, Kind, Operation, Pace, Place
from bridge.poll import Bucket, Calls, Poll
from support.aws import canned_aws, document, use_credentials
from support.recording import RecordingContext
from support.ticks import ManualTicks
from support.waiting import eventually

THROTTLED = AwsError("too fast", Kind.THROTTLED, "RequestLimitExceeded")


class TickedContext(RecordingContext):
    def __init__(self) -> None:
        super().__init__()
        self.manual = ManualTicks()

    def ticks(self, interval: float) -> AsyncIterator[None]:
        return self.manual(interval)


@pytest.fixture
def context() -> TickedContext:
    return TickedContext()


@pytest.fixture
def api(context: TickedContext) -> Api:
    return Cloud().api(Place("eu-west-1"), 5, context.requested)


@pytest.fixture
def pace(context: TickedContext, api: Api) -> Pace:
    return Pace(context, 30, api)


async def passed(pace: Pace, api: Api, calls: int, error: Exception | None = None) -> None:
    async with pace.turn():
        api.calls += calls
        if error:
            raise error


async def test_throttling_doubles_the_interval_and_success_brings_it_back(
    pace: Pace, api: Api, context: TickedContext
) -> None:
    intervals = []
    for _ in range(5):
        with pytest.raises(AwsError) as caught:
            await passed(pace, api, 1, THROTTLED)
        intervals.append(pace.interval)
        assert caught.value.retry_after == pace.interval
    for _ in range(4):
        await passed(pace, api, 1)
        intervals.append(pace.interval)

    assert intervals == [60, 120, 240, 300, 300, 150, 75, 37.5, 30]
    assert {event for event, _ in context.notices} == {"aws.throttled"}


async def test_what_is_throttled_after_each_pass_stretches_as_far_and_comes_back(pace: Pace, api: Api) -> None:
    """What surrounds the tasks of ECS is asked for when the pass itself is over, and has not been throttled."""
    intervals = []
    for _ in range(5):
        await passed(pace, api, 1)
        pace.slow_down(THROTTLED)
        intervals.append(pace.interval)
        assert THROTTLED.retry_after == pace.interval
    for _ in range(4):
        await passed(pace, api, 1)
        intervals.append(pace.interval)

    assert intervals == [60, 120, 240, 300, 300, 150, 75, 37.5, 30]


@pytest.mark.parametrize(("timeout", "deadline"), [(0.1, 60), (10, 60), (60, 259)])
def test_a_pass_may_take_as_long_as_one_call_with_all_its_tries(
    timeout: float, deadline: float, context: TickedContext
) -> None:
    """60 s to connect and answer in 4 tries, with pauses of 1, 2 and 4 s; connecting has 3 s at the most."""
    api = Cloud(attempts=4).api(Place("eu-west-1", timeout=timeout), 5, context.requested)

    assert api.longest <= Pace(context, 30, api).deadline == deadline


async def test_other_failures_leave_the_interval_alone(pace: Pace, api: Api) -> None:
    with pytest.raises(AwsError) as caught:
        await passed(pace, api, 1, AwsError("no", Kind.DENIED, "UnauthorizedOperation", retry_after=60))

    assert pace.interval == 30
    assert caught.value.retry_after == 60


async def test_the_interval_is_never_shorter_than_the_calls_of_a_pass_take(
    pace: Pace, api: Api, context: TickedContext
) -> None:
    await passed(pace, api, 200)
    stretched = pace.interval
    await passed(pace, api, 201)
    await passed(pace, api, 10)

    assert stretched == 200 / 5
    assert pace.interval == 30
    ((event, fields),) = context.notices
    assert event == "aws.interval_stretched"
    assert fields == {"place": "self/eu-west-1", "configured": 30, "interval": 40.0, "calls": 200, "budget": 5}


async def test_what_a_pass_cost_is_told(context: TickedContext) -> None:
    declared = Operation("ecs", "ListTasks", "EcsTasks", Bucket("reads", 20, 100))
    api = Cloud().api(Place("eu-west-1"), 5, context.requested, (declared,))
    pace = Pace(context, 30, api, "cluster")
    api.calls_by_operation["ecs", "ListTasks"] = 7

    async with pace.turn():
        api.calls += 200
        api.calls_by_operation["ecs", "ListTasks"] += 199
        api.calls_by_operation["ecs", "DescribeTasks"] += 1

    told = context.polls["cluster"]
    assert told.took is not None
    assert replace(told, took=None) == Poll(
        "self/eu-west-1", (Calls("ecs.DescribeTasks", 1), Calls("ecs.ListTasks", 199, declared.bucket)), 30, 40, 5
    )
    assert told.count == 200

    pace.slow_down(THROTTLED)
    slowed = context.polls["cluster"]
    assert (slowed.interval, slowed.calls) == (80, told.calls)


async def test_a_pass_that_breaks_off_does_not_make_the_next_one_look_cheap(pace: Pace, api: Api) -> None:
    await passed(pace, api, 200)
    with pytest.raises(AwsError):
        await passed(pace, api, 1, AwsError("cut off", Kind.PARTIAL))

    assert pace.interval == 40


async def test_a_pass_has_a_deadline(context: TickedContext, api: Api) -> None:
    pace = Pace(context, 0.02, api, shortest_deadline=0.05)

    with pytest.raises(AwsError, match=r"reading self/eu-west-1 took longer than 0.05 s") as caught:
        async with pace.turn():
            await asyncio.Event().wait()

    assert caught.value.kind is Kind.UNREACHABLE


async def test_waiting_for_a_budget_that_many_share_is_not_against_the_deadline(
    context: TickedContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_credentials(monkeypatch)
    cloud, branches, calls, rate = Cloud(), 10, 6, 20
    async with canned_aws() as aws, cloud.joined():
        aws.on("DescribeInstances", document("DescribeInstances", "<reservationSet/>"))
        api = cloud.api(Place("eu-west-1", endpoint_url=aws.url), rate, context.requested)
        await api.call("ec2", "DescribeInstances")  # makes the client, which takes long
        api.budget.charge(rate * 5)
        apis = [api.branch() for _ in range(branches)]
        paces = [Pace(context, 0.1, branch, shortest_deadline=4) for branch in apis]

        async def read(branch: Api, pace: Pace) -> None:
            async with pace.turn():
                for _ in range(calls):
                    await branch.call("ec2", "DescribeInstances")

        async with asyncio.TaskGroup() as tasks:
            for branch, pace in zip(apis, paces, strict=True):
                tasks.create_task(read(branch, pace))

        assert [pace.interval for pace in paces] == [pytest.approx(branches * calls / rate)] * branches


async def test_passes_are_rare_while_something_else_tells_of_changes(api: Api, context: TickedContext) -> None:
    passes, relief = 0, [0.0]
    pace = Pace(context, 30, api)
    pace.relieved_by(lambda: relief[0])

    async def work() -> None:
        nonlocal passes
        async for _ in pace.ticks():
            async with pace.turn():
                passes += 1

    async def tick() -> tuple[int, float]:
        context.manual.tick()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return passes, pace.interval

    task = asyncio.create_task(work())
    await eventually(lambda: passes == 1)
    seen = [await tick()]
    for seconds in (300.0, 300.0, 300.0, 0.0, 0.0, 300.0, 300.0):
        relief[0] = seconds
        seen.append(await tick())
    task.cancel()
    await asyncio.wait([task])

    assert seen == [(2, 30), (3, 300), (3, 300), (3, 300), (4, 30), (5, 30), (6, 300), (6, 300)]
    assert context.manual.intervals == [30], "the clock ticks on, so that short polling is back at once"


async def test_a_rare_pass_comes_when_its_time_has_come(api: Api, context: TickedContext) -> None:
    passes = 0
    pace = Pace(context, 0.01, api)
    pace.relieved_by(lambda: 0.05)

    async def work() -> None:
        nonlocal passes
        async for _ in pace.ticks():
            passes += 1

    def due() -> bool:
        context.manual.tick()
        return passes == 3

    task = asyncio.create_task(work())
    await eventually(due)
    task.cancel()
    await asyncio.wait([task])


async def test_calls_of_rare_passes_are_no_reason_to_stretch(api: Api, context: TickedContext) -> None:
    pace = Pace(context, 30, api)
    pace.relieved_by(lambda: 300.0)
    await passed(pace, api, 1000)

    assert (pace.polling, pace.interval) == (30, 300)
    assert context.notices == []


async def test_somebody_elses_time_out_is_not_the_deadline(pace: Pace) -> None:
    with pytest.raises(TimeoutError):
        async with pace.turn():
            raise TimeoutError


async def test_ticks_follow_the_interval_without_a_pass_too_many(pace: Pace, api: Api, context: TickedContext) -> None:
    passes = [10, 200, 200, 10, 10]
    done = 0

    async def work() -> None:
        nonlocal done
        async for _ in pace.ticks():
            await passed(pace, api, passes[done])
            done += 1

    task = asyncio.create_task(work())
    for number in range(1, 5):
        await eventually(lambda number=number: done == number and context.manual.running == 1)  # type: ignore[misc]
        context.manual.tick()
    await eventually(lambda: done == 5)
    task.cancel()
    await asyncio.wait([task])

    assert context.manual.intervals == [30, 40, 30]
