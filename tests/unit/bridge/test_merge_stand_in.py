import pytest

from bridge.merge import First, MergePolicy, Return, Ruling, StandIn, Weighted, failover, weigh
from bridge.merge.model import Policy
from bridge.model import Health, SourceName
from support.reports import addresses, report, reports, shares, sources

OLD, NEW, VMS = SourceName("old"), SourceName("new"), SourceName("vms")
SHARES = Weighted(((NEW, 90), (VMS, 10)))


def standing_in(policy: MergePolicy) -> StandIn:
    return StandIn(policy, {OLD: NEW})


def test_it_has_the_share_of_whom_it_stands_in_for() -> None:
    outcome = standing_in(SHARES)(reports({"old": "hh", "vms": "h"}))

    assert shares(outcome) == pytest.approx({"old": 0.9, "vms": 0.1})
    assert {each.endpoint.health for each in outcome.endpoints} == {Health.HEALTHY}
    assert not outcome.ruling.diverted


def test_both_have_one_share_together_and_keep_it_where_priorities_are_made_anew() -> None:
    outcome = standing_in(SHARES)(reports({"new": "h", "old": "hh", "vms": "h"}))

    assert shares(outcome) == pytest.approx({"new": 0.3, "old": 0.6, "vms": 0.1})
    assert weigh(outcome.endpoints, outcome.ruling.shares) == outcome.endpoints


def test_both_have_one_priority() -> None:
    outcome = standing_in(failover)(reports({"new": "h", "old": "h", "vms": "h"}))

    assert [each.priority for each in outcome.endpoints] == [0, 0, 1]


def test_first_serves_both_as_one_and_remembers_whom_it_had_chosen() -> None:
    policy, before = First(30.0), Ruling(Policy.FIRST, chosen=OLD, returning=(Return(VMS, 40.0),))
    read = reports({"vms": "h", "new": "u", "old": "h"})

    outcome = standing_in(policy)(read, before, 20.0)

    assert sources(outcome) == {"new", "old"}
    assert (outcome.ruling.chosen, outcome.ruling.returning) == (NEW, (Return(VMS, 40.0),))


def test_a_healthy_word_of_either_is_the_word_on_an_address() -> None:
    said = [report("new", "10.0.0.1", Health.UNHEALTHY), report("old", "10.0.0.1"), report("vms", "10.0.0.2")]

    (first, _) = standing_in(failover)(said).endpoints

    assert (first.endpoint.health, [each.source for each in first.origins]) == (Health.HEALTHY, ["old", "new"])


def test_others_are_seen_as_they_are() -> None:
    read = reports({"new": "h", "vms": "h"})

    assert standing_in(SHARES)(read) == SHARES(read)
    assert addresses(standing_in(failover)(read)) == ["10.0.0.0", "10.0.1.0"]
