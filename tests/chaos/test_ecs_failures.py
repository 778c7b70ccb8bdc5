"""What ECS can do to a source, row by row of what can be seen: nothing that is known is ever lost by it."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from adapters._aws import AwsError, Cloud, Kind
from bridge.model import Health
from support.aws import JSON, Request, canned_aws, error, hang, json_error, use_credentials
from support.ecs import (
    CLUSTER,
    arn,
    container,
    definition_json,
    tags,
    task_arn,
    task_json,
)
from support.ecs_reading import failures, passes, reading
from support.ecs_server import EcsServer, asking_for, few_times, reply
from support.fault_proxy import Response
from support.recording import RecordingContext
from support.waiting import eventually

WEB = {"10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"}
THROTTLED = json_error(400, "ThrottlingException", "Rate exceeded")


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    """One try for each call: what the SDK does beyond that is the SDK's business."""
    return Cloud(attempts=1)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    use_credentials(monkeypatch)


@pytest.fixture
async def server() -> AsyncIterator[EcsServer]:
    async with canned_aws() as aws:
        server = EcsServer(aws)
        server.serve("t1", "t2", "t3")
        yield server


def kinds(context: RecordingContext) -> set[Kind]:
    return {each.kind for errors in context.failures.values() for each in errors if isinstance(each, AwsError)}


async def survives(server: EcsServer, cloud: Cloud, operation: str, fault: Response, kind: Kind) -> str:
    """Break one operation, see that all stays, heal, see that it is followed again; returns what was said."""
    async with reading(server, cloud) as source:
        await passes(source)
        server.faults[operation] = lambda _: fault
        await failures(source)
        assert source.sink.addresses("web") == WEB

        server.faults.clear()
        server.tasks[task_arn("t3")]["desiredStatus"] = "STOPPED"
        await eventually(lambda: source.sink.services["web"]["10.0.0.3:8080"].health is Health.DRAINING)

        assert source.sink.addresses("web") == WEB
        assert source.sink.lost == []
        assert kinds(source) == {kind}
        return source.messages


READS = ["ListTasks", "DescribeTasks"]


@pytest.mark.parametrize("operation", READS)
async def test_throttling_takes_nothing_away_and_makes_polls_rarer(
    operation: str, server: EcsServer, cloud: Cloud
) -> None:
    async with reading(server, cloud) as source:
        await passes(source)
        server.faults[operation] = lambda _: THROTTLED
        await failures(source, 4)

        assert source.sink.addresses("web") == WEB
        assert kinds(source) == {Kind.THROTTLED}
        intervals = [fields["interval"] for event, fields in source.notices if event == "aws.throttled"]
        assert intervals[:3] == [0.2, 0.4, 0.8]


@pytest.mark.parametrize("operation", READS)
@pytest.mark.parametrize("code", ["AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException"])
async def test_lost_rights_take_nothing_away(operation: str, code: str, server: EcsServer, cloud: Cloud) -> None:
    said = await survives(server, cloud, operation, json_error(400, code), Kind.DENIED)

    assert f"allow ecs:{operation} to the role" in said
    assert ("is the clock of this machine right?" in said) is (code == "InvalidSignatureException")


@pytest.mark.parametrize("operation", READS)
async def test_expired_credentials_take_nothing_away(operation: str, server: EcsServer, cloud: Cloud) -> None:
    await survives(server, cloud, operation, json_error(400, "ExpiredTokenException"), Kind.EXPIRED)


async def test_expired_token_is_renewed_once_and_nobody_notices(server: EcsServer, cloud: Cloud) -> None:
    async with reading(server, cloud) as source:
        await passes(source)
        server.faults["ListTasks"] = few_times(1, json_error(400, "ExpiredTokenException"))
        await passes(source, 3)

        assert source.failures == {}


