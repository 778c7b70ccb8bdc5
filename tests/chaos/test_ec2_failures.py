"""What EC2 can do to a source, fault by fault: nothing that is known is ever lost by it."""

import asyncio
import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest

from adapters._aws import AwsError, Cloud, Kind
from adapters.ec2 import Config, Ec2Adapter
from bridge.scheduler import Scheduler
from support.aws import REGION, CannedAws, Request, broken, document, error, hang
from support.clock import steppable_clock
from support.context import running
from support.ec2 import CannedFleet, Shown, asked_ids, failures, passes, reading
from support.fault_proxy import Response
from support.recording import RecordingContext
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]
pytestmark = pytest.mark.usefixtures("credentials", "fleet")

WEB = {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}
ROLE = "arn:aws:iam::{}:role/xds-bridge"


@pytest.fixture
def fleet(fleet: CannedFleet) -> CannedFleet:
    fleet.show(*(Shown(f"i-{number}", private=f"10.0.0.{number}") for number in (1, 2, 3)))
    return fleet


def kinds(context: RecordingContext) -> set[Kind]:
    return {each.kind for errors in context.failures.values() for each in errors if isinstance(each, AwsError)}


async def survives(aws: CannedAws, cloud: Cloud, fault: Callable[[Request], Response] | Response, kind: Kind) -> str:
    """Break everything, see that all stays, heal, see that it is followed again; returns what was said."""
    async with reading(aws, cloud) as source:
        await passes(source)
        good = aws.handler("DescribeInstances")
        aws.on("DescribeInstances", fault)
        await failures(source)
        assert source.sink.addresses("web") == WEB

        aws.on("DescribeInstances", good)
        await passes(source)

        assert source.sink.addresses("web") == WEB
        assert source.sink.lost == []
        assert kinds(source) == {kind}
        return source.messages


@pytest.mark.parametrize("name", broken())
async def test_a_200_that_is_no_answer_takes_nothing_away(name: str, aws: CannedAws, cloud: Cloud) -> None:
    said = await survives(aws, cloud, broken()[name], Kind.PARTIAL)

    assert "no answer of AWS's" in said


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "AuthFailure", "OptInRequired"])
async def test_lost_rights_take_nothing_away(code: str, aws: CannedAws, cloud: Cloud) -> None:
    said = await survives(aws, cloud, error(403, code), Kind.DENIED)

    assert "allow ec2:DescribeInstances to the role" in said


@pytest.mark.parametrize("code", ["ExpiredToken", "RequestExpired"])
async def test_expired_credentials_take_nothing_away(code: str, aws: CannedAws, cloud: Cloud) -> None:
    await survives(aws, cloud, error(400, code), Kind.EXPIRED)


@pytest.mark.parametrize(
    "fault", [error(500, "InternalError"), error(503, "Unavailable"), Response(503, (), b"<html>")]
)
async def test_an_outage_of_ec2_takes_nothing_away(fault: Response, aws: CannedAws, cloud: Cloud) -> None:
    await survives(aws, cloud, fault, Kind.UNAVAILABLE)


async def test_an_answer_that_never_comes_takes_nothing_away(aws: CannedAws, cloud: Cloud) -> None:
    async with reading(aws, cloud, timeout="100ms") as source:
        await passes(source)
        aws.on("DescribeInstances", hang)
        await failures(source)

        assert source.sink.addresses("web") == WEB
        assert kinds(source) == {Kind.UNREACHABLE}


async def test_a_source_that_hangs_can_be_cancelled(aws: CannedAws, cloud: Cloud) -> None:
    arrived = asyncio.Event()

    async def arrive(request: Request) -> Response:
        arrived.set()
        return await hang(request)

    aws.on("DescribeInstances", arrive)
    async with reading(aws, cloud, timeout="5s"):  # must end within a second of being cancelled
        await arrived.wait()


