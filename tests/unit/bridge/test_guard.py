import pytest

from bridge.guard import UNGUARDED, WINDOW, GuardRules, Peak, Reason, SourceGuard

RULES = GuardRules(max_loss=0.5, min_endpoints=10, release_after=600)


def guard(endpoints: int, services: int = 5, rules: GuardRules = RULES, *, allow_empty: bool = False) -> SourceGuard:
    found = SourceGuard(rules, allow_empty=allow_empty)
    found.observe(endpoints, services, now=0, reported=True)
    return found


def test_a_peak_lasts_for_the_window_after_it_was_left() -> None:
    peak = Peak()
    peak.observe(100, now=0)
    peak.observe(60, now=1000)

    assert peak.highest(1000 + WINDOW) == 100
    assert peak.highest(1001 + WINDOW) == 60


def test_a_peak_that_is_still_in_force_never_ends() -> None:
    peak = Peak()
    peak.observe(100, now=0)

    assert peak.highest(10 * WINDOW) == 100


def test_a_peak_forgets_lower_values_that_came_before_a_higher_one() -> None:
    peak = Peak()
    for now, value in enumerate((3, 9, 5, 7)):
        peak.observe(value, now)

    assert peak.highest(4) == 9
    assert peak.highest(3 + WINDOW) == 7


def test_what_is_taken_from_a_peak_is_taken_from_all_of_the_window() -> None:
    peak = Peak()
    peak.observe(100, now=0)
    peak.observe(60, now=1)
    peak.lower([-1.0] * 20)

    assert peak.highest(2) == 80


@pytest.mark.parametrize(
    ("had", "has", "verdict"),
    [
        (100, 50, None),
        (100, 49, Reason.LOSS),
        (100, 100, None),
        (10, 4, Reason.LOSS),
        (9, 1, None),
        (100, 0, Reason.EMPTIED),
        (9, 0, Reason.EMPTIED),
    ],
)
def test_more_than_the_share_is_a_loss_and_nothing_left_is_worse(had: int, has: int, verdict: Reason | None) -> None:
    assert guard(had).verdict(has, now=1, empty=not has) is verdict


@pytest.mark.parametrize(("had", "verdict"), [(3, None), (10, Reason.EMPTIED)])
def test_a_small_source_of_one_service_may_become_empty(had: int, verdict: Reason | None) -> None:
    assert guard(had, services=1).verdict(0, now=1, empty=True) is verdict


def test_a_source_that_has_shown_nothing_yet_may_not_empty_what_is_restored() -> None:
    found = SourceGuard(RULES, allow_empty=False)
    found.observe(2, 1, now=0, reported=False)

    assert found.verdict(0, now=1, empty=True) is Reason.EMPTIED


@pytest.mark.parametrize(("had", "verdict"), [(3, None), (10, Reason.LOSS)])
def test_where_finding_nothing_is_to_be_believed_it_is_a_loss_like_others(had: int, verdict: Reason | None) -> None:
    assert guard(had, allow_empty=True).verdict(0, now=1, empty=True) is verdict


def test_losses_add_up_within_the_window() -> None:
    found = guard(100)
    for step in range(50):
        assert found.verdict(99 - step, now=step, empty=not 99 - step) is None
        found.observe(99 - step, 5, now=step, reported=True)

    assert found.verdict(49, now=51, empty=False) is Reason.LOSS


def test_losses_beyond_the_window_are_forgotten() -> None:
    found = guard(100)
    found.observe(60, 5, now=1, reported=True)

    assert found.verdict(30, now=2 + WINDOW, empty=False) is None


def test_what_has_ended_is_no_loss() -> None:
    found = guard(100)
    found.excuse([-1.0] * 60)

    assert found.verdict(40, now=1, empty=False) is None
    assert found.verdict(19, now=1, empty=False) is Reason.LOSS


def test_after_a_decision_losses_count_anew() -> None:
    found = guard(100)
    found.restart(40, 2)

    assert found.verdict(20, now=1, empty=False) is None
    assert found.verdict(19, now=1, empty=False) is Reason.LOSS


def test_unguarded_believes_everything() -> None:
    assert guard(100, rules=UNGUARDED).verdict(0, now=1, empty=True) is None


def test_what_ends_is_taken_from_those_values_alone_that_counted_it() -> None:
    peak = Peak()
    peak.observe(100, now=0)
    peak.observe(109, now=10)  # ten more, and one less
    peak.lower([10.0] * 10)

    assert peak.highest(11) == 100


def test_a_busy_source_costs_a_value_a_second() -> None:
    peak = Peak()
    for step in range(10_000):
        peak.observe(100 + step % 7, now=step / 100)

    assert len(peak._left) <= 101
    assert peak.highest(100) == 106
