"""The audit trail: every endpoint that came, changed, went, was held or set aside, with who said so and why.

Beside these, orders of operators, outages of sources and rejections. Values and a bounded memory of the latest;
`bridge/audit_file.py` keeps them on disk.
"""

import secrets
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

REMEMBERED = 10_000
"""Events that are kept in memory; some 4 MiB."""


class Action(StrEnum):
    """What happened, mostly to an endpoint; docs/configuration.md has them all."""

    ADDED = "added"
    CHANGED = "changed"
    HELD = "held"
    REMOVED = "removed"
    RESTORED = "restored"
    SET_ASIDE = "set_aside"
    OPERATED = "operated"
    """Somebody gave an order; `why` says who."""
    FAILED = "failed"
    """A source cannot be read, and keeps what it had."""
    RECOVERED = "recovered"
    REJECTED = "rejected"
    """An Envoy refuses what it was sent; `why` says which one."""


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


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a trail remembers at one moment; nothing in it changes, so it may be searched in a thread."""

    trail: str
    """Which trail it is: the numbers begin anew with every process."""
    first: int
    """The number of the first of the events."""
    events: tuple[Event, ...]

    @property
    def last(self) -> int:
        """The number of the last event there was; 0 before the first."""
        return self.first + len(self.events) - 1

    def numbered(self, number: int) -> Numbered:
        """The event of a number that is remembered."""
        return Numbered(number, self.events[number - self.first])

    def after(self, number: int, matches: Callable[[Event], bool], limit: int) -> list[Numbered]:
        """The first of those that came after the one of this number and match."""
        return list(islice((each for each in self._numbered(number + 1) if matches(each.event)), limit))

    def latest(self, matches: Callable[[Event], bool], limit: int) -> list[Numbered]:
        """The last of those that match, oldest first."""
        found = (each for each in self._numbered(self.first, backwards=True) if matches(each.event))
        return list(islice(found, limit))[::-1]

    def _numbered(self, start: int, *, backwards: bool = False) -> Iterator[Numbered]:
        """From a number on, or from the last one back to it."""
        places = range(max(0, start - self.first), len(self.events))
        return (
            Numbered(self.first + place, self.events[place]) for place in (reversed(places) if backwards else places)
        )


class Trail:
    """The latest events, and whoever follows them."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._name = secrets.token_hex(8)
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

    @property
    def last(self) -> int:
        """The number of the last event there was; 0 before the first."""
        return self._recorded

    def remembered(self) -> Remembered:
        """The latest events. On the event loop only."""
        return Remembered(self._name, self._recorded - len(self._events) + 1, tuple(self._events))
