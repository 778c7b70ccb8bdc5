"""Definitions, hosts, addresses and tags that cannot be had or understood: one endpoint waits, its neighbours go on."""

import asyncio

import pytest

from adapters._aws import Cloud
from bridge.model import Health
from support.aws import Request, error, json_error
from support.ecs import (
    CLUSTER,
    container,
    definition_json,
    tags,
    task_arn,
    task_json,
)
from support.ecs_reading import failures, on_host, passes, reading
from support.ecs_server import EcsServer
from support.fault_proxy import Response
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]
pytestmark = pytest.mark.usefixtures("credentials")

WEB = {"10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"}


@pytest.fixture
def server(server: EcsServer) -> EcsServer:
    server.serve("t1", "t2", "t3")
    return server


async def test_a_task_definition_that_cannot_be_had_now_lets_its_new_tasks_wait(
    server: EcsServer, cloud: Cloud
) -> None:
    async with reading(server, cloud) as source:
        await passes(source)
        server.faults["DescribeTaskDefinition"] = lambda _: json_error(500, "ServerException")
        server.define(definition_json("api:1"))
        server.run(task_json("a1", "api:1", address="10.9.0.1"))
        server.tasks[task_arn("t1")].update(lastStatus="STOPPED")
        await failures(source)

        assert source.sink.lost == ["10.0.0.1:8080"], "the others are followed all the while"
        assert source.sink.addresses("api") == set()
        server.faults.clear()
        await eventually(lambda: source.sink.addresses("api") == {"10.9.0.1:8080"})


async def test_what_one_task_lacks_holds_up_no_change_of_another(server: EcsServer, cloud: Cloud) -> None:
    """What is taken out or moved comes with no evidence of an end: only a complete report says it."""
    async with reading(server, cloud) as source:
        await passes(source)
        server.faults["DescribeTaskDefinition"] = lambda _: json_error(500, "ServerException")
        server.define(definition_json("api:1"))
        server.run(task_json("a1", "api:1", address="10.9.0.1"))
        server.tasks[task_arn("t1")]["tags"] = tags(xds_enable="false")
        server.tasks[task_arn("t2")]["containers"] = [container(address="10.0.0.22")]
        await failures(source)

        assert source.sink.addresses("web") == {"10.0.0.22:8080", "10.0.0.3:8080"}


async def test_a_reader_that_has_not_spoken_is_not_complete_while_a_task_lacks_something(
    server: EcsServer, cloud: Cloud
) -> None:
    server.faults["DescribeTaskDefinition"] = lambda _: json_error(500, "ServerException")

    async with reading(server, cloud) as source:
        await failures(source)

        assert not source.spoken
        assert {kind for kind, _ in source.sink.calls} <= {"add"}


async def test_throttled_lookups_stretch_the_interval(server: EcsServer, cloud: Cloud) -> None:
    server.faults["DescribeTaskDefinition"] = lambda _: json_error(400, "ThrottlingException")

    async with reading(server, cloud) as source:
        await eventually(lambda: "aws.throttled" in {event for event, _ in source.notices})

        (errors,) = source.failures.values()
        assert errors[0].retry_after == 0.2


async def test_a_task_definition_that_does_not_exist_sets_its_tasks_aside_alone(
    server: EcsServer, cloud: Cloud
) -> None:
    server.run(task_json("g1", "ghost:1", address="10.9.0.1", group="service:ghost"))

    async with reading(server, cloud) as source:
        await passes(source)

        assert source.failures == {}
        assert source.sink.addresses("web") == WEB
        (entry,) = source.sink.set_aside["ghost"]
        assert "Unable to describe task definition" in entry.reason


async def test_a_container_instance_that_is_missing_later_costs_no_running_task(
    server: EcsServer, cloud: Cloud
) -> None:
    on_host(server)
    server.hosts["i-1"] = {"privateIpAddress": "10.1.0.1"}

    async with reading(server, cloud) as source:
        await passes(source)
        assert source.sink.addresses("db") == {"10.1.0.1:32768"}
        server.instances.clear()
        server.hosts.clear()
        await passes(source, 3)

        assert source.sink.addresses("db") == {"10.1.0.1:32768"}


