import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from adapters._aws import Api, AwsError, Cloud, Kind, Place
from adapters._aws.error import INCOMPLETE
from support.aws import (
    JSON,
    REGION,
    CannedAws,
    Handler,
    Request,
    broken,
    canned_aws,
    document,
    error,
    hang,
    json_error,
)
from support.aws import use_credentials as credentials_in_environment
from support.fault_proxy import Response
from support.waiting import eventually

EMPTY = document("DescribeInstances", "<reservationSet></reservationSet>")
Counted = list[tuple[str, str]]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials_in_environment(monkeypatch)


@pytest.fixture
async def aws() -> AsyncIterator[CannedAws]:
    async with canned_aws() as aws:
        yield aws


@pytest.fixture
def counted() -> Counted:
    return []


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    """One for all tests: loading the SDK's service models takes longer than any of them."""
    return Cloud(attempts=1)


@asynccontextmanager
async def calling(
    cloud: Cloud, aws: CannedAws, counted: Counted, timeout: float = 5.0, budget: float = 1000
) -> AsyncIterator[Api]:
    place = Place(REGION, endpoint_url=aws.url, timeout=timeout)
    async with cloud.joined():
        yield cloud.api(place, budget, lambda operation, code, _: counted.append((operation, code)))


@pytest.fixture
async def api(cloud: Cloud, aws: CannedAws, counted: Counted) -> AsyncIterator[Api]:
    async with calling(cloud, aws, counted) as api:
        yield api


async def describe(api: Api) -> object:
    return await api.call("ec2", "DescribeInstances", {"MaxResults": 100}, expect=["Reservations"])


async def test_an_answer_is_returned_and_counted(api: Api, aws: CannedAws, counted: Counted) -> None:
    aws.on("DescribeInstances", EMPTY)

    answer = await api.call("ec2", "DescribeInstances", {"MaxResults": 100}, expect=["Reservations"])

    assert answer["Reservations"] == []
    assert aws.requests[0].parameters["MaxResults"] == "100"
    assert counted == [("ec2.DescribeInstances", "200")]
    assert api.calls == 1


async def test_a_branch_counts_its_own_calls_against_the_same_budget(api: Api, aws: CannedAws) -> None:
    aws.on("DescribeInstances", EMPTY)
    branch = api.branch()

    await describe(branch)

    assert (branch.calls, api.calls) == (1, 0)
    assert branch.budget is api.budget


@pytest.mark.parametrize("name", broken())
async def test_a_200_that_is_no_answer_is_a_failure(name: str, api: Api, aws: CannedAws, counted: Counted) -> None:
    aws.on("DescribeInstances", broken()[name])

    with pytest.raises(AwsError, match=r"DescribeInstances in self/eu-west-1 .*no answer of AWS's") as caught:
        await describe(api)

    assert caught.value.kind is Kind.PARTIAL
    assert [code for _, code in counted] in ([INCOMPLETE], ["ResponseParserError"])


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"<html></html>", b'{"taskArns": [', b"{}", b'{"taskArns": 5}'])
async def test_broken_json_is_a_failure(body: bytes, api: Api, aws: CannedAws) -> None:
    aws.on("ListTasks", Response(200, JSON, body))

    with pytest.raises(AwsError) as caught:
        await api.call("ecs", "ListTasks", {"cluster": "prod"}, expect=["taskArns"])

    assert caught.value.kind is Kind.PARTIAL


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (503, "RequestLimitExceeded", (Kind.THROTTLED, None)),
        (400, "ThrottlingException", (Kind.THROTTLED, None)),
        (429, "Anything", (Kind.THROTTLED, None)),
        (403, "UnauthorizedOperation", (Kind.DENIED, 60)),
        (401, "AuthFailure", (Kind.DENIED, None)),
        (403, "OptInRequired", (Kind.DENIED, 60)),
        (400, "AccessDeniedException", (Kind.DENIED, 60)),
        (400, "RequestExpired", (Kind.EXPIRED, None)),
        (400, "ExpiredTokenException", (Kind.EXPIRED, None)),
        (500, "InternalError", (Kind.UNAVAILABLE, None)),
        (503, "Unavailable", (Kind.UNAVAILABLE, None)),
        (400, "InvalidNextToken", (Kind.REJECTED, 60)),
    ],
)
async def test_an_error_has_its_kind(
    status: int, code: str, expected: tuple[Kind, float | None], api: Api, aws: CannedAws, counted: Counted
) -> None:
    aws.on("DescribeInstances", error(status, code))

    with pytest.raises(AwsError, match="because the test says so") as caught:
        await describe(api)

    assert (caught.value.kind, caught.value.retry_after) == expected
    assert caught.value.code == code
    assert ("ec2.DescribeInstances", code) in counted


