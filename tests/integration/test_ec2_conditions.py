"""Status checks, Auto Scaling, zone ids, as real AWS tells them: what they change, and what their failure does not."""

import pytest

from adapters._aws import Cloud
from bridge.model import Health
from support.aws import CannedAws, Handler, Request, document, error
from support.ec2 import CannedFleet, Shown, failures, passes, reading
from support.fault_proxy import Response
from support.recording import RecordingContext
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]
pytestmark = pytest.mark.usefixtures("fleet")

GROUP = {"xds-service": "web:80", "aws:autoscaling:groupName": "web"}


def statuses(instance_check: tuple[str, ...] = (), system_check: tuple[str, ...] = ()) -> Handler:
    """Answers each of the two questions with those that fail that check."""

    def answer(request: Request) -> Response:
        by_instance = request.parameters["Filter.1.Name"] == "instance-status.status"
        assert request.parameters["Filter.1.Value.1"] == "impaired"
        items = "".join(
            f"<item><instanceId>{each}</instanceId>"
            f"<instanceStatus><status>{'impaired' if by_instance else 'ok'}</status></instanceStatus>"
            f"<systemStatus><status>{'ok' if by_instance else 'impaired'}</status></systemStatus></item>"
            for each in (instance_check if by_instance else system_check)
        )
        return document("DescribeInstanceStatus", f"<instanceStatusSet>{items}</instanceStatusSet>")

    return answer


def lifecycles(states: dict[str, str]) -> Handler:
    """Answers with the states of those that were asked for; of others there is nothing to say."""

    def answer(request: Request) -> Response:
        asked = request.values("InstanceIds.member")
        items = "".join(
            f"<member><InstanceId>{each}</InstanceId><LifecycleState>{states[each]}</LifecycleState></member>"
            for each in asked
            if each in states
        )
        content = f"<AutoScalingInstances>{items}</AutoScalingInstances>"
        return document(
            "DescribeAutoScalingInstances",
            f"<DescribeAutoScalingInstancesResult>{content}</DescribeAutoScalingInstancesResult>",
        )

    return answer


def healths(source: RecordingContext) -> dict[str, Health]:
    return {str(endpoint.instance): endpoint.health for endpoint in source.sink.services["web"].values()}


