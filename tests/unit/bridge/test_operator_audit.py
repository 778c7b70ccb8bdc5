import logging

import pytest

from bridge import audit
from bridge.audit import Event
from bridge.model import EndpointKey
from bridge.operator import Action, AuditLog, Drain
from support.operated import ANNA


@pytest.mark.parametrize(
    ("action", "subject", "about"),
    [
        (Action.PAUSE, "dc1", {"source": "dc1"}),
        (Action.DRAIN, "web", {"service": "web"}),
        (Action.DRAIN, "[fd00::1]:80", {"endpoint": "[fd00::1]:80"}),
        (Action.RELEASE, "dc1", {"source": "dc1"}),
    ],
)
def test_a_change_is_logged_and_remembered_with_who_asked(
    caplog: pytest.LogCaptureFixture, action: Action, subject: str, about: dict[str, str]
) -> None:
    remembered: list[Event] = []

    with caplog.at_level(logging.INFO):
        AuditLog(remembered.append).record(action, subject, ANNA, {"for": 60.0})

    (record,), (event,) = caplog.records, remembered
    fields = ("action", "subject", "by", "uid", "gid", "pid", "door", "detail")
    assert record.getMessage() == "operator.acted"
    assert [getattr(record, name) for name in fields] == [
        *(action, subject, "anna", 1000, 100, 42, "/run/admin.sock", {"for": 60.0}),
    ]
    why = f"{action} {subject} for 60.0 s, asked for by anna (pid 42, /run/admin.sock)"
    assert event == Event(event.at, audit.Action.OPERATED, why, **about)


def test_the_end_of_a_drain_is_remembered() -> None:
    remembered: list[Event] = []

    AuditLog(remembered.append).expired(Drain(EndpointKey("10.0.0.1", 80), 5.0, "anna"))

    (event,) = remembered
    why = "the drain that anna asked for is over"
    assert event == Event(event.at, audit.Action.OPERATED, why, endpoint="10.0.0.1:80")
