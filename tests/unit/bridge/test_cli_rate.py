import pytest

from bridge.cli import rate
from bridge.model import SourceName
from bridge.poll import Bucket, Calls, Poll

READS = Bucket("reads", 20, 100)
OTHERS = Bucket("others", 10, 50)
HERE, THERE = "self/eu-west-1", "self/us-east-1"
ECS, EC2 = SourceName("ecs"), SourceName("ec2")


def poll(place: str = HERE, count: int = 40, configured: float = 15, budget: float = 5) -> Poll:
    calls = (Calls("list", count - 1, READS), Calls("other", 1, OTHERS), Calls("unknown", 0))
    return Poll(place, calls, configured, configured, budget)


def test_calls_of_an_hour_are_those_at_the_configured_interval() -> None:
    (found,) = rate.places({ECS: [poll()]})

    assert (found.calls, found.hourly, found.interval) == (40, 9600, 15)
    assert found.used == pytest.approx(40 / 15 / 5)


def test_sources_share_the_budget_of_a_place_and_the_lowest_counts() -> None:
    found = list(rate.places({ECS: [poll(), poll(count=60)], EC2: [poll(configured=20, budget=4), poll(THERE)]}))

    used = (40 / 15 + 60 / 15 + 40 / 20) / 4
    assert [(each.place, each.source, each.calls) for each in found] == [
        (HERE, ECS, 100), (HERE, EC2, 40), (THERE, EC2, 40),
    ]  # fmt: skip
    assert [each.used for each in found] == pytest.approx([used, used, 40 / 15 / 5])
    assert [each.interval for each in found] == pytest.approx([15 * used, 20 * used, 15])


def test_buckets_hold_what_all_sources_take_out_of_them() -> None:
    found = list(rate.buckets([poll(), poll(), poll(THERE)]))

    assert [(each.place, each.bucket, each.hourly) for each in found] == [
        (HERE, OTHERS, 480), (HERE, READS, 18720), (THERE, OTHERS, 240), (THERE, READS, 9360),
    ]  # fmt: skip
    assert found[1].used == pytest.approx(18720 / 72000)
