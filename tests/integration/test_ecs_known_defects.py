"""What other programs that read ECS get wrong; each test is named after what goes wrong there."""

import pytest

from adapters._aws import Cloud
from bridge.model import Health
from support.aws import json_error
from support.ecs import (
    CLUSTER,
    arn,
    container,
    container_definition,
    definition_json,
    task_arn,
    task_json,
)
from support.ecs_reading import failures, on_host, passes, reading
from support.ecs_server import EcsServer, asking_for
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]
pytestmark = pytest.mark.usefixtures("credentials")


def attached(name: str, interface: str) -> dict[str, object]:
    """A task of service `web` with a network interface that may have a public address."""
    details = [{"name": "networkInterfaceId", "value": interface}]
    return {**task_json(name, attachments=[{"type": "ElasticNetworkInterface", "details": details}])}


async def test_failed_describe_of_a_cluster_counts_as_a_refresh_without_it(server: EcsServer, cloud: Cloud) -> None:
    """prometheus: all targets of the cluster vanish."""
    server.serve("t1")
    async with reading(server, cloud) as source:
        await passes(source)
        server.faults["DescribeTasks"] = lambda _: json_error(500, "ServerException")
        await failures(source)
        done = source.successes[""]
        await failures(source)

        assert source.successes[""] == done
        assert source.sink.addresses("web") == {"10.0.0.1:8080"}


async def test_one_deleted_interface_loses_every_public_address(server: EcsServer, cloud: Cloud) -> None:
    """prometheus: all ids are parameters of one call, which fails for one that is gone."""
    server.define(definition_json())
    server.run(attached("t1", "eni-1"), attached("t2", "eni-gone"))
    server.interfaces["eni-1"] = "54.0.0.1"

    async with reading(server, cloud, address="public") as source:
        await passes(source)

        assert source.sink.addresses("web") == {"54.0.0.1:8080"}
        assert "has no public address" in source.sink.set_aside["web"][0].reason


async def test_failures_of_an_answer_are_ignored(server: EcsServer, cloud: Cloud) -> None:
    """prometheus, prometheus-ecs-discovery: a task that is gone stays, or one that is there goes."""
    server.serve("t1", "t2")
    async with reading(server, cloud) as source:
        await passes(source)
        del server.tasks[task_arn("t1")]
        await eventually(lambda: source.sink.lost == ["10.0.0.1:8080"])


async def test_cluster_by_name_ends_the_process(server: EcsServer, cloud: Cloud) -> None:
    """prometheus: what is looked up by ARN is not found by name."""
    server.serve("t1")
    async with reading(server, cloud, clusters=["prod"]) as source:
        await passes(source)

        assert source.sink.addresses("web") == {"10.0.0.1:8080"}
        assert list(source.sink.state) == [CLUSTER]
        assert server.counts()["DescribeClusters"] == 1


async def test_no_clusters_means_none_instead_of_all(server: EcsServer, cloud: Cloud) -> None:
    """rotor: says that no value means all clusters, and reads none."""
    other = arn("cluster", "other")
    server.clusters |= {other: "ACTIVE", arn("cluster", "old"): "INACTIVE"}
    server.serve("t1")
    server.run({**task_json("x", address="10.7.0.1"), "taskArn": task_arn("x", "other"), "clusterArn": other})

    async with reading(server, cloud, clusters=None) as source:
        await passes(source)

        assert source.sink.addresses("web") == {"10.0.0.1:8080", "10.7.0.1:8080"}
        assert set(source.sink.state) == {CLUSTER, other}


async def test_every_port_is_the_same(server: EcsServer, cloud: Cloud) -> None:
    """prometheus: one port from the configuration for everything."""
    ports = container_definition(ports=[8080, 9090], xds_service="web:8080 admin:9090")
    server.define(definition_json("web:1", ports))
    server.run(task_json("t1"))
    on_host(server, "b1", "i-1", port=40001)
    on_host(server, "b2", "i-1", port=40002)
    server.hosts["i-1"] = {"privateIpAddress": "10.1.0.1"}

    async with reading(server, cloud) as source:
        await passes(source)

        assert source.sink.addresses("web") == {"10.0.0.1:8080"}
        assert source.sink.addresses("admin") == {"10.0.0.1:9090"}
        assert source.sink.addresses("db") == {"10.1.0.1:40001", "10.1.0.1:40002"}


