from bridge.model import SourceName
from bridge.reload import Departures

OLD, NEW, OTHER = SourceName("old"), SourceName("new"), SourceName("other")


def departures(*empty: SourceName) -> Departures:
    return Departures(lambda source: source not in empty)


def test_a_source_goes_when_everybody_awaited_has_spoken() -> None:
    gate = departures()
    gate.leave(OLD, [NEW, OTHER], deadline=30.0)

    gate.succeeded(NEW, "")
    assert gate.due([NEW, OTHER], 0.0) == []

    gate.succeeded(OTHER, "")
    assert gate.due([NEW, OTHER], 0.0) == [OLD]


def test_a_source_that_nobody_replaces_goes_at_once() -> None:
    gate = departures()

    gate.leave(OLD, [], deadline=30.0)

    assert gate.due([OTHER], 0.0) == [OLD]


def test_a_part_of_a_pass_and_a_pass_that_found_nothing_do_not_count() -> None:
    gate = departures(OTHER)
    gate.leave(OLD, [NEW, OTHER], deadline=30.0)

    gate.succeeded(NEW, "web")
    gate.succeeded(OTHER, "")

    assert gate.due([NEW], 29.0) == []
    assert gate.due([NEW], 30.0) == [OLD]


def test_a_successor_is_waited_for_without_end() -> None:
    gate = departures()
    gate.leave(OLD, [NEW], deadline=None)

    assert gate.due([NEW], 1e9) == []
    assert gate.agreed_to_leave([NEW]) == {OLD}
    assert gate.agreed_to_leave([OTHER]) == set()
    assert gate.due([OTHER], 0.0) == [OLD]


def test_who_is_waited_with_without_end_can_be_given_a_deadline() -> None:
    gate = departures()
    gate.leave(OLD, [NEW], deadline=None)
    gate.leave(OTHER, [NEW], deadline=30.0)

    assert gate.hasten(60.0) == [OLD]
    assert gate.hasten(90.0) == []

    assert gate.due([NEW], 59.0) == [OTHER]
    assert gate.due([NEW], 60.0) == [OLD, OTHER]


def test_what_was_said_before_a_source_was_started_anew_does_not_count() -> None:
    gate = departures()
    gate.succeeded(NEW, "")

    gate.started(NEW)
    gate.leave(OLD, [NEW], deadline=30.0)

    assert gate.due([NEW], 0.0) == []


def test_who_stays_after_all_or_has_gone_is_no_longer_on_the_way_out() -> None:
    gate = departures()
    gate.leave(OLD, [], deadline=30.0)
    gate.leave(OTHER, [], deadline=30.0)
    assert gate.leaving == {OLD, OTHER}

    gate.stay(OLD)
    gate.ended(OTHER)

    assert gate.leaving == set()
    assert gate.due([], 99.0) == []
