"""Events of EC2 and Auto Scaling through EventBridge and SQS, as moto runs them; and descriptions that lag behind."""

import asyncio
from collections.abc import Iterator

import boto3
import pytest

from adapters._aws import Cloud
from bridge.model import Health
from support.aws import REGION, CannedAws, Request
from support.ec2 import CannedFleet, MotoFleet, Shown, asked_ids, passes, reading
from support.events import CannedQueue, MotoEvents, moto_events
from support.fault_proxy import Response
from support.recording import RecordingContext
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]

TAGS = {"xds-service": "web:8080"}
SPOT = "EC2 Spot Instance Interruption Warning"


@pytest.fixture
def events(moto: str) -> Iterator[MotoEvents]:
    with moto_events(moto) as events:
        yield events


@pytest.fixture
def fleet(moto: str) -> MotoFleet:
    return MotoFleet(moto)


def healths(source: RecordingContext) -> dict[str, Health]:
    return {key: endpoint.health for key, endpoint in source.sink.services.get("web", {}).items()}


async def test_an_instance_is_followed_by_events_alone(
    moto: str, fleet: MotoFleet, events: MotoEvents, cloud: Cloud
) -> None:
    first = fleet.launch(TAGS, "10.0.0.1")

    async with reading(moto, cloud, interval="1h", events={"queue": events.queue}) as source:
        await eventually(lambda: source.spoken)
        second, other = fleet.launch(TAGS, "10.0.0.2"), fleet.launch({"Name": "other"}, "10.0.0.3")
        for instance in (second, other):
            events.instance(instance, "running")
        await eventually(lambda: source.sink.addresses("web") == {"10.0.0.1:8080", "10.0.0.2:8080"})
        fleet.stop(first)
        events.instance(first, "stopped")
        await eventually(lambda: source.sink.addresses("web") == {"10.0.0.2:8080"})
        fleet.terminate(second)
        events.instance(second, "terminated")
        await eventually(lambda: source.sink.addresses("web") == set())

        await eventually(lambda: events.left == 0)
        assert source.failures == {}
        assert source.notices == []


async def test_old_events_in_any_order_change_nothing(
    moto: str, fleet: MotoFleet, events: MotoEvents, cloud: Cloud
) -> None:
    instance = fleet.launch(TAGS, "10.0.0.1")

    async with reading(moto, cloud, interval="1h", events={"queue": events.queue}) as source:
        await eventually(lambda: source.spoken)
        for state in ("stopped", "running", "pending", "terminated", "running", "stopping"):
            events.instance(instance, state)

        await eventually(lambda: events.left == 0)
        assert healths(source) == {"10.0.0.1:8080": Health.HEALTHY}
        assert source.sink.lost == []


async def test_an_instance_that_is_about_to_end_is_drained(
    moto: str, fleet: MotoFleet, events: MotoEvents, cloud: Cloud
) -> None:
    first, second = fleet.launch(TAGS, "10.0.0.1"), fleet.launch(TAGS, "10.0.0.2")

    async with reading(moto, cloud, interval="1h", events={"queue": events.queue}) as source:
        await eventually(lambda: source.spoken)
        events.put("aws.ec2", SPOT, {"instance-id": first, "instance-action": "terminate"})
        await eventually(lambda: healths(source)["10.0.0.1:8080"] is Health.DRAINING)
        assert healths(source)["10.0.0.2:8080"] is Health.HEALTHY
        events.put("aws.autoscaling", "EC2 Instance-terminate Lifecycle Action", {"EC2InstanceId": second})
        await eventually(lambda: healths(source)["10.0.0.2:8080"] is Health.DRAINING)
        fleet.terminate(first)
        events.instance(first, "terminated")

        await eventually(lambda: healths(source) == {"10.0.0.2:8080": Health.DRAINING})


