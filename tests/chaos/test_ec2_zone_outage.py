"""EC2 while one of its zones is out of order: it fails every question that names no instance, or one in that zone."""

from dataclasses import replace

import pytest

from adapters._aws import Cloud
from support.aws import CannedAws, Request, error
from support.ec2 import CannedFleet, Shown, asked_ids, failures, passes, reading
from support.fault_proxy import Response
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]

WEB = {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}


@pytest.fixture
def fleet(fleet: CannedFleet) -> CannedFleet:
    fleet.show(*(Shown(f"i-{number}", private=f"10.0.0.{number}") for number in (1, 2, 3)))
    return fleet


@pytest.mark.parametrize("by_filter", [True, False], ids=["filter_works", "filter_fails_too"])
async def test_a_zone_out_of_order_leaves_the_others_followed(
    by_filter: bool, aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    """EC2 then fails every question that names no instance, or one in that zone."""
    fleet.show(Shown("i-9", private="10.0.0.9", zone="eu-west-1b"))
    outage = error(500, "InternalError", "zone eu-west-1b is disrupted")

    def describe(request: Request) -> Response:
        ids = asked_ids(request)
        filtered = ids is not None and not request.values("InstanceId")
        if ids is None or (filtered and not by_filter) or ("i-9" in ids and not filtered):
            return outage
        return fleet.describe(request)

    async with reading(aws, cloud) as source:
        await passes(source)
        aws.on("DescribeInstances", describe)
        fleet.show(
            replace(fleet.instances["i-2"], state="shutting-down"), replace(fleet.instances["i-3"], state="stopped")
        )

        await eventually(lambda: source.sink.addresses("web") == {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.9:80"})

        assert source.sink.services["web"]["10.0.0.2:80"].health.value == "draining"
        assert "the known instances were read one by one" in source.messages
        assert source.sink.lost == ["10.0.0.3:80"]


@pytest.mark.parametrize("code", ["InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable"])
async def test_one_id_that_is_no_more_costs_its_zone_nothing_while_another_is_out_of_order(
    code: str, aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    """EC2 refuses ids of which it does not know one, and a zone with more instances than fit one question."""
    many = [Shown(f"i-z{number:03}", private=f"10.3.0.{number}") for number in range(1, 201)]
    fleet.show(*many, Shown("i-9", private="10.0.0.9", zone="eu-west-1b"))

    def describe(request: Request) -> Response:
        ids = request.values("InstanceId")
        if not ids or "i-9" in ids:
            return error(400, code, "zone eu-west-1b is disrupted")
        unknown = [each for each in ids if each in ("i-z007", "i-z150")]
        return error(400, "InvalidInstanceID.NotFound", str(unknown)) if unknown else fleet.describe(request)

    async with reading(aws, cloud) as source:
        await passes(source)
        aws.on("DescribeInstances", describe)
        fleet.show(*(replace(each, state="stopped") for each in many))

        await eventually(lambda: len(source.sink.addresses("web")) == 6, what="those that are known to be told of")

    assert source.sink.addresses("web") == WEB | {"10.0.0.9:80", "10.3.0.7:80", "10.3.0.150:80"}


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "RequestLimitExceeded"])
async def test_what_would_fail_in_every_zone_is_asked_in_one(
    code: str, aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    fleet.show(Shown("i-9", private="10.0.0.9", zone="eu-west-1b"))
    async with reading(aws, cloud) as source:
        await passes(source)
        aws.on(
            "DescribeInstances",
            lambda request: error(503, code if request.values("InstanceId") else "Unavailable"),
        )
        await failures(source, 3)

        assert len(source.sink.addresses("web")) == 4
    by_id = [request.values("InstanceId") for request in aws.asked("DescribeInstances")]
    assert {tuple(ids) for ids in by_id if ids} == {("i-1", "i-2", "i-3")}
