"""The audit trail: every endpoint that came, changed, went, was held or set aside, with who said so and why.

Values and a bounded memory of the latest; `bridge/audit_file.py` keeps them on disk.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

REMEMBERED = 10_000
"""Events that are kept in memory; some 4 MiB."""


class Action(StrEnum):
    """What happened to an endpoint."""

    ADDED = "added"
    CHANGED = "changed"
    HELD = "held"
    REMOVED = "removed"
    RESTORED = "restored"
    SET_ASIDE = "set_aside"
    OPERATED = "operated"
    """Somebody gave an order; `why` says who."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    at: float
    """Unix time."""
    action: Action
    why: str
    """Which read or which rule, in words for a person."""
    source: str = ""
    scope: str = ""
    service: str = ""
    endpoint: str = ""
    """Address and port; as the source gave them when the endpoint is set aside."""
    instance: str = ""


@dataclass(frozen=True, slots=True)
class Numbered:
    """An event with its place in the trail of this process."""

    number: int
    event: Event


class Trail:
    """The latest events, and whoever follows them."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._events: deque[Event] = deque(maxlen=remembered)
        self._recorded = 0
        self._followers: list[Callable[[Numbered], None]] = []

    def record(self, event: Event) -> None:
        """Take note of an event; cheap, and cannot fail."""
        self._recorded += 1
        self._events.append(event)
        for follower in self._followers:
            follower(Numbered(self._recorded, event))

    def follow(self, follower: Callable[[Numbered], None]) -> Callable[[], None]:
        """Have every later event told, on the event loop; returns what ends that."""
        self._followers.append(follower)
        return lambda: self._followers.remove(follower)

    def after(self, number: int, matches: Callable[[Event], bool], limit: int) -> list[Numbered]:
        """The latest events of those that came after the one of this number and match, oldest first."""
        first = self._recorded - len(self._events) + 1
        found = [
            Numbered(first + place, event)
            for place, event in enumerate(self._events)
            if first + place > number and matches(event)
        ]
        return list(islice(found, max(0, len(found) - limit), None))
