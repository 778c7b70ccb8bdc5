"""What other programs that read EC2 get wrong, each as the test that would have told them."""

import pytest

from adapters._aws import Cloud
from support.aws import CannedAws, error, moto_server, use_credentials
from support.ec2 import CannedFleet, MotoFleet, Shown, asked_ids, failures, page, passes, reading
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]
pytestmark = pytest.mark.usefixtures("fleet")


def numbered(count: int) -> list[Shown]:
    return [Shown(f"i-{number}", private=f"10.1.{number // 250}.{number % 250 + 1}") for number in range(count)]


async def test_instances_beyond_the_first_page_are_not_seen(aws: CannedAws, fleet: CannedFleet, cloud: Cloud) -> None:
    fleet.show(*numbered(2000))

    async with reading(aws, cloud, interval="5m") as source:
        await eventually(lambda: source.spoken, timeout=30)

        assert len(source.sink.addresses("web")) == 2000
        assert len(aws.asked("DescribeInstances")) == 20
        assert source.requests["ec2.DescribeInstances", "200"] == 20


async def test_every_service_costs_calls_of_its_own(aws: CannedAws, fleet: CannedFleet, cloud: Cloud) -> None:
    for number, shown in enumerate(numbered(200)):
        shown.tags = {"xds-service": f"service-{number}:80 metrics:9100"}
        fleet.show(shown)

    async with reading(aws, cloud, interval="5m") as source:
        await eventually(lambda: source.spoken)

        assert len(source.sink.services) == 201
        assert len(aws.asked("DescribeInstances")) == 2


async def test_an_empty_page_is_taken_for_the_last_one(aws: CannedAws, fleet: CannedFleet, cloud: Cloud) -> None:
    pages = {"": page([], "<nextToken>a</nextToken>"), "a": page([Shown("i-1")])}
    aws.on("DescribeInstances", lambda request: pages[request.parameters.get("NextToken", "")])

    async with reading(aws, cloud) as source:
        await passes(source, 3)

        assert source.sink.addresses("web") == {"10.0.0.1:80"}
        assert source.sink.lost == []


async def test_an_instance_without_a_private_address_ends_the_read(
    aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    fleet.show(Shown("i-1"), Shown("i-2", private=""))

    async with reading(aws, cloud) as source:
        await passes(source)

        assert source.sink.addresses("web") == {"10.0.0.1:80"}
        assert source.failures == {}


async def test_keys_of_tags_that_differ_in_case_collide(aws: CannedAws, fleet: CannedFleet, cloud: Cloud) -> None:
    fleet.show(Shown("i-1", tags={"xds-service": "web:80", "XDS-SERVICE": "other:1", "Xds-Weight": "many"}))

    async with reading(aws, cloud) as source:
        await passes(source)

        assert list(source.sink.services) == ["web"]
        assert source.sink.addresses("web") == {"10.0.0.1:80"}


async def test_one_refused_answer_clears_all_targets(aws: CannedAws, fleet: CannedFleet, cloud: Cloud) -> None:
    fleet.show(*numbered(10))

    async with reading(aws, cloud) as source:
        await passes(source)
        aws.on("DescribeInstances", error(503, "RequestLimitExceeded"))
        await failures(source)

        assert len(source.sink.addresses("web")) == 10
        assert source.sink.lost == []


async def test_one_wrong_tag_takes_the_neighbours_along(aws: CannedAws, fleet: CannedFleet, cloud: Cloud) -> None:
    fleet.show(Shown("i-1"), Shown("i-2", tags={"xds-service": "web:http"}), Shown("i-3", tags={"xds-service": ":"}))

    async with reading(aws, cloud) as source:
        await passes(source, 3)

        assert source.sink.addresses("web") == {"10.0.0.1:80"}
        assert ["'http' must be a whole number" in each.reason for each in source.sink.set_aside["web"]] == [True]
        unnamed = [fields for event, fields in source.notices if event == "ec2.instance_unnamed"]
        assert unnamed == [{"instance": "i-3", "tag": "xds-service", "value": ":"}]


async def test_a_list_by_filters_that_leaves_an_instance_out_is_believed(
    aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    fleet.show(*numbered(2))
    async with reading(aws, cloud, filters={"tag:env": ["prod"]}) as source:
        await passes(source)
        fleet.unlisted = {"i-0"}
        await passes(source, 4)

        assert len(source.sink.addresses("web")) == 2
        assert source.sink.lost == []
    asked = [request for request in aws.asked("DescribeInstances") if asked_ids(request)]
    assert "tag:env" in {request.parameters.get("Filter.2.Name") for request in asked}


async def test_one_instance_that_cannot_be_read_fails_its_whole_page(
    aws: CannedAws, fleet: CannedFleet, cloud: Cloud
) -> None:
    twice = "eu-west-1a</availabilityZone><availabilityZone>eu-west-1b"
    fleet.show(*numbered(2))
    async with reading(aws, cloud) as source:
        await passes(source)
        fleet.show(Shown("i-0", zone=twice), Shown("i-2", private="10.0.0.2"), Shown("i-3", zone=twice))
        await passes(source, 4)

        assert source.sink.addresses("web") == {"10.1.0.1:80", "10.1.0.2:80", "10.0.0.2:80"}
        assert source.sink.lost == []
        told = [fields["instance"] for event, fields in source.notices if event == "ec2.instance_unreadable"]
        assert sorted(map(str, told)) == ["i-0", "i-3"]


async def test_one_id_that_is_no_more_fails_the_question_for_all_others(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto refuses unknown ids as AWS does; a filter takes them."""
    use_credentials(monkeypatch)
    with moto_server() as moto:
        fleet = MotoFleet(moto)
        tags = {"env": "prod", "xds-service": "web:80"}
        first, second = fleet.launch(tags, "10.0.0.1"), fleet.launch(tags, "10.0.0.2")
        async with reading(moto, cloud, filters={"tag:env": ["prod"]}) as source:
            await passes(source)
            assert source.sink.addresses("web") == {"10.0.0.1:80", "10.0.0.2:80"}

            fleet.forget(first)
            fleet.tag(second, "env", "test")  # both are missing from the list now; one of them EC2 does not know
            await eventually(lambda: source.sink.services == {})

            assert source.failures == {}
