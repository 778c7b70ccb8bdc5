import pytest

from bridge.merge import Outcome, Share, Weighted
from bridge.model import Health, SourceName
from support.reports import report, reports, shares

VMS, ECS = SourceName("vms"), SourceName("ecs")
ALL = tuple(Health)


def weighted(vms: int, ecs: int, healths: dict[str, str]) -> Outcome:
    return Weighted(((VMS, vms), (ECS, ecs)))(reports(healths))


@pytest.mark.parametrize("counts", [(3, 17), (17, 3), (1, 1), (1, 200), (120, 7)])
@pytest.mark.parametrize("weights", [(90, 10), (1, 99), (50, 50), (1, 999)])
def test_shares_hold_whatever_the_counts(counts: tuple[int, int], weights: tuple[int, int]) -> None:
    outcome = weighted(*weights, {"vms": "h" * counts[0], "ecs": "?" * counts[1]})

    assert shares(outcome)["vms"] == pytest.approx(weights[0] / sum(weights), rel=0.001)


def test_endpoints_of_a_source_keep_the_proportions_of_their_own_weights() -> None:
    light, heavy = report("vms", "10.0.0.1", weight=1), report("vms", "10.0.0.2", weight=128)

    first, second = Weighted(((VMS, 1),))([light, heavy]).endpoints

    assert first.weight
    assert second.weight == pytest.approx(128 * first.weight, rel=0.001)


def test_endpoints_that_are_not_healthy_have_no_part_in_the_share_of_their_source() -> None:
    outcome = weighted(50, 50, {"vms": "huuu", "ecs": "hhhh"})

    assert shares(outcome) == {"vms": pytest.approx(0.5), "ecs": pytest.approx(0.5)}


def test_in_a_panic_the_shares_hold_too_and_the_unhealthy_get_next_to_nothing() -> None:
    outcome = weighted(50, 50, {"vms": "huuuuuuuux", "ecs": "hdd"})

    assert shares(outcome, ALL) == {"vms": pytest.approx(0.5, rel=0.01), "ecs": pytest.approx(0.5, rel=0.01)}


def test_a_source_without_a_healthy_endpoint_gives_its_share_to_the_others_and_that_is_told() -> None:
    outcome = weighted(90, 10, {"vms": "uu", "ecs": "hhh"})

    assert shares(outcome) == {"ecs": 1.0}
    assert shares(outcome, ALL)["ecs"] > 0.999
    assert outcome.ruling.shares == (Share(VMS, 90, counts=False), Share(ECS, 10, counts=True))
    assert outcome.ruling.diverted


def test_a_source_that_does_not_report_the_service_gives_its_share_to_the_others_as_well() -> None:
    outcome = weighted(90, 10, {"ecs": "hhh"})

    assert [share.counts for share in outcome.ruling.shares] == [False, True]
    assert outcome.ruling.diverted


def test_given_shares_keep_their_proportions() -> None:
    policy = Weighted(((VMS, 60), (ECS, 30), (SourceName("dc1"), 10)))

    outcome = policy(reports({"vms": "u", "ecs": "h", "dc1": "hhh"}))

    assert shares(outcome) == {"ecs": pytest.approx(0.75), "dc1": pytest.approx(0.25)}


@pytest.mark.parametrize("letter", ["d", "u"])
def test_while_nobody_is_healthy_the_shares_hold_among_those_that_are_there(letter: str) -> None:
    outcome = weighted(90, 10, {"vms": letter, "ecs": letter * 9})

    assert shares(outcome, ALL)["vms"] == pytest.approx(0.9, rel=0.001)
    assert not outcome.ruling.diverted
    assert outcome.ruling.heard == ()


def test_degraded_endpoints_share_what_envoy_sends_to_them() -> None:
    outcome = weighted(90, 10, {"vms": "hd", "ecs": "hddddd"})

    assert shares(outcome, [Health.DEGRADED])["vms"] == pytest.approx(0.9, rel=0.001)
    assert shares(outcome)["vms"] == pytest.approx(0.9, rel=0.001)


def test_a_weight_of_0_drains_the_source_and_is_never_sent_as_0() -> None:
    outcome = weighted(0, 100, {"vms": "h?du", "ecs": "h"})

    vms = [each for each in outcome.endpoints if each.origins[0].source == "vms"]
    assert {each.endpoint.health for each in vms} == {Health.DRAINING}
    assert all(each.weight for each in outcome.endpoints)
    assert shares(outcome) == {"ecs": 1.0}
    assert not outcome.ruling.diverted


def test_a_weight_of_0_takes_no_share_that_others_give_away() -> None:
    outcome = weighted(0, 100, {"vms": "h", "ecs": "u"})

    assert [each.endpoint.health for each in outcome.endpoints] == [Health.DRAINING, Health.UNHEALTHY]


def test_a_source_that_has_no_weight_is_drained_and_shown() -> None:
    outcome = weighted(90, 10, {"dc1": "hh", "vms": "h", "ecs": "h"})

    assert shares(outcome) == {"vms": pytest.approx(0.9), "ecs": pytest.approx(0.1)}
    assert outcome.ruling.shares[-1] == Share(SourceName("dc1"), 0, counts=False)
    assert not outcome.ruling.diverted


def test_an_address_of_two_sources_is_not_drained_while_one_of_them_has_a_share() -> None:
    both = [report("vms", "10.0.0.1"), report("ecs", "10.0.0.1", Health.UNKNOWN)]

    (moved,) = Weighted(((VMS, 0), (ECS, 100)))(both).endpoints
    (shared,) = Weighted(((VMS, 1), (ECS, 99)))(both).endpoints

    assert (moved.endpoint.health, moved.origins[0].source) == (Health.UNKNOWN, "ecs")
    assert (shared.endpoint.health, shared.origins[0].source) == (Health.HEALTHY, "vms")


def test_another_endpoint_of_one_source_changes_no_weight_of_another() -> None:
    before = weighted(90, 10, {"vms": "hh", "ecs": "h"})
    after = weighted(90, 10, {"vms": "hh", "ecs": "hhh"})

    assert before.endpoints[:2] == after.endpoints[:2]
