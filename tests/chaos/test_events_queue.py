"""What can go wrong with the queue of events: passes go on without it, and no event is deleted that was not applied."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import pytest

from adapters._aws import Cloud
from support.aws import JSON, Request, hang, json_error
from support.ecs import CLUSTER, task_arn, task_json
from support.ecs_reading import adapter, failures, passes, reading
from support.ecs_server import EcsServer, asking_for
from support.events import CannedQueue
from support.fault_proxy import Response
from support.recording import RecordingContext, RecordingSink, running
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]

READING = "events of self/eu-west-1"
DENIED = json_error(403, "AccessDeniedException", "User is not authorized to access this resource")
THROTTLED = json_error(400, "ThrottlingException", "Rate exceeded")


@pytest.fixture
def server(server: EcsServer) -> EcsServer:
    server.serve("t1", "t2")
    return server


@pytest.fixture
def queue(server: EcsServer) -> CannedQueue:
    return CannedQueue(server.aws)


class BrokenSink(RecordingSink):
    """One that cannot take anything."""

    def replace(self, *_: object, **__: object) -> None:
        raise RuntimeError("a bug")


def ended(name: str) -> dict[str, object]:
    """A task that has stopped."""
    return dict(task_json(name, lastStatus="STOPPED", desiredStatus="STOPPED"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (DENIED, "allow sqs:ReceiveMessage to the role of the bridge"),
        (
            json_error(400, "QueueDoesNotExist", "The specified queue does not exist."),
            "create it, with the rule that sends events to it, or correct the URL in `events.queue`",
        ),
        (THROTTLED, "Rate exceeded"),
        (json_error(500, "InternalFailure"), "failed"),
        (Response(200, JSON, b"<html>Please log in</html>"), "that is no answer of AWS's"),
    ],
)
async def test_a_queue_that_cannot_be_read_leaves_everything_to_passes(
    answer: Response, said: str, server: EcsServer, queue: CannedQueue, cloud: Cloud
) -> None:
    server.aws.on("ReceiveMessage", answer)

    async with reading(server, cloud, events={"queue": queue.url}) as source:
        await failures(source)
        server.run(ended("t2"))
        await eventually(lambda: source.sink.addresses("web") == {"10.0.0.1:8080"})
        await passes(source)

        assert set(source.failures) == {READING}
        assert said in source.messages


async def test_a_queue_that_is_denied_is_asked_for_again_after_a_minute(
    server: EcsServer, queue: CannedQueue, cloud: Cloud
) -> None:
    server.aws.on("ReceiveMessage", DENIED)

    async with reading(server, cloud, events={"queue": queue.url}) as source:
        await failures(source)

        assert source.failures[READING][0].retry_after == 60


@pytest.mark.parametrize("answer", [DENIED, THROTTLED, json_error(500, "ServerException")])
async def test_an_event_is_deleted_only_after_it_was_applied(
    answer: Response, server: EcsServer, queue: CannedQueue, cloud: Cloud
) -> None:
    async with reading(server, cloud, interval="1h", events={"queue": queue.url}) as source:
        await eventually(lambda: source.spoken)
        server.faults["DescribeTasks"] = asking_for(task_arn("t2"), answer)
        server.run(ended("t2"))
        handle = queue.task(task_arn("t2"), CLUSTER)
        await eventually(lambda: len(source.failures[READING]) == 1)
        assert queue.messages.keys() == {handle}
        assert "an event was not applied and comes again" in source.messages
        del server.faults["DescribeTasks"]
        queue.show_again()

        await eventually(lambda: queue.messages == {})
        assert source.sink.addresses("web") == {"10.0.0.1:8080"}
        assert source.sink.lost == ["10.0.0.2:8080"]


async def test_an_event_of_a_task_whose_definition_cannot_be_had_comes_again(
    server: EcsServer, queue: CannedQueue, cloud: Cloud
) -> None:
    async with reading(server, cloud, interval="1h", events={"queue": queue.url}) as source:
        await eventually(lambda: source.spoken)
        server.serve("t3", definition="web:2")
        server.faults["DescribeTaskDefinition"] = lambda _: DENIED
        queue.task(task_arn("t3"), CLUSTER)
        await eventually(lambda: "allow ecs:DescribeTaskDefinition" in source.messages)
        assert len(queue.messages) == 1
        server.faults.clear()
        queue.show_again()

        await eventually(lambda: queue.messages == {})
        assert source.sink.addresses("web") == {"10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"}


async def test_events_of_tasks_that_can_be_described_do_not_wait_for_others(
    server: EcsServer, queue: CannedQueue, cloud: Cloud
) -> None:
    server.clusters["arn:aws:ecs:eu-west-1:123456789012:cluster/other"] = "ACTIVE"

    async with reading(server, cloud, interval="1h", clusters=None, events={"queue": queue.url}) as source:
        await eventually(lambda: source.spoken)
        server.faults["DescribeTasks"] = asking_for(task_arn("x", "other"), DENIED)
        server.run(ended("t2"))
        bad = queue.task(task_arn("x", "other"), "arn:aws:ecs:eu-west-1:123456789012:cluster/other")
        queue.task(task_arn("t2"), CLUSTER)

        await eventually(lambda: queue.messages.keys() == {bad})
        assert source.sink.addresses("web") == {"10.0.0.1:8080"}


async def test_events_that_cannot_be_deleted_are_applied_all_the_same(
    server: EcsServer, queue: CannedQueue, cloud: Cloud
) -> None:
    server.aws.on("DeleteMessageBatch", DENIED)

    async with reading(server, cloud, interval="1h", events={"queue": queue.url}) as source:
        await eventually(lambda: source.spoken)
        server.run(ended("t2"))
        queue.task(task_arn("t2"), CLUSTER)

        await eventually(lambda: source.sink.addresses("web") == {"10.0.0.1:8080"})
        await eventually(lambda: "allow sqs:DeleteMessage to the role of the bridge" in source.messages)


async def test_messages_that_are_no_events_are_deleted_counted_and_told_of_once(
    server: EcsServer, queue: CannedQueue, cloud: Cloud
) -> None:
    async with reading(server, cloud, interval="1h", events={"queue": queue.url}) as source:
        await eventually(lambda: source.spoken)
        for _ in range(4):
            queue.send("hello")
            queue.put("ECS Deployment State Change", {})
            queue.put("ECS Task State Change", {"taskArn": 7})
        server.run(ended("t2"))
        queue.task(task_arn("t2"), CLUSTER)

        await eventually(lambda: queue.messages == {})
        assert source.sink.addresses("web") == {"10.0.0.1:8080"}
        told = [fields["count"] for event, fields in source.notices if event == "aws.message_unknown"]
        assert told == [1, 10]
        assert source.failures == {}


async def test_a_deployment_costs_one_call_for_a_hundred_tasks(
    server: EcsServer, queue: CannedQueue, cloud: Cloud
) -> None:
    async with reading(server, cloud, interval="1h", events={"queue": queue.url}) as source:
        await eventually(lambda: source.spoken)
        before = server.counts()["DescribeTasks"]
        names = [f"n{number}" for number in range(50)]
        server.serve(*names)
        for name in names:
            queue.task(task_arn(name), CLUSTER)

        await eventually(lambda: queue.messages == {})
        assert len(source.sink.addresses("web")) == 52
        assert server.counts()["DescribeTasks"] - before <= 3


async def test_a_question_that_waits_holds_up_neither_passes_nor_the_end(
    server: EcsServer, queue: CannedQueue, cloud: Cloud
) -> None:
    server.aws.on("ReceiveMessage", hang)

    async with reading(server, cloud, events={"queue": queue.url}, timeout="1s") as source:
        await passes(source, 5)
        assert len(server.aws.asked("ReceiveMessage")) == 1
    # `reading` has it end within a second.


async def test_a_hint_overtakes_a_pass_that_takes_long(server: EcsServer, queue: CannedQueue, cloud: Cloud) -> None:
    gate = asyncio.Event()
    listing = server.aws.handler("ListTasks")

    async def slow(request: Request) -> Response:
        await gate.wait()
        answer = listing(request)
        assert isinstance(answer, Response)
        return answer

    async with reading(server, cloud, events={"queue": queue.url}) as source:
        await eventually(lambda: source.spoken)
        server.aws.on("ListTasks", slow)
        asked = len(server.aws.asked("ListTasks"))
        await eventually(lambda: len(server.aws.asked("ListTasks")) > asked)
        server.run(ended("t2"))
        queue.task(task_arn("t2"), CLUSTER)
        await eventually(lambda: source.sink.addresses("web") == {"10.0.0.1:8080"})
        gate.set()
        await passes(source)

        assert source.sink.addresses("web") == {"10.0.0.1:8080"}
        assert source.sink.lost == ["10.0.0.2:8080"]


async def test_an_older_description_than_the_event_is_asked_for_again(
    server: EcsServer, queue: CannedQueue, cloud: Cloud
) -> None:
    server.run(task_json("t2", address="10.0.0.2", version=4))

    async with reading(server, cloud, interval="1h", events={"queue": queue.url}) as source:
        await eventually(lambda: source.spoken)
        handle = queue.task(task_arn("t2"), CLUSTER, version=5)
        described = len(server.aws.asked("DescribeTasks"))
        await eventually(lambda: len(server.aws.asked("DescribeTasks")) > described)
        server.run({**ended("t2"), "version": 5})
        queue.show_again()
        await eventually(lambda: queue.messages == {})

        assert queue.received[handle] == 2
        assert source.sink.addresses("web") == {"10.0.0.1:8080"}


async def test_an_event_of_what_is_known_already_costs_nothing(
    server: EcsServer, queue: CannedQueue, cloud: Cloud
) -> None:
    server.run(task_json("t2", address="10.0.0.2", version=4))

    async with reading(server, cloud, interval="1h", events={"queue": queue.url}) as source:
        await eventually(lambda: source.spoken)
        before = server.counts()["DescribeTasks"]
        for version in (4, 2, 4, 3):
            queue.task(task_arn("t2"), CLUSTER, version=version)
        await eventually(lambda: queue.messages == {})

        assert server.counts()["DescribeTasks"] == before


async def test_a_queue_in_a_region_that_turns_out_not_to_be_read(
    server: EcsServer, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    elsewhere = "https://sqs.us-east-1.amazonaws.com/123456789012/xds-bridge"

    async with reading(server, cloud, region=None, events={"queue": elsewhere}) as source:
        await failures(source)

        assert "events.queue" in source.messages
        assert "is in none of the regions that are read: eu-west-1" in source.messages


async def test_a_source_is_read_by_passes_while_another_has_its_queue_and_takes_it_over(
    server: EcsServer, queue: CannedQueue, cloud: Cloud
) -> None:
    process: dict[str, object] = {"aws": cloud}
    old, new = (RecordingContext(name, process=process) for name in ("old", "new"))
    source = partial(adapter, server.aws.url, events={"queue": queue.url, "heartbeat": "100ms"})

    async with AsyncExitStack() as until_new_ends:
        async with running(source(interval="1h"), old):
            await eventually(lambda: len(server.aws.asked("ReceiveMessage")) == 1)
            await until_new_ends.enter_async_context(running(source(), new))
            await passes(new, 5)

            assert new.notices == [("aws.queue_awaited", {"queue": queue.url, "read_by": "old"})]
            assert len(server.aws.asked("ReceiveMessage")) == 1

        await eventually(lambda: len(server.aws.asked("ReceiveMessage")) == 2)
        queue.task(task_arn("t2"), CLUSTER)
        await eventually(lambda: len(queue.received) == 1)
        queue.show_again()  # as the question that the old one has left behind may have taken it
        await eventually(lambda: queue.messages == {})
        assert [event for event, _ in new.notices].count("aws.queue_awaited") == 1
        assert new.failures == {}


async def test_a_source_that_crashes_lets_go_of_its_queue(server: EcsServer, queue: CannedQueue, cloud: Cloud) -> None:
    process: dict[str, object] = {"aws": cloud}
    old, new = (RecordingContext(name, process=process) for name in ("old", "new"))
    old.sink = BrokenSink()
    source = partial(adapter, server.aws.url, events={"queue": queue.url})

    with pytest.raises(ExceptionGroup, match="unhandled errors"):
        await source().run(old)

    async with running(source(), new):
        await passes(new)
        assert new.notices == []
