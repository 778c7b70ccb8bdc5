"""What a pass costs, counted at the server: by the number of tasks, and by nothing else."""

import pytest

from adapters._aws import Cloud
from adapters.ecs import EcsAdapter
from support.aws_fleets import fargate_tasks, tasks_on_hosts
from support.ecs_reading import adapter, on_host
from support.ecs_server import EcsServer
from support.recording import RecordingContext, running
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]
pytestmark = pytest.mark.usefixtures("credentials")


async def read_once(source: EcsAdapter, server: EcsServer, cloud: Cloud) -> tuple[RecordingContext, dict[str, int]]:
    """One pass, the next one being an hour away; returns what it found and what it asked."""
    server.aws.requests.clear()
    async with running(source, RecordingContext(process={"aws": cloud})) as context:
        await eventually(lambda: context.spoken, timeout=120)
    assert context.failures == {}
    return context, server.counts()


async def test_two_thousand_tasks_of_five_hundred_services_cost_forty_calls(server: EcsServer) -> None:
    source, cloud = adapter(server.aws.url, interval="1h"), Cloud(attempts=1)
    server = tasks_on_hosts(server.aws)
    context, first = await read_once(source, server, cloud)
    _, steady = await read_once(source, server, cloud)

    assert len(context.sink.services) == 500
    assert sum(map(len, context.sink.services.values())) == 2000
    assert first == {
        "DescribeContainerInstances": 1,
        "DescribeInstances": 1,
        "DescribeTaskDefinition": 500,
        "DescribeTasks": 20,
        "ListTasks": 21,  # once those that are to stop
    }
    assert steady == {"DescribeTasks": 20, "ListTasks": 20}


async def test_ten_thousand_fargate_tasks_cost_two_hundred_calls(server: EcsServer) -> None:
    source, cloud = adapter(server.aws.url, interval="1h"), Cloud(attempts=1)
    server = fargate_tasks(server.aws)

    context, _ = await read_once(source, server, cloud)
    _, steady = await read_once(source, server, cloud)

    assert sum(map(len, context.sink.services.values())) == 10_000
    assert sum(steady.values()) <= 201
    assert "DescribeTaskDefinition" not in steady


async def test_a_new_revision_costs_one_call_whatever_the_number_of_its_tasks(server: EcsServer) -> None:
    source, cloud = adapter(server.aws.url, interval="1h"), Cloud(attempts=1)
    server.serve(*(f"a{number}" for number in range(50)))
    await read_once(source, server, cloud)

    server.serve(*(f"b{number}" for number in range(250)), definition="web:2")
    _, counts = await read_once(source, server, cloud)

    assert counts == {"DescribeTaskDefinition": 1, "DescribeTasks": 3, "ListTasks": 3}


async def test_a_revision_that_comes_back_is_not_asked_for_again(server: EcsServer) -> None:
    source, cloud = adapter(server.aws.url, interval="1h"), Cloud(attempts=1)
    server.serve("t1")
    await read_once(source, server, cloud)
    server.tasks.clear()
    await read_once(source, server, cloud)

    server.serve("t2")
    _, counts = await read_once(source, server, cloud)

    assert counts == {"DescribeTasks": 1, "ListTasks": 1}


async def test_more_than_a_hundred_hosts_are_asked_for_in_chunks_and_each_once(server: EcsServer) -> None:
    """Others ask for more than a hundred at once, which fails, or for the same host once for each task."""
    source, cloud = adapter(server.aws.url, interval="1h"), Cloud(attempts=1)
    for number in range(300):
        host = f"i-{number % 150:03}"
        on_host(server, f"t{number:03}", host, port=32768 + number)
        server.hosts[host] = {"privateIpAddress": f"10.1.0.{number % 150 + 1}"}

    context, counts = await read_once(source, server, cloud)

    assert len(context.sink.addresses("db")) == 300
    assert counts["DescribeContainerInstances"] == counts["DescribeInstances"] == 2
    asked = [host for request in server.aws.asked("DescribeInstances") for host in request.values("Filter.1.Value")]
    assert len(asked) == len(set(asked)) == 150


async def test_nothing_is_asked_of_ec2_where_every_task_has_its_own_interface(server: EcsServer) -> None:
    source, cloud = adapter(server.aws.url, interval="1h"), Cloud(attempts=1)
    server.serve("t1", "t2")

    _, counts = await read_once(source, server, cloud)

    assert counts == {"DescribeTaskDefinition": 1, "DescribeTasks": 1, "ListTasks": 2}


async def test_a_cluster_without_tasks_costs_one_call(server: EcsServer) -> None:
    source, cloud = adapter(server.aws.url, interval="1h"), Cloud(attempts=1)
    await read_once(source, server, cloud)

    context, counts = await read_once(source, server, cloud)

    assert counts == {"ListTasks": 1}
    assert context.sink.services == {}