async def test_a_new_instance_of_auto_scaling_need_not_wait_for_a_pass(
    moto: str, fleet: MotoFleet, events: MotoEvents, cloud: Cloud
) -> None:
    scaling = boto3.client("autoscaling", region_name=REGION, endpoint_url=moto)
    scaling.create_launch_configuration(LaunchConfigurationName="web", ImageId="ami-12345678", InstanceType="t3.micro")

    async with reading(moto, cloud, autoscaling=True, interval="1h", events={"queue": events.queue}) as source:
        await eventually(lambda: source.spoken)
        scaling.create_auto_scaling_group(
            AutoScalingGroupName="web",
            LaunchConfigurationName="web",
            MinSize=0,
            MaxSize=1,
            DesiredCapacity=1,
            AvailabilityZones=["eu-west-1a"],
            Tags=[{"Key": "xds-service", "Value": "web:8080", "PropagateAtLaunch": True}],
        )
        group = scaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
        identity = {"EC2InstanceId": group["Instances"][0]["InstanceId"]}
        events.put("aws.autoscaling", "EC2 Instance Launch Successful", identity)

        await eventually(lambda: list(healths(source).values()) == [Health.HEALTHY])


async def test_a_description_that_is_older_than_its_event_is_asked_for_again(aws: CannedAws, cloud: Cloud) -> None:
    fleet, queue = CannedFleet(), CannedQueue(aws)
    fleet.serve(aws)
    fleet.show(Shown("i-1"), Shown("i-2", private="10.0.0.2"))

    async with reading(aws, cloud, interval="1h", events={"queue": queue.url}) as source:
        await eventually(lambda: source.spoken)
        asked = len(aws.asked("DescribeInstances"))
        handle = queue.put("EC2 Instance State-change Notification", {"instance-id": "i-1", "state": "shutting-down"})
        await eventually(lambda: len(aws.asked("DescribeInstances")) > asked)
        assert queue.messages.keys() == {handle}
        fleet.show(Shown("i-1", state="shutting-down"))
        queue.show_again()

        await eventually(lambda: queue.messages == {})
        assert healths(source)["10.0.0.1:80"] is Health.DRAINING


async def test_an_event_that_is_older_than_what_is_described_comes_twice_and_no_more(
    aws: CannedAws, cloud: Cloud
) -> None:
    fleet, queue = CannedFleet(), CannedQueue(aws)
    fleet.serve(aws)
    fleet.show(Shown("i-1"))

    async with reading(aws, cloud, interval="1h", events={"queue": queue.url}) as source:
        await eventually(lambda: source.spoken)
        handle = queue.put("EC2 Instance State-change Notification", {"instance-id": "i-1", "state": "stopped"})
        await eventually(lambda: handle in queue.received)
        queue.show_again()

        await eventually(lambda: queue.messages == {})
        assert queue.received[handle] == 2
        assert healths(source) == {"10.0.0.1:80": Health.HEALTHY}


async def test_a_page_that_is_older_than_an_event_brings_nobody_back(aws: CannedAws, cloud: Cloud) -> None:
    fleet, queue = CannedFleet(), CannedQueue(aws)
    gate, listing, asked = asyncio.Event(), asyncio.Event(), asyncio.Event()
    fleet.serve(aws)
    fleet.show(Shown("i-1"), Shown("i-2", private="10.0.0.2"))

    async def late(request: Request) -> Response:
        answer = fleet.describe(request)
        if asked_ids(request) is None:
            listing.set()
            await gate.wait()
        else:
            asked.set()
        return answer

    async with reading(aws, cloud, events={"queue": queue.url}) as source:
        await eventually(lambda: source.spoken)
        aws.on("DescribeInstances", late)
        await listing.wait()
        fleet.show(Shown("i-2", state="terminated", private="10.0.0.2"))
        queue.put("EC2 Instance State-change Notification", {"instance-id": "i-2", "state": "terminated"})
        await eventually(lambda: len(queue.received) == 1)
        with pytest.raises(TimeoutError):  # the hint waits for the pass to end
            async with asyncio.timeout(0.5):
                await asked.wait()
        gate.set()
        await eventually(lambda: queue.messages == {})
        await passes(source, 3)

        assert source.sink.lost == ["10.0.0.2:80"], "once"
        assert source.sink.addresses("web") == {"10.0.0.1:80"}
