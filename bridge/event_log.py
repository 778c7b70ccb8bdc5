"""The audit trail in the log: each event at DEBUG, and what is set aside at INFO, so many in a while.

What endpoints come and go is told service by service anyway (`bridge/change_log.py`), and what is held by the guard.
"""

import logging
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from bridge.audit import Action, Numbered

log = logging.getLogger(__name__)

LINES = 20
"""Entries that are set aside and get a line for everybody, in each period."""

PERIOD = 60.0
"""Seconds."""

_EVENTS: Mapping[Action, str] = MappingProxyType(
    {
        Action.ADDED: "endpoint.added",
        Action.CHANGED: "endpoint.changed",
        Action.HELD: "endpoint.held",
        Action.REMOVED: "endpoint.removed",
        Action.RESTORED: "source.restored",
        Action.SET_ASIDE: "endpoint.set_aside",
    }
)
"""All others are in the log already, with more about who gave an order, which read failed, and what was rejected."""


class EventLog:
    """Logs events; made to follow a `Trail`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Say nothing yet.

        Args:
            clock: monotonic seconds.
        """
        self._clock = clock
        self._began = clock()
        self._lines = 0

    def tell(self, numbered: Numbered) -> None:
        """Log one event."""
        event = numbered.event
        name = _EVENTS.get(event.action)
        level = logging.INFO if event.action is Action.SET_ASIDE and self._within() else logging.DEBUG
        if name is None or not log.isEnabledFor(level):
            return
        about = ("source", "scope", "service", "endpoint", "instance", "why")
        log.log(level, name, extra={field: value for field in about if (value := getattr(event, field))})

    def _within(self) -> bool:
        """Whether there is a line left in this period; it is used up."""
        now = self._clock()
        if now - self._began >= PERIOD:
            self._began, self._lines = now, 0
        self._lines += 1
        return self._lines <= LINES
