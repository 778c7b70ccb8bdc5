"""Events of ECS through EventBridge and SQS, as moto runs them: what happens is served without a pass."""

import random

from adapters._aws import Cloud
from bridge.model import Health
from support.ecs import CLUSTER, arn, container
from support.ecs_moto import MotoEcs
from support.ecs_reading import reading
from support.events import MotoEvents
from support.recording import RecordingContext
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]

APP = {
    "name": "app",
    "dockerLabels": {"xds-service": "web:8080"},
    "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
}


def run(ecs: MotoEcs, address: str, cluster: str = "prod") -> str:
    return ecs.run(ecs.define("web", APP), container(address=address), cluster=cluster)


def healths(source: RecordingContext) -> dict[str, Health]:
    return {key: endpoint.health for key, endpoint in source.sink.services.get("web", {}).items()}


async def test_a_task_is_followed_by_events_alone(moto: str, ecs: MotoEcs, events: MotoEvents, cloud: Cloud) -> None:
    first = run(ecs, "10.0.0.1")

    async with reading(moto, cloud, clusters=["prod"], interval="1h", events={"queue": events.queue}) as source:
        await eventually(lambda: source.spoken)
        second = run(ecs, "10.0.0.2")
        events.task(second, CLUSTER)
        await eventually(lambda: source.sink.addresses("web") == {"10.0.0.1:8080", "10.0.0.2:8080"})
        ecs.tell(first, desired_status="STOPPED")
        events.task(first, CLUSTER, desiredStatus="STOPPED")
        await eventually(lambda: healths(source).get("10.0.0.1:8080") is Health.DRAINING)
        ecs.tell(first, last_status="STOPPED")
        events.task(first, CLUSTER, lastStatus="STOPPED")
        await eventually(lambda: source.sink.addresses("web") == {"10.0.0.2:8080"})
        ecs.tell(second, last_status="STOPPED")
        events.task(second, CLUSTER, lastStatus="STOPPED")
        await eventually(lambda: source.sink.addresses("web") == set())

        await eventually(lambda: events.left == 0)
        assert source.requests["ecs.ListTasks", "200"] == 2, "those that run and, once, those that are to stop"
        assert source.failures == {}
        assert source.notices == []


async def test_events_out_of_order_and_many_times_change_nothing_wrong(
    moto: str, ecs: MotoEcs, events: MotoEvents, cloud: Cloud
) -> None:
    tasks = [run(ecs, f"10.0.0.{number}") for number in range(1, 6)]
    for task in tasks:
        ecs.tell(task, version=5)
    told = [(task, version) for task in tasks for version in range(1, 7)] * 2
    random.Random(7).shuffle(told)

    async with reading(moto, cloud, clusters=["prod"], interval="1h", events={"queue": events.queue}) as source:
        await eventually(lambda: source.spoken)
        ecs.tell(tasks[0], version=6, last_status="STOPPED", desired_status="STOPPED")
        for task in tasks[1:]:
            ecs.tell(task, version=6)
        for task, version in told:
            events.task(task, CLUSTER, version=version, lastStatus=random.choice(["PENDING", "RUNNING", "STOPPED"]))

        await eventually(lambda: events.left == 0, timeout=20)
        assert set(healths(source)) == {f"10.0.0.{number}:8080" for number in range(2, 6)}
        assert source.sink.lost == ["10.0.0.1:8080"]


async def test_events_of_other_clusters_are_passed_over(
    moto: str, ecs: MotoEcs, events: MotoEvents, cloud: Cloud
) -> None:
    ecs.ecs.create_cluster(clusterName="test")
    run(ecs, "10.0.0.1")

    async with reading(moto, cloud, clusters=["prod"], interval="1h", events={"queue": events.queue}) as source:
        await eventually(lambda: source.spoken)
        events.task(run(ecs, "10.0.0.2", cluster="test"), arn("cluster", "test"))

        await eventually(lambda: events.left == 0)
        assert source.sink.addresses("web") == {"10.0.0.1:8080"}
        assert source.requests["ecs.DescribeTasks", "200"] == 1


async def test_what_happens_during_the_first_pass_comes_again(
    moto: str, ecs: MotoEcs, events: MotoEvents, cloud: Cloud
) -> None:
    task = run(ecs, "10.0.0.1")
    events.task(task, CLUSTER)

    async with reading(moto, cloud, clusters=["prod"], interval="1h", events={"queue": events.queue}) as source:
        await eventually(lambda: source.spoken)
        ecs.tell(task, last_status="STOPPED")

        await eventually(lambda: source.sink.addresses("web") == set())
        await eventually(lambda: events.left == 0)


async def test_passes_are_rare_while_there_is_a_heartbeat_and_back_when_it_is_missed(
    moto: str, ecs: MotoEcs, events: MotoEvents, cloud: Cloud
) -> None:
    run(ecs, "10.0.0.1")
    keys = {"queue": events.queue, "heartbeat": "2s", "reconcile": "1h"}

    async with reading(moto, cloud, clusters=["prod"], interval="20ms", events=keys) as source:

        def passes() -> int:
            return source.requests["ecs.ListTasks", "200"]

        def told(event: str) -> int:
            return [name for name, _ in source.notices].count(event)

        for _ in range(2):
            done = passes()
            await eventually(lambda done=done: passes() > done + 10)  # type: ignore[misc]
            events.beat()
            await eventually(lambda: events.left == 0)
            done, missed = passes(), told("aws.heartbeat_missed")
            await eventually(lambda missed=missed: told("aws.heartbeat_missed") > missed)  # type: ignore[misc]
            assert passes() <= done + 20, "of some hundred"
        assert told("aws.heartbeat_returned") >= 1
        assert source.failures == {}
