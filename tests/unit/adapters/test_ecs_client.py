import json
from collections.abc import AsyncIterator

import pytest

from adapters._aws import AwsError, Cloud, Kind, Place
from adapters.ecs.client import Client
from support.aws import REGION, canned_aws, use_credentials
from support.ecs import CLUSTER, definition_arn, task_arn, task_json
from support.ecs_server import EcsServer, parameters, reply


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return Cloud(attempts=1)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EcsServer]:
    use_credentials(monkeypatch)
    async with canned_aws() as aws:
        yield EcsServer(aws)


@pytest.fixture
async def client(server: EcsServer, cloud: Cloud) -> AsyncIterator[Client]:
    async with cloud.joined():
        yield Client(cloud.api(Place(REGION, endpoint_url=server.aws.url), 100, lambda *_: None))


async def test_what_cannot_be_read_is_named_alone(server: EcsServer, client: Client) -> None:
    server.run(task_json("t1"), {**task_json("t2"), "containers": [{}]})

    described = await client.tasks(CLUSTER, [task_arn("t1"), task_arn("t2"), task_arn("t3")])

    assert [task.task_arn for task in described.found] == [task_arn("t1")]
    assert described.unreadable == {task_arn("t2"): "containers.0.name: Field required"}
    assert described.missing == {task_arn("t3")}


async def test_tasks_are_asked_for_with_their_tags(server: EcsServer, client: Client) -> None:
    await client.tasks(CLUSTER, [task_arn("t1")])

    assert parameters(server.aws.requests[0]) == {"cluster": CLUSTER, "tasks": [task_arn("t1")], "include": ["TAGS"]}


async def test_list_is_followed_to_its_end(server: EcsServer, client: Client) -> None:
    server.serve(*(f"t{number:03}" for number in range(250)))

    pages = [page async for page in client.task_arns(CLUSTER)]

    assert [len(page) for page in pages] == [100, 100, 50]


async def test_managed_hosts_are_asked_for_too(server: EcsServer, client: Client) -> None:
    """EC2 hides the instances that ECS manages unless it is asked."""
    server.hosts["i-1"] = {"privateIpAddress": "10.1.0.1"}

    (instance,) = await client.instances(["i-1", "i-unknown"])

    assert (instance.private_ip_address, instance.placement.availability_zone) == ("10.1.0.1", "eu-west-1c")
    assert server.aws.requests[0].parameters["IncludeManagedResources"] == "true"


async def test_machines_interfaces_and_zones(server: EcsServer, client: Client) -> None:
    server.machines["mi-1"] = "192.168.1.7"
    server.interfaces["eni-1"] = "54.0.0.1"

    assert [one.ip_address for one in await client.machines(["mi-1", "mi-2"])] == ["192.168.1.7"]
    assert [one.association.public_ip for one in await client.interfaces(["eni-1", "eni-2"])] == ["54.0.0.1"]
    assert {one.zone_name: one.zone_id for one in await client.zones()}["eu-west-1a"] == "euw1-az2"


async def test_definition_that_cannot_be_read_is_refused(server: EcsServer, client: Client) -> None:
    broken = {"taskDefinitionArn": definition_arn(), "containerDefinitions": [{"image": "web"}]}
    server.faults["DescribeTaskDefinition"] = lambda _: reply(taskDefinition=broken)

    with pytest.raises(AwsError, match=r"web:1 cannot be read: containerDefinitions.0.name") as caught:
        await client.task_definition(definition_arn())

    assert caught.value.kind is Kind.REJECTED


async def test_clusters_are_found_by_name(server: EcsServer, client: Client) -> None:
    described = await client.cluster("prod")

    assert [(one.cluster_arn, one.status) for one in described.found] == [(CLUSTER, "ACTIVE")]
    assert (await client.cluster("nope")).missing
    assert await client.cluster_arns() == {CLUSTER}
    assert json.loads(server.aws.requests[0].body) == {"clusters": ["prod"]}
