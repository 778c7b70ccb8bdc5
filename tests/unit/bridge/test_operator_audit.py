import logging

import pytest

from bridge import audit
from bridge.audit import Event
from bridge.operator import Action, AuditLog
from support.operated import ANNA


@pytest.mark.parametrize(
    ("action", "subject", "source", "service"),
    [(Action.PAUSE, "dc1", "dc1", ""), (Action.DRAIN, "web", "", "web"), (Action.RELEASE, "dc1", "dc1", "")],
)
def test_a_change_is_logged_and_remembered_with_who_asked(
    caplog: pytest.LogCaptureFixture, action: Action, subject: str, source: str, service: str
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
    assert (event.action, event.source, event.service) == (audit.Action.OPERATED, source, service)
    assert event.why == f"{action} {subject}, asked for by anna (pid 42, /run/admin.sock)"