async def test_a_json_error_has_its_code(api: Api, aws: CannedAws) -> None:
    aws.on("ListTasks", json_error(400, "ClusterNotFoundException"))

    with pytest.raises(AwsError) as caught:
        await api.call("ecs", "ListTasks", {"cluster": "gone"}, expect=["taskArns"])

    assert (caught.value.kind, caught.value.code) == (Kind.REJECTED, "ClusterNotFoundException")


async def test_an_html_error_page_is_a_failure_of_aws(api: Api, aws: CannedAws) -> None:
    aws.on("DescribeInstances", Response(503, (), b"<html><body>503 Service Unavailable</body></html>"))

    with pytest.raises(AwsError) as caught:
        await describe(api)

    assert caught.value.kind is Kind.UNAVAILABLE


@pytest.mark.parametrize("code", ["ExpiredToken", "AuthFailure", "UnrecognizedClientException"])
async def test_credentials_that_are_over_are_looked_for_once_anew(
    code: str, api: Api, aws: CannedAws, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(request: Request) -> Response:
        return EMPTY if "AKIARENEWED" in request.headers["authorization"] else error(400, code)

    aws.on("DescribeInstances", EMPTY)
    await describe(api)
    aws.on("DescribeInstances", judge)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIARENEWED")

    await describe(api)

    assert [code for _, code in counted] == ["200", code, "200"]


async def test_credentials_that_are_over_by_the_clock_of_this_machine_are_no_bug(
    api: Api, aws: CannedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK then raises a mere `RuntimeError`."""
    keys = {"AccessKeyId": "ASIATASK", "SecretAccessKey": "s", "Token": "t", "Expiration": "2001-01-01T00:00:00Z"}
    aws.on("", Response(200, JSON, json.dumps(keys).encode()))
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", aws.url)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(AwsError, match="is the clock of this machine right") as caught:
        await describe(api)

    assert caught.value.kind is Kind.EXPIRED
    assert aws.asked("DescribeInstances") == []


async def test_missing_credentials_are_found_when_they_come(
    api: Api, aws: CannedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.on("DescribeInstances", EMPTY)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AwsError, match="give the bridge a role") as caught:
        await describe(api)
    assert caught.value.kind is Kind.DENIED

    credentials_in_environment(monkeypatch)

    await describe(api)


async def test_a_hanging_call_ends_after_its_timeout(cloud: Cloud, aws: CannedAws, counted: Counted) -> None:
    aws.on("DescribeInstances", hang)
    async with calling(cloud, aws, counted, timeout=0.1) as api:
        with pytest.raises(AwsError, match="is there a way from here") as caught:
            await describe(api)

    assert caught.value.kind is Kind.UNREACHABLE
    assert counted == [("ec2.DescribeInstances", "ReadTimeoutError")]


async def test_nobody_listening_is_unreachable(cloud: Cloud, aws: CannedAws, counted: Counted) -> None:
    aws.port = 1
    async with calling(cloud, aws, counted) as api:
        with pytest.raises(AwsError) as caught:
            await describe(api)

    assert caught.value.kind is Kind.UNREACHABLE


async def test_a_cancelled_call_returns_at_once_and_is_counted(api: Api, aws: CannedAws, counted: Counted) -> None:
    arrived = asyncio.Event()

    async def arrive(request: Request) -> Response:
        arrived.set()
        return await hang(request)

    aws.on("DescribeInstances", arrive)
    call = asyncio.create_task(describe(api))
    await arrived.wait()

    call.cancel()
    await asyncio.wait([call], timeout=1)

    assert call.cancelled()
    assert counted == [("ec2.DescribeInstances", "cancelled")]


async def test_pages_go_on_while_there_is_a_token_also_after_an_empty_page(api: Api, aws: CannedAws) -> None:
    pages = {"": (["a"], "1"), "1": ([], "2"), "2": (["b"], None)}

    def page(request: Request) -> Response:
        arns, token = pages[json.loads(request.body).get("nextToken", "")]
        return Response(200, JSON, json.dumps({"taskArns": arns, "nextToken": token}).encode())

    aws.on("ListTasks", page)

    found = [page["taskArns"] async for page in api.pages("ecs", "ListTasks", {"cluster": "c"}, expect=["taskArns"])]

    assert found == [["a"], [], ["b"]]


async def test_a_token_that_leads_nowhere_is_a_failure(api: Api, aws: CannedAws) -> None:
    aws.on("DescribeInstances", document("DescribeInstances", "<reservationSet/><nextToken>again</nextToken>"))

    with pytest.raises(AwsError, match="the same page again"):
        _ = [page async for page in api.pages("ec2", "DescribeInstances", expect=["Reservations"])]


async def test_a_later_page_that_is_refused_is_no_reason_to_wait_long(api: Api, aws: CannedAws) -> None:
    first = document("DescribeInstances", "<reservationSet/><nextToken>old</nextToken>")
    refused = error(400, "InvalidNextToken")
    aws.on("DescribeInstances", lambda request: refused if "NextToken" in request.parameters else first)

    with pytest.raises(AwsError, match="InvalidNextToken") as late:
        _ = [page async for page in api.pages("ec2", "DescribeInstances", expect=["Reservations"])]
    aws.on("DescribeInstances", refused)
    with pytest.raises(AwsError, match="InvalidNextToken") as soon:
        _ = [page async for page in api.pages("ec2", "DescribeInstances", expect=["Reservations"])]

    assert (late.value.retry_after, soon.value.retry_after) == (None, 60)


async def test_the_sdk_tries_again_and_its_tries_are_charged(aws: CannedAws, counted: Counted) -> None:
    answers = [error(503, "RequestLimitExceeded"), EMPTY]
    aws.on("DescribeInstances", lambda _: answers.pop(0))
    async with calling(Cloud(attempts=2), aws, counted, budget=0.5) as api:
        await describe(api)

        assert len(aws.requests) == 2
        assert api.budget.left == pytest.approx(0.5 * 5 - 2)
    assert counted == [("ec2.DescribeInstances", "200")]


@pytest.mark.parametrize(
    "answers",
    [
        [error(503, "RequestLimitExceeded"), error(503, "RequestLimitExceeded")],
        [error(503, "RequestLimitExceeded"), document("DescribeInstances", "")],
        [hang, hang],
    ],
    ids=["refused", "incomplete", "no answer"],
)
async def test_tries_are_charged_also_when_the_call_fails(
    answers: list[Response | Handler], aws: CannedAws, counted: Counted
) -> None:
    left = list(answers)

    def answer(request: Request) -> Response | Awaitable[Response]:
        chosen = left.pop(0)
        return chosen if isinstance(chosen, Response) else chosen(request)

    aws.on("DescribeInstances", answer)
    async with calling(Cloud(attempts=2), aws, counted, timeout=0.3, budget=0.001) as api:
        api.budget.charge(-2)
        with pytest.raises(AwsError):
            await describe(api)

        assert len(aws.requests) == 2
        assert api.budget.left == pytest.approx(0.005, abs=0.001)


async def test_a_clock_that_is_set_back_after_throttling_holds_nothing_up(
    aws: CannedAws, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [error(503, "RequestLimitExceeded"), EMPTY]
    aws.on("DescribeInstances", lambda _: answers.pop(0) if answers else EMPTY)
    async with calling(Cloud(attempts=2), aws, counted) as api:
        await describe(api)
        right = time.time
        monkeypatch.setattr(time, "time", lambda: right() - 3600)

        async with asyncio.timeout(5):
            await describe(api)

    assert len(aws.requests) == 3


async def test_a_place_that_looks_for_credentials_holds_up_no_other(
    aws: CannedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    said = json.dumps({"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "secret"})
    keys.write_text(said)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {keys}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    aws.on("DescribeInstances", EMPTY)
    cloud = Cloud(attempts=1)
    async with cloud.joined():
        first, second = (
            cloud.api(Place(region, endpoint_url=aws.url), 100, lambda *_: None) for region in (REGION, "us-east-1")
        )
        await describe(first)
        keys.unlink()
        os.mkfifo(keys)
        slow = asyncio.create_task(describe(second))
        pipe: list[int] = []

        def opened() -> bool:
            with suppress(OSError):  # nobody reads yet
                pipe.append(os.open(keys, os.O_WRONLY | os.O_NONBLOCK))
            return bool(pipe)

        await eventually(opened)
        try:
            async with asyncio.timeout(5):
                await describe(first)
            assert not slow.done()
        finally:
            os.write(pipe[0], said.encode())
            os.close(pipe[0])
        await slow


async def test_sources_share_clients_and_the_lowest_budget(cloud: Cloud, aws: CannedAws) -> None:
    aws.on("DescribeInstances", EMPTY)
    place = Place(REGION, endpoint_url=aws.url)

    async with cloud.joined(), cloud.joined():
        first, second = (cloud.api(place, rate, lambda *_: None) for rate in (5, 2))
        await describe(first)
        await describe(second)

        assert first.budget is second.budget
        assert first.budget.rate == 2
        assert aws.connections == 1
        branch = second.branch()
        del second
        assert first.budget.rate == 2
        del branch
        assert first.budget.rate == 5
