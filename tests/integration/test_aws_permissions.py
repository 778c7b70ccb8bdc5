"""The policy that `iam-policy` prints is enough for the real sources, and each action in it is needed.

Resources and conditions are judged by `support.iam`, since moto, which judges the calls of real clients, knows neither.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from botocore.exceptions import ClientError

from adapters._aws import Cloud, Place
from adapters.ec2 import Config as Ec2Config
from adapters.ec2 import Ec2Adapter
from adapters.ecs import Config as EcsConfig
from adapters.ecs import EcsAdapter
from bridge.cli.policy import BRIDGE, Policies, policies
from bridge.config import SourceConfig
from bridge.model import SourceName
from support import ec2, ecs_reading
from support.aws import REGION, CannedAws, canned_aws, document, moto_server, use_credentials
from support.aws_site import populate
from support.ec2 import CannedFleet, Shown
from support.ecs import ACCOUNT, arn, definition_json, task_json
from support.ecs_server import EcsServer
from support.iam import Document, actions, enforce, judged, statements, without
from support.moto_iam import ROLE, USER, MotoIam, judging
from support.recording import RecordingContext
from support.waiting import eventually

MACHINES = "ssm:DescribeInstanceInformation"
"""moto does not know it."""
ECS = {"region": REGION, "clusters": ["prod"], "address": "public", "zone_ids": True}
EC2 = {"region": REGION, "status_checks": True, "autoscaling": True, "zone_ids": True}
ECS_ACTIONS = (
    "ecs:DescribeClusters", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:DescribeTaskDefinition",
    "ecs:DescribeContainerInstances", "ec2:DescribeInstances", "ssm:DescribeInstanceInformation",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeAvailabilityZones",
)  # fmt: skip
EC2_ACTIONS = (
    "ec2:DescribeInstances", "ec2:DescribeInstanceStatus", "autoscaling:DescribeAutoScalingInstances",
    "ec2:DescribeAvailabilityZones",
)  # fmt: skip
ZONES = (
    "<availabilityZoneInfo><item><zoneName>eu-west-1a</zoneName><zoneId>euw1-az2</zoneId></item></availabilityZoneInfo>"
)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    use_credentials(monkeypatch)


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return Cloud(attempts=1)


@pytest.fixture
async def aws() -> AsyncIterator[CannedAws]:
    async with canned_aws() as aws:
        yield aws


def needed(kind: type[EcsAdapter] | type[Ec2Adapter], config: dict[str, object], role: str = "") -> Policies:
    options = kind.Config.model_validate(config)
    source = SourceConfig(name=SourceName("aws"), type="aws", adapter=kind, options=options)
    found = policies([source], role)
    assert found
    return found


@pytest.fixture
def cluster(aws: CannedAws) -> EcsServer:
    """Tasks of every kind that makes the source ask for something."""
    server = EcsServer(aws)
    ecs_reading.on_host(server, "on-ec2", "i-1", 32768)
    server.hosts["i-1"] = {"privateIpAddress": "10.1.0.1", "ipAddress": "198.51.100.1"}
    ecs_reading.on_host(server, "elsewhere", "mi-1", 32769)
    server.machines["mi-1"] = "10.2.0.1"
    server.interfaces["eni-1"] = "198.51.100.2"
    server.define(definition_json("web:1", xds_service="web"))
    attached = {"type": "ElasticNetworkInterface", "details": [{"name": "networkInterfaceId", "value": "eni-1"}]}
    server.run(task_json("fargate", attachments=[attached]))
    return server


@pytest.fixture
def fleet(aws: CannedAws) -> CannedFleet:
    fleet = CannedFleet()
    fleet.serve(aws)
    fleet.show(Shown("i-1", tags={"xds-service": "web:80", "aws:autoscaling:groupName": "web"}))
    aws.on("DescribeInstanceStatus", document("DescribeInstanceStatus", "<instanceStatusSet/>"))
    empty = "<DescribeAutoScalingInstancesResult><AutoScalingInstances/></DescribeAutoScalingInstancesResult>"
    aws.on("DescribeAutoScalingInstances", document("DescribeAutoScalingInstances", empty))
    aws.on("DescribeAvailabilityZones", document("DescribeAvailabilityZones", ZONES))
    return fleet


def operations(of: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(action.partition(":")[2] for action in of)


def missing(context: RecordingContext) -> set[str]:
    """The actions of all permissions that were ever found to be missing."""
    found = [error for errors in context.failures.values() for error in errors]
    return {permission.partition(" on ")[0] for error in found for permission in error.missing}


async def test_the_policy_is_enough_for_ecs(aws: CannedAws, cluster: EcsServer, cloud: Cloud) -> None:
    policy = needed(EcsAdapter, ECS).policy(BRIDGE)
    enforce(aws, policy, operations(ECS_ACTIONS))

    async with ecs_reading.reading(cluster, cloud, None, **ECS) as source:
        await ecs_reading.passes(source)

    assert source.failures == {}
    assert {judged(request).action for request in aws.requests} == set(ECS_ACTIONS) == actions(policy)
    assert source.sink.addresses("web") == {"198.51.100.2:8080"}


@pytest.mark.parametrize("action", ECS_ACTIONS)
async def test_ecs_needs_each_action_and_names_the_one_that_is_missing(
    aws: CannedAws, cluster: EcsServer, cloud: Cloud, action: str
) -> None:
    enforce(aws, without(needed(EcsAdapter, ECS).policy(BRIDGE), action), operations(ECS_ACTIONS))

    async with ecs_reading.reading(cluster, cloud, None, **ECS) as source:
        await ecs_reading.failures(source, 1)

    assert missing(source) == {action}
    assert action in source.messages


async def test_ecs_needs_to_list_clusters_when_none_is_named(aws: CannedAws, cluster: EcsServer, cloud: Cloud) -> None:
    config: dict[str, object] = {"region": REGION, "clusters": None}
    policy = needed(EcsAdapter, config).policy(BRIDGE)
    enforce(aws, policy, ("ListClusters", *operations(ECS_ACTIONS)))

    async with ecs_reading.reading(cluster, cloud, clusters=None) as source:
        await ecs_reading.passes(source)

    assert source.failures == {}
    assert actions(policy) - {judged(request).action for request in aws.requests} == {"ecs:DescribeClusters"}
    enforce(aws, without(policy, "ecs:ListClusters"), ("ListClusters",))
    async with ecs_reading.reading(cluster, cloud, clusters=None) as source:
        await ecs_reading.failures(source, 1)
    assert missing(source) == {"ecs:ListClusters"}


async def test_all_that_is_missing_is_named_at_once(aws: CannedAws, cluster: EcsServer, cloud: Cloud) -> None:
    lacking = ("ecs:DescribeContainerInstances", "ec2:DescribeNetworkInterfaces", "ec2:DescribeAvailabilityZones")
    policy = needed(EcsAdapter, ECS).policy(BRIDGE)
    for action in lacking:
        policy = without(policy, action)
    enforce(aws, policy, operations(ECS_ACTIONS))

    async with ecs_reading.reading(cluster, cloud, None, **ECS) as source:
        await ecs_reading.failures(source, 1)

    assert missing(source) == set(lacking)


async def test_another_cluster_and_another_region_are_out_of_reach(
    aws: CannedAws, cluster: EcsServer, cloud: Cloud
) -> None:
    cluster.clusters[arn("cluster", "other")] = "ACTIVE"
    enforce(aws, needed(EcsAdapter, ECS).policy(BRIDGE), operations(ECS_ACTIONS))

    async with ecs_reading.reading(cluster, cloud, clusters=["other"]) as source:
        await ecs_reading.failures(source, 1)
    async with ecs_reading.reading(cluster, cloud, clusters=[arn("cluster", "other")]) as by_arn:
        await ecs_reading.failures(by_arn, 1)
    async with ecs_reading.reading(cluster, cloud, region="eu-central-1", clusters=["prod"]) as elsewhere:
        await ecs_reading.failures(elsewhere, 1)

    other = arn("cluster", "other")
    assert {each for error in source.failures.values() for each in error[0].missing} == {
        f"ecs:DescribeClusters on {other}"
    }
    assert missing(by_arn) == {"ecs:ListTasks"}
    assert missing(elsewhere) == {"ecs:DescribeClusters"}


async def test_the_policy_is_enough_for_ec2(aws: CannedAws, fleet: CannedFleet, cloud: Cloud) -> None:
    policy = needed(Ec2Adapter, EC2).policy(BRIDGE)
    enforce(aws, policy, operations(EC2_ACTIONS))

    async with ec2.reading(aws, cloud, None, **EC2) as source:
        await ec2.passes(source)

    assert source.failures == {}
    assert {judged(request).action for request in aws.requests} == set(EC2_ACTIONS) == actions(policy)


@pytest.mark.parametrize("action", EC2_ACTIONS)
async def test_ec2_needs_each_action_and_names_the_one_that_is_missing(
    aws: CannedAws, fleet: CannedFleet, cloud: Cloud, action: str
) -> None:
    enforce(aws, without(needed(Ec2Adapter, EC2).policy(BRIDGE), action), operations(EC2_ACTIONS))

    async with ec2.reading(aws, cloud, None, **EC2) as source:
        await ec2.failures(source, 1)

    assert missing(source) == {action}


async def test_a_call_that_no_policy_would_allow_is_a_bug(aws: CannedAws, fleet: CannedFleet, cloud: Cloud) -> None:
    async with cloud.joined():
        api = cloud.api(Place(REGION, endpoint_url=aws.url), 5, lambda *_: None, operations=())

        with pytest.raises(LookupError, match="ec2:DescribeInstances is called and not declared"):
            await api.branch().call("ec2", "DescribeInstances")

    assert aws.requests == []


@pytest.fixture
def url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def iam(url: str, monkeypatch: pytest.MonkeyPatch) -> MotoIam:
    """The sources have the credentials of the user, whom nothing is allowed yet."""
    populate(url)
    iam = MotoIam(url)
    for name, value in iam.credentials.items():
        monkeypatch.setenv(name, value)
    return iam


@pytest.fixture
def own(iam: MotoIam) -> Document:
    """The policy for both sources together, which the user has."""
    sources = [
        SourceConfig(name=SourceName("ecs"), type="ecs", adapter=EcsAdapter, options=EcsConfig.model_validate(ECS)),
        SourceConfig(name=SourceName("ec2"), type="ec2", adapter=Ec2Adapter, options=Ec2Config.model_validate(EC2)),
    ]
    found = policies(sources)
    assert found
    iam.allow(found.policy(BRIDGE))
    return found.policy(BRIDGE)


@asynccontextmanager
async def reading_both(url: str, cloud: Cloud) -> AsyncIterator[tuple[RecordingContext, RecordingContext]]:
    async with ecs_reading.reading(url, cloud, None, **ECS) as of_ecs, ec2.reading(url, cloud, None, **EC2) as of_ec2:
        yield of_ecs, of_ec2


@pytest.mark.usefixtures("own")
async def test_moto_lets_every_call_of_the_sources_pass_and_no_other(url: str, iam: MotoIam, cloud: Cloud) -> None:
    with judging():
        async with reading_both(url, cloud) as sources:
            for source in sources:
                await ec2.passes(source)
        with pytest.raises(ClientError, match="not authorized to perform: ecs:ListServices"):
            iam.call(url, "ecs", "list_services", cluster="prod")
        with pytest.raises(ClientError, match="not authorized to perform: ec2:TerminateInstances"):
            iam.call(url, "ec2", "terminate_instances", InstanceIds=["i-1"])

    assert [source.failures for source in sources] == [{}, {}]
    called = {operation for source in sources for operation, _ in source.requests}
    assert called == {action.replace(":", ".") for action in {*ECS_ACTIONS, *EC2_ACTIONS} - {MACHINES}}


@pytest.mark.parametrize("action", sorted({*ECS_ACTIONS, *EC2_ACTIONS} - {MACHINES}))
async def test_moto_refuses_without_each_action(
    url: str, iam: MotoIam, own: Document, cloud: Cloud, action: str
) -> None:
    iam.allow(without(own, action))

    with judging():
        async with reading_both(url, cloud) as sources:
            await eventually(lambda: any(source.failures for source in sources))

    assert missing(sources[0]) | missing(sources[1]) == {action}


@pytest.mark.parametrize("external_id", ["told", "another"])
async def test_moto_lets_the_role_be_assumed_that_the_policies_are_for(
    url: str, iam: MotoIam, cloud: Cloud, external_id: str
) -> None:
    accounts = [{"assume_role": ROLE, "external_id": "told"}]
    found = needed(Ec2Adapter, EC2 | {"accounts": accounts}, role=f"arn:aws:iam::{ACCOUNT}:role/bridge")
    (statement,) = statements(found.trust(ROLE))
    trust = {**found.trust(ROLE), "Statement": [{**statement, "Principal": {"AWS": USER}}]}
    iam.allow(found.policy(BRIDGE))
    iam.create_role(found.policy(ROLE), trust)

    told = EC2 | {"accounts": [{"assume_role": ROLE, "external_id": external_id}]}
    with judging():
        async with ec2.reading(url, cloud, None, **told) as source:
            await eventually(lambda: source.spoken or bool(source.failures))

    assert source.spoken == (external_id == "told")
    assert missing(source) == (set() if source.spoken else {"sts:AssumeRole"})
