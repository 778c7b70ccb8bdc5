"""Who changed what: the one place that every accepted change is told to."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bridge import audit
from bridge.audit import Event
from bridge.operator.drain import Drain, parse_key

log = logging.getLogger(__name__)


class Action(StrEnum):
    """What an operator can do to a running bridge."""

    PAUSE = "pause"
    RESUME = "resume"
    DRAIN = "drain"
    UNDRAIN = "undrain"
    RELEASE = "release"


_OF_SOURCES = frozenset({Action.PAUSE, Action.RESUME, Action.RELEASE})


@dataclass(frozen=True, slots=True)
class Who:
    """The process that asked for a change, as the operating system vouches for it (`SO_PEERCRED` in unix(7))."""

    user: str
    """The name of the user; `uid 1000` when there is no name."""
    uid: int
    gid: int
    pid: int
    door: str
    """Where it came in: the path of the socket."""

    def __str__(self) -> str:
        return f"{self.user} (pid {self.pid}, {self.door})"


class Audit(Protocol):
    """Is told of every change that was accepted, after it was made."""

    def record(self, action: Action, subject: str, who: Who, detail: Mapping[str, object]) -> None:
        """Take note of a change.

        Args:
            action: what was done.
            subject: to what: a source, a service, or an address and port.
            who: asked for it.
            detail: what else there is to know, such as for how long.
        """

    def expired(self, drain: Drain) -> None:
        """Take note that a drain is over."""


class AuditLog:
    """Writes every change to the log, and has it in the trail among what it led to.

    Args:
        remember: takes it into the trail.
    """

    def __init__(self, remember: Callable[[Event], None]) -> None:
        self._remember = remember

    def record(self, action: Action, subject: str, who: Who, detail: Mapping[str, object]) -> None:
        """Log a change, with who asked for it."""
        asked = {"by": who.user, "uid": who.uid, "gid": who.gid, "pid": who.pid, "door": who.door}
        log.info("operator.acted", extra={"action": action, "subject": subject, **asked, "detail": dict(detail)})
        length = f" for {detail['for']} s" if "for" in detail else ""
        why = f"{action} {subject}{length}, asked for by {who}"
        if action in _OF_SOURCES:
            self._remember(Event(time.time(), audit.Action.OPERATED, why, source=subject))
        else:
            self._remember(_about(subject, why))

    def expired(self, drain: Drain) -> None:
        """Have the end of a drain in the trail; the log has it already."""
        self._remember(_about(str(drain.target), f"the drain that {drain.by} asked for is over"))


def _about(target: str, why: str) -> Event:
    """An event that is about a service, or about an endpoint of whatever services have it."""
    if parse_key(target):
        return Event(time.time(), audit.Action.OPERATED, why, endpoint=target)
    return Event(time.time(), audit.Action.OPERATED, why, service=target)