async def test_an_impaired_instance_is_unhealthy_until_it_is_well(
    aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    fleet.show(*(Shown(f"i-{number}", private=f"10.0.0.{number}") for number in (1, 2, 3)))
    aws.on("DescribeInstanceStatus", statuses(("i-1",), ("i-2",)))

    async with reading(aws, cloud, status_checks=True) as source:
        await passes(source)
        assert healths(source) == {"i-1": Health.UNHEALTHY, "i-2": Health.UNHEALTHY, "i-3": Health.HEALTHY}

        aws.on("DescribeInstanceStatus", statuses())
        await eventually(lambda: set(healths(source).values()) == {Health.HEALTHY})


async def test_a_question_for_status_that_fails_leaves_the_last_answer_and_the_instances_followed(
    aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    fleet.show(Shown("i-1"))
    aws.on("DescribeInstanceStatus", statuses(("i-1",)))

    async with reading(aws, cloud, status_checks=True) as source:
        await passes(source)
        aws.on("DescribeInstanceStatus", error(403, "UnauthorizedOperation"))
        fleet.show(Shown("i-2", private="10.0.0.2"))
        await failures(source)

        assert healths(source) == {"i-1": Health.UNHEALTHY, "i-2": Health.HEALTHY}
        assert "allow ec2:DescribeInstanceStatus" in source.messages


async def test_without_a_first_answer_about_status_nothing_is_said(
    aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    fleet.show(Shown("i-1"))
    aws.on("DescribeInstanceStatus", error(403, "UnauthorizedOperation"))

    async with reading(aws, cloud, status_checks=True) as source:
        await failures(source)

        assert source.sink.state == {}
        assert not source.spoken


async def test_an_instance_of_a_warm_pool_gets_no_traffic(aws: CannedAws, fleet: CannedFleet, cloud: Cloud) -> None:
    states = {"i-1": "InService", "i-2": "Warmed:Running", "i-3": "Terminating:Wait"}
    fleet.show(*(Shown(f"i-{number}", tags=GROUP, private=f"10.0.0.{number}") for number in (1, 2, 3)))
    fleet.show(Shown("i-4", private="10.0.0.4"))
    aws.on("DescribeAutoScalingInstances", lifecycles(states))

    async with reading(aws, cloud, autoscaling=True) as source:
        await passes(source)
        assert healths(source) == {"i-1": Health.HEALTHY, "i-3": Health.DRAINING, "i-4": Health.HEALTHY}
        assert not any("i-4" in asked.body.decode() for asked in aws.asked("DescribeAutoScalingInstances"))

        states["i-2"] = "InService"
        await eventually(lambda: healths(source).get("i-2") is Health.HEALTHY)
        del states["i-1"]  # it has left its group, and runs on
        await passes(source)
        assert healths(source)["i-1"] is Health.HEALTHY


async def test_a_new_instance_waits_while_auto_scaling_cannot_be_asked(
    aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    fleet.show(Shown("i-1", tags=GROUP))
    aws.on("DescribeAutoScalingInstances", lifecycles({"i-1": "InService"}))

    async with reading(aws, cloud, autoscaling=True) as source:
        await passes(source)
        aws.on("DescribeAutoScalingInstances", error(503, "Throttling"))
        fleet.show(Shown("i-2", tags=GROUP, private="10.0.0.2"))
        await failures(source)

        assert healths(source) == {"i-1": Health.HEALTHY}


async def test_fifty_instances_are_one_question_to_auto_scaling(
    aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    names = [f"i-{number}" for number in range(101)]
    fleet.show(*(Shown(name, tags=GROUP, private=f"10.0.0.{number + 1}") for number, name in enumerate(names)))
    aws.on("DescribeAutoScalingInstances", lifecycles(dict.fromkeys(names, "InService")))

    async with reading(aws, cloud, autoscaling=True, interval="1m") as source:
        await passes(source, 1)

        sizes = [len(asked.values("InstanceIds.member")) for asked in aws.asked("DescribeAutoScalingInstances")]
        assert sizes == [50, 50, 1]
        assert len(source.sink.addresses("web")) == 101


async def test_what_auto_scaling_says_on_a_second_page_counts(aws: CannedAws, fleet: CannedFleet, cloud: Cloud) -> None:
    fleet.show(*(Shown(f"i-{number}", tags=GROUP, private=f"10.0.0.{number}") for number in (1, 2)))

    def one_by_one(request: Request) -> Response:
        second = request.parameters.get("NextToken") == "more"
        member = f"<InstanceId>i-{2 if second else 1}</InstanceId><LifecycleState>Warmed:Running</LifecycleState>"
        token = "" if second else "<NextToken>more</NextToken>"
        content = f"<AutoScalingInstances><member>{member}</member></AutoScalingInstances>{token}"
        return document(
            "DescribeAutoScalingInstances",
            f"<DescribeAutoScalingInstancesResult>{content}</DescribeAutoScalingInstancesResult>",
        )

    aws.on("DescribeAutoScalingInstances", one_by_one)

    async with reading(aws, cloud, autoscaling=True) as source:
        await passes(source)

        assert source.sink.addresses("web") == set()


async def test_zone_ids_of_the_instances_themselves_cost_no_call(
    aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    fleet.show(Shown("i-1", zone_id="euw1-az3"))

    async with reading(aws, cloud, zone_ids=True) as source:
        await passes(source)

        assert [endpoint.locality.zone for endpoint in source.sink.services["web"].values()] == ["euw1-az3"]
        assert aws.asked("DescribeAvailabilityZones") == []
