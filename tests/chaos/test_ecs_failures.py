"""What ECS can do to a source, row by row of what can be seen: nothing that is known is ever lost by it."""

import asyncio
import json
from collections.abc import Mapping

import pytest

from adapters._aws import AwsError, Cloud, Kind
from bridge.model import Health
from support.aws import JSON, Bucket, Request, document, hang, impatient, json_error
from support.ecs import (
    ACCOUNT,
    CLUSTER,
    arn,
    task_arn,
    task_json,
)
from support.ecs_reading import adapter, failures, passes, reading
from support.ecs_server import EcsServer, asking_for, few_times, reply
from support.fault_proxy import Response
from support.recording import RecordingContext, running
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]
pytestmark = pytest.mark.usefixtures("credentials")

WEB = {"10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"}
THROTTLED = json_error(400, "ThrottlingException", "Rate exceeded")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/xds-bridge"
ASSUMED = document(
    "AssumeRole",
    "<AssumeRoleResult><Credentials><AccessKeyId>ASIAASSUMED</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
    "<SessionToken>t</SessionToken><Expiration>2126-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>",
)


@pytest.fixture
def server(server: EcsServer) -> EcsServer:
    server.serve("t1", "t2", "t3")
    return server


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
        assert stretched(source)[:3] == [0.2, 0.4, 0.8]


async def test_a_storm_of_throttling_loses_nothing_and_passes(server: EcsServer, cloud: Cloud) -> None:
    """A deployment tool empties the account's bucket, so that it refills more slowly than the bridge reads."""
    server.serve(*(f"n{number:03}" for number in range(200)))
    bucket = Bucket(20, 100)
    for operation in READS:
        server.faults[operation] = lambda _: None if bucket.take() else THROTTLED

    context = RecordingContext(process={"aws": cloud}, patient=True)
    async with running(adapter(server.aws.url), context) as source:
        await passes(source)
        everything = source.sink.addresses("web")
        bucket.neighbour = 40
        await eventually(lambda: max(stretched(source), default=0) >= 0.8, timeout=30)
        assert source.sink.addresses("web") == everything
        server.tasks[task_arn("t1")].update(lastStatus="STOPPED", desiredStatus="STOPPED")
        server.run(task_json("late", address="10.7.0.1"))

        bucket.neighbour = 0
        followed = everything - {"10.0.0.1:8080"} | {"10.7.0.1:8080"}
        await eventually(lambda: source.sink.addresses("web") == followed, timeout=60)
        assert source.sink.lost == ["10.0.0.1:8080"]
        assert kinds(source) == {Kind.THROTTLED}

        server.faults.clear()
        await passes(source, 6)  # each halves the interval
        server.faults["ListTasks"] = few_times(1, THROTTLED)
        await failures(source, 1)
        assert stretched(source)[-1] == 0.2, "it was back at what is configured"


def stretched(source: RecordingContext) -> list[float]:
    """The intervals that throttling has led to."""
    return [float(str(fields["interval"])) for event, fields in source.notices if event == "aws.throttled"]


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


async def test_an_endpoint_for_credentials_that_fails_takes_nothing_away(
    server: EcsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"AccessKeyId": "ASIATASK", "SecretAccessKey": "s", "Token": "t", "Expiration": "2126-01-01T00:00:00Z"}
    server.aws.on("", Response(200, JSON, json.dumps(keys).encode()))
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.aws.url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    async with reading(server, impatient()) as source:
        await passes(source)
        server.aws.on("", Response(500, JSON, b"{}"))
        server.faults["ListTasks"] = few_times(1, json_error(400, "ExpiredTokenException"))  # so they are asked for
        await failures(source, 1)
        assert source.sink.addresses("web") == WEB
        assert kinds(source) == {Kind.UNREACHABLE}
        assert "CredentialRetrievalError" in source.messages

        server.aws.on("", Response(200, JSON, json.dumps(keys).encode()))
        await passes(source)
        assert source.sink.lost == []


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


async def test_a_cluster_of_another_account_is_read_under_its_role_alone(server: EcsServer, cloud: Cloud) -> None:
    """The bridge's own account would say that there is no such cluster."""
    server.aws.on("AssumeRole", ASSUMED)
    accounts = [{}, {"assume_role": ROLE}]
    async with reading(server, cloud, accounts=accounts) as source:
        await passes(source)

        assert source.sink.addresses("web") == WEB
        assert all("ASIAASSUMED" in request.headers["authorization"] for request in server.aws.asked("ListTasks"))


async def test_a_cluster_that_two_roles_lead_to_has_one_reader(server: EcsServer, cloud: Cloud) -> None:
    server.aws.on("AssumeRole", ASSUMED)
    accounts = [{}, {"assume_role": ROLE}]
    async with reading(server, cloud, clusters=None, accounts=accounts) as source:
        await passes(source, 3)

        assert len(server.aws.asked("ListClusters")) == 2
        assert source.sink.calls == [("replace", CLUSTER)]


@pytest.mark.parametrize("names", [["prod", CLUSTER], [CLUSTER, "prod"]])
async def test_a_cluster_that_is_named_twice_has_one_reader(names: list[str], server: EcsServer, cloud: Cloud) -> None:
    async with reading(server, cloud, clusters=names) as source:
        await passes(source)
        listed = len(server.aws.asked("ListTasks"))
        await passes(source, 3)

        assert source.sink.calls == [("replace", CLUSTER)]
        ((event, fields),) = source.notices
        assert (event, fields["names"]) == ("ecs.cluster_named_twice", [CLUSTER, "prod"])
        assert len(server.aws.asked("ListTasks")) - listed <= 4, "one call for each pass"
        server.tasks[task_arn("t1")].update(lastStatus="STOPPED", desiredStatus="STOPPED")
        await eventually(lambda: source.sink.lost == ["10.0.0.1:8080"])


async def test_a_cluster_that_one_of_its_names_cannot_read_is_read_by_the_other(
    server: EcsServer, cloud: Cloud
) -> None:
    """The ARN is read under its account's role, the name everywhere."""
    server.aws.on("AssumeRole", ASSUMED)
    server.faults["ListTasks"] = lambda request: (
        json_error(400, "AccessDeniedException") if "ASIAASSUMED" in request.headers["authorization"] else None
    )
    accounts = [{}, {"assume_role": ROLE}]
    async with reading(server, cloud, clusters=["prod", CLUSTER], accounts=accounts) as source:
        await eventually(lambda: source.sink.addresses("web") == WEB)
        await failures(source)

        assert ("replace", CLUSTER) in source.sink.calls
        assert source.sink.lost == []
