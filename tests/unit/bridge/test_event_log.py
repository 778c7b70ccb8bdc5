import logging

import pytest

from bridge.audit import Action, Event, Numbered
from bridge.event_log import LINES, PERIOD, EventLog


def event(action: Action, why: str = "because") -> Numbered:
    return Numbered(1, Event(1.0, action, why, "dc1", "dc1/web", "web", "10.0.0.1:80"))


def test_every_event_is_in_the_log_for_those_who_look_closely(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        EventLog().tell(event(Action.ADDED))

    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.DEBUG, "endpoint.added")
    assert [getattr(record, field) for field in ("source", "scope", "service", "endpoint", "why")] == [
        *("dc1", "dc1/web", "web", "10.0.0.1:80", "because"),
    ]


def test_orders_are_logged_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        EventLog().tell(event(Action.OPERATED))

    assert caplog.records == []


def test_what_is_set_aside_is_told_to_everybody_so_many_times_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    told = EventLog(lambda: now)
    with caplog.at_level(logging.INFO):
        for _ in range(LINES + 5):
            told.tell(event(Action.SET_ASIDE))
        before = len(caplog.records)
        now = PERIOD
        told.tell(event(Action.SET_ASIDE))

    assert before == LINES
    assert [record.message for record in caplog.records[before:]] == ["endpoint.set_aside"]