async def test_throttling_takes_nothing_away_and_makes_polls_rarer(aws: CannedAws, cloud: Cloud) -> None:
    said = ""
    async with reading(aws, cloud) as source:
        await passes(source)
        aws.on("DescribeInstances", error(503, "RequestLimitExceeded"))
        await failures(source, 3)
        said = source.messages

        assert source.sink.addresses("web") == WEB
        intervals = [fields["interval"] for event, fields in source.notices if event == "aws.throttled"]
        assert intervals[:3] == [0.2, 0.4, 0.8]
    assert "the account is asked less often for a while" in said


async def test_calls_that_are_throttled_now_and_then_lose_no_instance(aws: CannedAws, fleet: CannedFleet) -> None:
    """Forty pages, while somebody else in the account asks a lot; the SDK tries again."""
    fleet.page = 10
    fleet.show(*(Shown(f"i-{number}", private=f"10.1.{number // 200}.{number % 200 + 1}") for number in range(400)))
    turn = itertools.count(1)
    throttled = error(503, "RequestLimitExceeded")
    aws.on("DescribeInstances", lambda request: throttled if next(turn) % 10 == 0 else fleet.describe(request))

    async with reading(aws, Cloud(), interval="5s") as source:
        await eventually(lambda: source.spoken, timeout=60)

        assert len(aws.requests) == 44
        assert len(source.sink.addresses("web")) == 400
        assert source.failures == {}