async def test_a_host_that_is_drained_changes_nothing_before_ecs_stops_its_tasks(
    server: EcsServer, cloud: Cloud
) -> None:
    on_host(server, "b1")
    on_host(server, "b2", port=32769)
    (instance,) = server.instances
    server.instances[instance] = {**server.instances[instance], "status": "DRAINING"}
    server.hosts["i-1"] = {"privateIpAddress": "10.1.0.1"}

    async with reading(server, cloud) as source:
        await passes(source)
        assert [one.health for one in source.sink.services["db"].values()] == [Health.HEALTHY, Health.HEALTHY]

        server.tasks[task_arn("b1")]["desiredStatus"] = "STOPPED"
        await eventually(lambda: source.sink.services["db"]["10.1.0.1:32768"].health is Health.DRAINING)

        assert source.sink.services["db"]["10.1.0.1:32769"].health is Health.HEALTHY


@pytest.mark.parametrize("unknown", ["instance", "host"])
async def test_a_task_on_an_unknown_host_waits_with_the_reason(unknown: str, server: EcsServer, cloud: Cloud) -> None:
    on_host(server)
    if unknown == "instance":
        server.instances.clear()

    async with reading(server, cloud) as source:
        await passes(source)

        assert source.failures == {}
        assert source.sink.addresses("web") == WEB
        (entry,) = source.sink.set_aside["db"]
        assert (
            "container instance cannot be looked up" if unknown == "instance" else "i-1 is not known"
        ) in entry.reason

        on_host(server)
        server.hosts["i-1"] = {"privateIpAddress": "10.1.0.1"}
        await eventually(lambda: source.sink.addresses("db") == {"10.1.0.1:32768"})


async def test_lost_rights_on_ec2_keep_the_hosts_that_are_known_and_hold_up_no_other_task(
    server: EcsServer, cloud: Cloud
) -> None:
    on_host(server)
    server.hosts |= {"i-1": {"privateIpAddress": "10.1.0.1"}, "i-2": {"privateIpAddress": "10.1.0.2"}}

    async with reading(server, cloud) as source:
        await passes(source)
        server.faults["DescribeInstances"] = lambda _: error(403, "UnauthorizedOperation")
        on_host(server, "b2", "i-2")
        server.tasks[task_arn("t1")].update(lastStatus="STOPPED")
        await failures(source)

        assert source.sink.addresses("db") == {"10.1.0.1:32768"}
        assert source.sink.lost == ["10.0.0.1:8080"]
        assert "allow ec2:DescribeInstances to the role" in source.messages
        for each in (each for errors in source.failures.values() for each in errors):
            assert each.retry_after is not None
            assert each.retry_after < 60  # the other tasks are read as often as ever


async def test_an_external_machine_is_asked_of_systems_manager_and_not_of_ec2(server: EcsServer, cloud: Cloud) -> None:
    """One `mi-` among the ids would fail the whole question to EC2."""
    on_host(server, "b1", "i-1")
    on_host(server, "b2", "mi-0abc")
    server.hosts["i-1"] = {"privateIpAddress": "10.1.0.1"}
    server.machines["mi-0abc"] = "192.168.7.7"

    async with reading(server, cloud) as source:
        await passes(source)

        assert source.sink.addresses("db") == {"10.1.0.1:32768", "192.168.7.7:32768"}
        assert [request.values("Filter.1.Value") for request in server.aws.asked("DescribeInstances")] == [["i-1"]]


async def test_an_attachment_without_an_address_waits_without_an_error(server: EcsServer, cloud: Cloud) -> None:
    server.run(task_json("t4", address="", attachments=[{"type": "ElasticNetworkInterface", "status": "ATTACHING"}]))

    async with reading(server, cloud) as source:
        await passes(source)

        assert source.failures == {}
        assert source.sink.addresses("web") == WEB
        assert "has no private address" in source.sink.set_aside["web"][0].reason


