"""EC2 and STS as moto knows them: instances through their lives, regions, accounts, Auto Scaling."""

import boto3
import pytest

from adapters._aws import Cloud
from bridge.model import EndpointKey, Health
from bridge.provenance import Question
from support.aws import REGION, assumed
from support.ec2 import IMAGE, MotoFleet, explaining, failures, passes, reading
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]

TAGS = {"xds-service": "web:8080"}
OTHER_ACCOUNT = "222222222222"


@pytest.fixture
def fleet(moto: str) -> MotoFleet:
    return MotoFleet(moto)


async def test_an_instance_through_its_life(moto: str, fleet: MotoFleet, cloud: Cloud) -> None:
    first = fleet.launch({**TAGS, "xds-weight": "3", "Name": "web-1"}, "10.0.0.1")
    fleet.launch({"Name": "somebody else's"}, "10.0.0.9")

    async with reading(moto, cloud) as source:
        await passes(source)
        endpoint = source.sink.services["web"]["10.0.0.1:8080"]
        assert (endpoint.weight, endpoint.health, endpoint.instance) == (3, Health.HEALTHY, first)
        assert (endpoint.locality.region, endpoint.locality.zone) == (REGION, "eu-west-1a")

        second = fleet.launch(TAGS, "10.0.0.2")
        await eventually(lambda: source.sink.addresses("web") == {"10.0.0.1:8080", "10.0.0.2:8080"})
        fleet.tag(second, "xds-service", "web:8080 api:9090")
        await eventually(lambda: source.sink.addresses("api") == {"10.0.0.2:9090"})
        fleet.tag(second, "xds-service", "api:9090")
        await eventually(lambda: source.sink.addresses("web") == {"10.0.0.1:8080"})
        fleet.stop(first)
        await eventually(lambda: source.sink.services["web"] == {})
        fleet.untag(second, "xds-service")
        await eventually(lambda: "api" not in source.sink.services)
        fleet.terminate(first)
        await eventually(lambda: source.sink.services == {})

        assert source.failures == {}
        assert {operation for operation, _ in source.requests} == {"ec2.DescribeInstances"}


async def test_filters_select_instances(moto: str, fleet: MotoFleet, cloud: Cloud) -> None:
    chosen = fleet.launch({**TAGS, "env": "prod"}, "10.0.0.1")
    fleet.launch({**TAGS, "env": "test"}, "10.0.0.2")

    async with reading(moto, cloud, filters={"tag:env": ["prod", "canary"]}) as source:
        await passes(source)
        assert source.sink.addresses("web") == {"10.0.0.1:8080"}

        fleet.tag(chosen, "env", "canary")
        await passes(source, 3)
        assert source.sink.lost == []
        fleet.tag(chosen, "env", "test")

        await eventually(lambda: source.sink.services == {})


async def test_what_is_hidden_is_asked_for_when_somebody_wants_to_know(
    moto: str, fleet: MotoFleet, cloud: Cloud
) -> None:
    fleet.launch({**TAGS, "env": "prod"}, "10.0.0.1")
    fleet.launch({**TAGS, "env": "test"}, "10.0.0.2")
    fleet.launch({"env": "prod"}, "10.0.0.3")

    async with explaining(moto, cloud, filters={"tag:env": ["prod"]}) as ask:
        by_name = (await ask(Question(service="web"))).sightings
        assert [(each.reported, each.reason) for each in by_name] == [
            ("10.0.0.2", "`filters` of the source do not select it: tag:env = prod"),
            ("10.0.0.1:8080", ""),
        ]
        [by_address] = (await ask(Question(key=EndpointKey("10.0.0.3", 8080)))).sightings
        assert by_address.reason == "it has no tag 'xds-service'"


async def test_regions_are_scopes_of_their_own(moto: str, fleet: MotoFleet, cloud: Cloud) -> None:
    fleet.launch(TAGS, "10.0.0.1")
    MotoFleet(moto, "us-east-1").launch(TAGS, "10.0.0.2")

    async with reading(moto, cloud, regions=[REGION, "us-east-1"]) as source:
        await eventually(lambda: source.spoken)

        assert source.sink.addresses("web") == {"10.0.0.1:8080", "10.0.0.2:8080"}
        assert set(source.sink.state) == {"self/eu-west-1", "self/us-east-1"}
        localities = {endpoint.locality.region for endpoint in source.sink.services["web"].values()}
        assert localities == {REGION, "us-east-1"}


async def test_another_account_is_read_under_its_role(moto: str, fleet: MotoFleet, cloud: Cloud) -> None:
    fleet.launch(TAGS, "10.0.0.1")
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/xds-bridge"
    MotoFleet(moto, **assumed(moto, role)).launch(TAGS, "10.0.0.2")

    accounts = [{}, {"assume_role": role, "external_id": "tenant-7"}]
    async with reading(moto, cloud, accounts=accounts) as source:
        await eventually(lambda: source.spoken)

        scopes = {scope: set(services) for scope, services in source.sink.state.items()}
        assert scopes == {"self/eu-west-1": {"web"}, f"{OTHER_ACCOUNT}/eu-west-1": {"web"}}
        assert source.sink.addresses("web") == {"10.0.0.1:8080", "10.0.0.2:8080"}


async def test_an_auto_scaling_group_in_standby_is_drained(moto: str, fleet: MotoFleet, cloud: Cloud) -> None:
    scaling = boto3.client("autoscaling", region_name=REGION, endpoint_url=moto)
    scaling.create_launch_configuration(LaunchConfigurationName="web", ImageId=IMAGE, InstanceType="t3.micro")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="web",
        LaunchConfigurationName="web",
        MinSize=0,
        MaxSize=4,
        DesiredCapacity=2,
        AvailabilityZones=["eu-west-1a"],
        Tags=[{"Key": "xds-service", "Value": "web:8080", "PropagateAtLaunch": True}],
    )
    group = scaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    first = group["Instances"][0]["InstanceId"]

    async with reading(moto, cloud, autoscaling=True) as source:
        await passes(source)
        healths = {endpoint.instance: endpoint.health for endpoint in source.sink.services["web"].values()}
        assert list(healths.values()) == [Health.HEALTHY, Health.HEALTHY]

        scaling.enter_standby(InstanceIds=[first], AutoScalingGroupName="web", ShouldDecrementDesiredCapacity=True)

        await eventually(
            lambda: [e.health for e in source.sink.services["web"].values() if e.instance == first] == [Health.DRAINING]
        )


async def test_zone_ids_come_from_the_list_of_zones_where_instances_have_none(
    moto: str, fleet: MotoFleet, cloud: Cloud
) -> None:
    fleet.launch(TAGS, "10.0.0.1", Placement={"AvailabilityZone": "eu-west-1b"})

    async with reading(moto, cloud, zone_ids=True) as source:
        await passes(source, 3)

        (endpoint,) = source.sink.services["web"].values()
        assert endpoint.locality.zone == "euw1-az1"
        assert source.requests["ec2.DescribeAvailabilityZones", "200"] == 1


async def test_a_filter_that_ec2_does_not_know_is_said(moto: str, fleet: MotoFleet, cloud: Cloud) -> None:
    fleet.launch(TAGS, "10.0.0.1")

    async with reading(moto, cloud, filters={"colour": ["red"]}) as source:
        await failures(source)

        assert "ec2 DescribeInstances in self/eu-west-1 failed" in source.messages
        assert not source.spoken