async def test_tasks_of_a_failed_describe_are_dropped(server: EcsServer, cloud: Cloud) -> None:
    """traefik: the page is logged, and the configuration published without it."""
    server.serve(*(f"t{number:03}" for number in range(150)))
    async with reading(server, cloud) as source:
        await passes(source)
        server.faults["DescribeTasks"] = asking_for(task_arn("t120"), json_error(500, "ServerException"))
        await failures(source)

        assert len(source.sink.addresses("web")) == 150
        assert source.sink.lost == []


async def test_definition_is_asked_for_once_for_each_task(server: EcsServer, cloud: Cloud) -> None:
    """traefik: remembers definitions by task, so that a hundred tasks are a hundred calls."""
    server.serve(*(f"t{number:03}" for number in range(100)))
    async with reading(server, cloud) as source:
        await passes(source, 3)

        assert server.counts()["DescribeTaskDefinition"] == 1


async def test_one_definition_that_cannot_be_had_aborts_everything(server: EcsServer, cloud: Cloud) -> None:
    """traefik: nothing is published at all."""
    server.run(task_json("g1", "ghost:1", address="10.9.0.1"))
    server.serve("t1")
    async with reading(server, cloud) as source:
        await passes(source)

        assert source.sink.addresses("web") == {"10.0.0.2:8080"}


async def test_container_without_a_definition_takes_the_labels_of_another(server: EcsServer, cloud: Cloud) -> None:
    """prometheus-ecs-discovery: the last container's labels are used for one that no definition names."""
    server.define(definition_json("web:1", container_definition("other", xds_service="web")))
    server.run(task_json("t1", containers=[container("app", address="10.0.0.1")]))

    async with reading(server, cloud) as source:
        await passes(source)

        assert source.sink.addresses("web") == set()
        assert "does not tell of this container yet" in source.sink.set_aside["web"][0].reason


async def test_older_revisions_are_dropped_during_a_rolling_update(server: EcsServer, cloud: Cloud) -> None:
    """rotor: only the service's current revision counts, so that it is empty until the new tasks run."""
    server.serve("t1", "t2")
    async with reading(server, cloud) as source:
        await passes(source)
        server.define(definition_json("web:2"))
        server.run(task_json("t3", "web:2", address="10.0.0.3", lastStatus="PENDING"))
        await passes(source)
        assert source.sink.addresses("web") == {"10.0.0.1:8080", "10.0.0.2:8080"}

        server.tasks[task_arn("t3")]["lastStatus"] = "RUNNING"
        server.tasks[task_arn("t1")]["desiredStatus"] = "STOPPED"
        await passes(source)
        healths = {key: endpoint.health for key, endpoint in source.sink.services["web"].items()}
        assert healths == {
            "10.0.0.1:8080": Health.DRAINING,
            "10.0.0.2:8080": Health.HEALTHY,
            "10.0.0.3:8080": Health.HEALTHY,
        }

        server.tasks[task_arn("t1")]["lastStatus"] = "STOPPED"
        await passes(source)
        assert source.sink.addresses("web") == {"10.0.0.2:8080", "10.0.0.3:8080"}


async def test_host_without_a_private_address_ends_the_process(server: EcsServer, cloud: Cloud) -> None:
    """rotor: takes the address of every instance without looking whether there is one."""
    on_host(server)
    server.hosts["i-1"] = {}
    server.serve("t1")
    async with reading(server, cloud) as source:
        await passes(source)

        assert len(source.sink.addresses("web")) == 1
        assert "i-1 has no private address" in source.sink.set_aside["db"][0].reason


async def test_tasks_that_do_not_run_yet_or_any_more_get_traffic(server: EcsServer, cloud: Cloud) -> None:
    """traefik: everything that is listed is routed to."""
    server.serve("t1", "t2", "t3")
    server.tasks[task_arn("t1")]["lastStatus"] = "PENDING"
    server.tasks[task_arn("t2")]["lastStatus"] = "STOPPED"
    async with reading(server, cloud) as source:
        await passes(source)

        assert source.sink.addresses("web") == {"10.0.0.3:8080"}