@pytest.mark.parametrize("operation", READS)
@pytest.mark.parametrize(
    "fault", [json_error(500, "ServerException"), Response(503, (), b"<html>")], ids=["500", "503"]
)
async def test_an_outage_of_ecs_takes_nothing_away(
    operation: str, fault: Response, server: EcsServer, cloud: Cloud
) -> None:
    await survives(server, cloud, operation, fault, Kind.UNAVAILABLE)


@pytest.mark.parametrize("operation", READS)
@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"taskArns": [', b"<html>Log in</html>"])
async def test_a_200_that_is_no_answer_takes_nothing_away(
    operation: str, body: bytes, server: EcsServer, cloud: Cloud
) -> None:
    """The SDK makes of a page of HTML, or of nothing, an answer without tasks."""
    await survives(server, cloud, operation, Response(200, JSON, body), Kind.PARTIAL)


async def test_an_answer_without_failures_is_none(server: EcsServer, cloud: Cloud) -> None:
    await survives(server, cloud, "DescribeTasks", reply(tasks=[]), Kind.PARTIAL)


async def test_an_answer_that_never_comes_takes_nothing_away(server: EcsServer, cloud: Cloud) -> None:
    async with reading(server, cloud, timeout="100ms") as source:
        await passes(source)
        server.aws.on("DescribeTasks", hang)
        await failures(source)

        assert source.sink.addresses("web") == WEB
        assert kinds(source) == {Kind.UNREACHABLE}


async def test_a_source_that_hangs_can_be_cancelled(server: EcsServer, cloud: Cloud) -> None:
    arrived = asyncio.Event()

    async def arrive(request: Request) -> Response:
        arrived.set()
        return await hang(request)

    server.aws.on("ListTasks", arrive)
    async with reading(server, cloud, timeout="5s"):  # must end within a second of being cancelled
        await arrived.wait()


async def test_a_failed_page_of_the_list_draws_no_conclusions_and_known_tasks_are_still_described(
    server: EcsServer, cloud: Cloud
) -> None:
    server.serve(*(f"n{number:03}" for number in range(150)))
    async with reading(server, cloud) as source:
        await passes(source)
        everything = source.sink.addresses("web")
        assert len(everything) == 153
        server.faults["ListTasks"] = lambda request: THROTTLED if b"nextToken" in request.body else None
        server.tasks[task_arn("t1")].update(lastStatus="STOPPED", desiredStatus="STOPPED")
        await failures(source)

        assert source.sink.addresses("web") == everything - {"10.0.0.1:8080"}
        assert source.sink.lost == ["10.0.0.1:8080"]


async def test_a_failed_chunk_keeps_its_tasks_and_the_others_are_updated(server: EcsServer, cloud: Cloud) -> None:
    """Prometheus loses the cluster by this, Traefik the tasks of the chunk."""
    server.serve(*(f"n{number:03}" for number in range(150)))  # t1 to t3 are in the second chunk with n097 and so on
    async with reading(server, cloud) as source:
        await passes(source)
        server.faults["DescribeTasks"] = asking_for(task_arn("n000"), json_error(500, "ServerException"))
        for name in ("n000", "t1"):
            server.tasks[task_arn(name)].update(lastStatus="STOPPED", desiredStatus="STOPPED")
        await failures(source)

        assert source.sink.lost == ["10.0.0.1:8080"]
        server.faults.clear()
        await eventually(lambda: len(source.sink.lost) == 2)


async def test_a_missing_task_is_removed(server: EcsServer, cloud: Cloud) -> None:
    async with reading(server, cloud) as source:
        await passes(source)
        del server.tasks[task_arn("t2")]
        await passes(source)

        assert source.sink.lost == ["10.0.0.2:8080"]
        assert source.failures == {}


async def test_a_task_that_lists_leave_out_is_kept(server: EcsServer, cloud: Cloud) -> None:
    async with reading(server, cloud) as source:
        await passes(source)
        server.unlisted |= {task_arn("t1"), task_arn("t2")}
        await passes(source, 3)

        assert source.sink.addresses("web") == WEB
        assert source.sink.lost == []


async def test_a_task_that_an_answer_passes_over_is_kept_and_the_answer_is_no_success(
    server: EcsServer, cloud: Cloud
) -> None:
    async with reading(server, cloud) as source:
        await passes(source)
        server.faults["DescribeTasks"] = lambda _: reply(tasks=[], failures=[])
        await failures(source)

        assert source.sink.addresses("web") == WEB
        assert "3 of 3 tasks were not described" in source.messages


async def test_a_failure_for_another_reason_keeps_the_task(server: EcsServer, cloud: Cloud) -> None:
    async with reading(server, cloud) as source:
        await passes(source)
        refusal = [{"arn": task_arn(name), "reason": "ACCESS_DENIED"} for name in ("t1", "t2", "t3")]
        server.faults["DescribeTasks"] = lambda _: reply(tasks=[], failures=refusal)
        await failures(source)

        assert source.sink.addresses("web") == WEB
        assert "ACCESS_DENIED" in source.messages


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


def on_host(server: EcsServer, name: str = "b1", host: str = "i-1") -> None:
    """Run a task of service `db` in bridge mode on an instance of EC2, or a machine elsewhere."""
    instance = arn("container-instance", f"prod/ci-{host}")
    server.define(definition_json("db:1", mode="bridge", xds_service="db"))
    server.instances[instance] = {"containerInstanceArn": instance, "ec2InstanceId": host}
    bound = [{"bindIP": "0.0.0.0", "containerPort": 8080, "hostPort": 32768, "protocol": "tcp"}]
    containers = [container(bindings=bound)]
    server.run(
        task_json(
            name, "db:1", containers=containers, containerInstanceArn=instance, launchType="EC2", availabilityZone=""
        )
    )


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


async def test_a_cluster_that_is_not_found_once_keeps_its_endpoints(server: EcsServer, cloud: Cloud) -> None:
    async with reading(server, cloud) as source:
        await passes(source)
        server.faults["ListTasks"] = lambda _: json_error(400, "ClusterNotFoundException", "Cluster not found.")
        await failures(source)
        server.clusters.clear()
        await failures(source)

        assert source.sink.addresses("web") == WEB
        assert "Nothing is removed before that is confirmed" in source.messages


async def test_a_denied_cluster_leaves_another_alone(server: EcsServer, cloud: Cloud) -> None:
    other = arn("cluster", "other")
    server.clusters[other] = "ACTIVE"
    server.run(replace_cluster(task_json("o1", address="10.7.0.1"), other))

    def denied(request: Request) -> Response | None:
        return json_error(400, "AccessDeniedException") if CLUSTER.encode() in request.body else None

    async with reading(server, cloud, clusters=[CLUSTER, other]) as source:
        await eventually(lambda: len(source.sink.addresses("web")) == 4)
        server.faults["ListTasks"] = denied
        await failures(source)
        server.tasks[task_arn("o1", "other")].update(lastStatus="STOPPED")
        await eventually(lambda: source.sink.lost == ["10.7.0.1:8080"])

        assert source.sink.addresses("web") == WEB


async def test_a_broken_start_says_nothing_before_everything_was_read(server: EcsServer, cloud: Cloud) -> None:
    server.faults["DescribeTasks"] = lambda _: json_error(500, "ServerException")

    async with reading(server, cloud) as source:
        await failures(source)
        assert not source.spoken
        server.faults.clear()
        await eventually(lambda: source.spoken)

        assert source.sink.addresses("web") == WEB


def replace_cluster(task: Mapping[str, object], cluster: str) -> dict[str, object]:
    """The same task in another cluster."""
    name = cluster.rpartition("/")[2]
    return {**task, "clusterArn": cluster, "taskArn": str(task["taskArn"]).replace("task/prod/", f"task/{name}/")}
