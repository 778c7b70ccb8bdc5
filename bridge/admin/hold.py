"""What the guard holds, as answers and pages show it: also when it goes."""

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.admin.view import View
from bridge.guard import Reason
from bridge.model import SourceName
from bridge.registry import Hold
from bridge.wording import utc

_GOES = {
    Reason.DOUBT: "when the source no longer doubts what it sees",
    Reason.EMPTIED: "when somebody releases them",
    Reason.LOSS: "when the source has told of everything it has",
}
"""When what is held for a reason goes, where time alone does not let it go."""


@dataclass(frozen=True, slots=True)
class HoldDocument:
    """Endpoints that a source no longer reports and that are served all the same, for one reason."""

    source: str
    reason: str
    detail: str
    """What the source said, when it is its own doubt."""
    since: float
    """Unix time at which the first of them went missing."""
    endpoints: int
    services: tuple[str, ...]
    """Sorted."""
    until: float | None
    """Unix time from which on they go by themselves, unless a read fails then; None where time alone lets nothing go,
    and while the source is paused."""
    goes: str
    """The same in words, that go on after `They go`."""


def documents(view: View, source: SourceName) -> Iterator[HoldDocument]:
    """What is held of a source."""
    paused = view.operation.paused(source) is not None
    for hold in view.knowledge.holds(source):
        until = None if paused else hold.until
        yield HoldDocument(
            source=hold.source,
            reason=hold.reason.value,
            detail=hold.detail,
            since=hold.since,
            endpoints=hold.endpoints,
            services=tuple(hold.services),
            until=until,
            goes=_goes(hold, until, paused=paused),
        )


def _goes(hold: Hold, until: float | None, *, paused: bool) -> str:
    if until is not None:
        return f"by themselves from {utc(until)} on"
    if hold.reason is Reason.LOSS and paused:
        return "when the source is resumed, at the earliest"
    return _GOES[hold.reason]