async def test_an_unknown_state_leaves_the_one_before_and_is_told_once(server: EcsServer, cloud: Cloud) -> None:
    async with reading(server, cloud) as source:
        await passes(source)
        server.tasks[task_arn("t1")].update(lastStatus="CONTEMPLATING", launchType="QUANTUM")
        await passes(source, 3)

        assert source.sink.addresses("web") == WEB
        assert source.notices == [("ecs.value_unknown", {"cluster": CLUSTER, "what": "lastStatus 'CONTEMPLATING'"})]


async def test_a_task_that_cannot_be_read_keeps_its_state_and_costs_its_neighbours_nothing(
    server: EcsServer, cloud: Cloud
) -> None:
    async with reading(server, cloud) as source:
        await passes(source)
        server.tasks[task_arn("t1")]["containers"] = [{"healthStatus": "HEALTHY"}]
        server.tasks[task_arn("t2")].update(lastStatus="STOPPED")
        await passes(source, 3)

        assert source.sink.lost == ["10.0.0.2:8080"]
        ((event, fields),) = source.notices
        assert event == "ecs.task_unreadable"
        assert "containers.0.name: Field required" in str(fields["what"])


async def test_malformed_tags_set_one_task_aside(server: EcsServer, cloud: Cloud) -> None:
    server.tasks[task_arn("t1")]["tags"] = tags(xds_weight="heavy")

    async with reading(server, cloud) as source:
        await passes(source)

        assert source.sink.addresses("web") == WEB - {"10.0.0.1:8080"}
        assert "'heavy' must be a whole number" in source.sink.set_aside["web"][0].reason


async def test_what_is_known_is_told_while_many_task_definitions_are_still_to_be_read(
    server: EcsServer, cloud: Cloud
) -> None:
    """Each is one call: five hundred take a minute and a half of the budget."""
    revisions = [f"api:{number}" for number in range(1, 9)]
    server.define(*(definition_json(each) for each in revisions))
    server.run(*(task_json(f"a{n}", each, address=f"10.9.0.{n}") for n, each in enumerate(revisions)))
    told: list[int] = []

    async with reading(server, cloud, patience=0, interval="10ms", starting="healthy") as source:
        while not source.spoken:
            told.append(len(source.sink.addresses("api")) + len(source.sink.addresses("web")))
            await asyncio.sleep(0)

        assert len(source.sink.addresses("api")) == 8
        assert len(set(told)) > 3, "some were told of before all were known"
        assert {kind for kind, _ in source.sink.calls[:-1]} == {"add"}
        assert source.failures == {}
        assert [fields["left"] for event, fields in source.notices if event == "ecs.definitions_loading"] == [8]
        assert server.counts()["DescribeTaskDefinition"] == 9


async def test_tasks_are_followed_while_new_definitions_are_read(server: EcsServer, cloud: Cloud) -> None:
    hold = asyncio.Event()
    describe = server.aws.handler("DescribeTaskDefinition")

    async def slow(request: Request) -> Response:
        if b"api:1" not in request.body:
            await hold.wait()
        answer = describe(request)
        assert isinstance(answer, Response)
        return answer

    async with reading(server, cloud, patience=0) as source:
        await passes(source)
        server.aws.on("DescribeTaskDefinition", slow)
        server.define(*(definition_json(f"api:{number}") for number in (1, 2)))
        server.run(task_json("a1", "api:1", address="10.9.0.1"), task_json("a2", "api:2", address="10.9.0.2"))
        server.tasks[task_arn("t1")].update(lastStatus="STOPPED", desiredStatus="STOPPED")

        await eventually(lambda: source.sink.addresses("api") == {"10.9.0.1:8080"})
        assert source.sink.lost == ["10.0.0.1:8080"]
        hold.set()
        await eventually(lambda: source.sink.addresses("api") == {"10.9.0.1:8080", "10.9.0.2:8080"})