@pytest.mark.parametrize("fault", [error(400, "InvalidNextToken"), error(503, "Unavailable"), broken()["truncated"]])
async def test_a_later_page_that_fails_makes_the_whole_pass_say_nothing(
    fault: Response, aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    fleet.page = 2
    async with reading(aws, cloud) as source:
        await passes(source)
        fleet.instances.pop("i-1")  # the list is shorter too, so that what is lost would be lost
        aws.on(
            "DescribeInstances",
            lambda request: (
                fault if "NextToken" in request.parameters or asked_ids(request) else fleet.describe(request)
            ),
        )
        fleet.show(Shown("i-4", private="10.0.0.4"), Shown("i-5", private="10.0.0.5"))
        await failures(source, 4)

        assert source.sink.addresses("web") == WEB


async def test_an_instance_that_a_list_leaves_out_is_kept_and_asked_for_by_a_filter(
    aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    async with reading(aws, cloud) as source:
        await passes(source)
        fleet.unlisted.add("i-2")
        await passes(source, 4)

        assert source.sink.lost == []
        asked = [asked_ids(request) for request in aws.asked("DescribeInstances")]
        assert ["i-2"] in asked
        assert not any(request.values("InstanceId") for request in aws.requests)


async def test_an_instance_that_ends_is_drained_and_then_gone(aws: CannedAws, fleet: CannedFleet, cloud: Cloud) -> None:
    async with reading(aws, cloud) as source:
        await passes(source)
        fleet.show(Shown("i-2", "shutting-down", private="10.0.0.2"))
        await eventually(lambda: source.sink.services["web"]["10.0.0.2:80"].health.value == "draining")
        fleet.show(Shown("i-2", "terminated", private=""))
        await eventually(lambda: source.sink.addresses("web") == WEB - {"10.0.0.2:80"})

        assert source.sink.lost == ["10.0.0.2:80"]


async def test_an_instance_that_vanishes_between_two_polls_goes_after_the_second(
    aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    async with reading(aws, cloud) as source:
        await passes(source)
        fleet.instances.pop("i-2")
        await eventually(lambda: source.sink.addresses("web") == WEB - {"10.0.0.2:80"})

        asked = [request for request in aws.asked("DescribeInstances") if asked_ids(request) == ["i-2"]]
        assert len(asked) == 2


async def test_a_tag_that_is_taken_away_takes_the_instance_out_at_once(
    aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    async with reading(aws, cloud) as source:
        await passes(source)
        fleet.instances["i-2"].tags = {}
        await eventually(lambda: source.sink.addresses("web") == WEB - {"10.0.0.2:80"})

        assert len([request for request in aws.asked("DescribeInstances") if asked_ids(request) == ["i-2"]]) == 1


async def test_an_instance_without_an_address_yet_waits_and_holds_up_nobody(
    aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    fleet.show(Shown("i-4", "pending", private=""), Shown("i-5", private=""))
    async with reading(aws, cloud) as source:
        await passes(source)
        assert source.sink.addresses("web") == WEB
        assert ["it has no private IPv4 address" in each.reason for each in source.sink.set_aside["web"]] == [True]

        fleet.show(Shown("i-4", private="10.0.0.4"), Shown("i-5", private="10.0.0.5"))
        await eventually(lambda: source.sink.addresses("web") == WEB | {"10.0.0.4:80", "10.0.0.5:80"})

        assert source.failures == {}


async def test_a_region_that_fails_holds_up_no_other(aws: CannedAws, fleet: CannedFleet, cloud: Cloud) -> None:
    def describe(request: Request) -> Response:
        return (
            error(403, "UnauthorizedOperation") if "/eu-west-2/" in request.headers["authorization"] else good(request)
        )

    good = fleet.describe
    async with reading(aws, cloud, regions=[REGION, "eu-west-2"]) as source:
        await passes(source)
        aws.on("DescribeInstances", describe)
        await failures(source)
        fleet.show(Shown("i-4", private="10.0.0.4"))
        await eventually(lambda: "10.0.0.4:80" in source.sink.addresses("web"))

        assert set(source.failures) == {"self/eu-west-2"}
        assert source.sink.lost == []


async def test_a_role_that_may_not_be_assumed_holds_up_no_other_account(
    aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    def assume(request: Request) -> Response:
        if "222222222222" in request.parameters["RoleArn"]:
            return error(403, "AccessDenied", "not authorized to perform: sts:AssumeRole")
        return document(
            "AssumeRole",
            "<AssumeRoleResult><Credentials><AccessKeyId>ASIAASSUMED</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            "<SessionToken>t</SessionToken><Expiration>2126-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>",
        )

    aws.on("AssumeRole", assume)
    accounts = [
        {"assume_role": ROLE.format("111111111111"), "external_id": "tenant-7"},
        {"assume_role": ROLE.format("222222222222")},
    ]
    async with reading(aws, cloud, accounts=accounts) as source:
        await eventually(lambda: source.sink.addresses("web") == WEB)
        await failures(source)

        assert set(source.failures) == {"222222222222/eu-west-1"}
        assert "it is AssumeRole that failed" in source.messages
        assert "allow sts:AssumeRole to the role of the bridge" in source.messages
        assert not source.spoken, "an account that was never read may hold the only endpoints of a service"
        assert {"ASIAASSUMED" in request.headers["authorization"] for request in aws.asked("DescribeInstances")} == {
            True
        }
        assert {request.parameters.get("ExternalId") for request in aws.asked("AssumeRole")} == {"tenant-7", None}


async def test_without_a_region_the_source_says_what_to_set(
    aws: CannedAws, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reading(aws, cloud, region=None) as source:
        await failures(source)
        assert "AWS_REGION" in source.messages

        monkeypatch.setenv("AWS_REGION", "ap-south-1")
        await eventually(lambda: source.sink.addresses("web") == WEB)

        assert list(source.sink.state) == ["self/ap-south-1"]


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(hours=1)], ids=["back", "forward"])
async def test_a_clock_that_is_set_does_not_stop_polling(
    step: timedelta, aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    keys = {"region": REGION, "endpoint_url": aws.url, "interval": "100ms", "api_budget": 100}
    adapter = Ec2Adapter(Config.model_validate(keys))

    with steppable_clock() as set_clock, Scheduler() as scheduler:
        async with running(adapter, scheduler.ticks) as source:
            await eventually(lambda: source.synced)
            set_clock(step)
            fleet.show(Shown("i-4", private="10.0.0.4"))
            await eventually(lambda: ("10.0.0.4", 80) in source.addresses()["web"])
            fleet.show(Shown("i-5", private="10.0.0.5"))
            await eventually(lambda: ("10.0.0.5", 80) in source.addresses()["web"])

            assert source.failing == ()
    await asyncio.sleep(0)
