"""The guard: when endpoints that a source no longer reports are not believed to be gone.

Pure: it counts and judges, for one source at a time. What is held, and where, is the registry's to keep.
"""

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

WINDOW = 600.0
"""Seconds in which losses add up: a catalog that dies in small steps is still seen to die."""


_STEP = 1.0
"""Seconds whose values count as one, the highest: so a busy source costs some hundreds of values, and no more."""


class Reason(StrEnum):
    """Why endpoints are held."""

    LOSS = "loss"
    """Too large a part of the source at once; released when the source still says so after a while."""
    EMPTIED = "emptied"
    """It went when the source had nothing any more; never released by time."""
    DOUBT = "doubt"
    """The source itself says that absences mean nothing now; released when it no longer does."""


@dataclass(frozen=True, slots=True)
class GuardRules:
    """How much a source may lose."""

    max_loss: float = 0.5
    """Share of a source's endpoints that may go within the window without being held."""
    min_endpoints: int = 10
    """Sources that never had so many may lose any share."""
    release_after: float = 600.0
    """Seconds after which a loss is believed, if every read in between agreed."""
    keep_last: bool = True
    """Whether a source may not become empty that had several services, or that has shown nothing since the start."""


UNGUARDED = GuardRules(max_loss=1.0, keep_last=False)
"""Believes every loss: for those who only look."""


class Peak:
    """The highest value of the last `WINDOW` seconds; one that was left counts for as long as it was in force."""

    def __init__(self) -> None:
        self._value = 0
        self._left: deque[_Level] = deque()
        """What was left within the window, oldest first, in steps of a second."""

    def observe(self, value: int, now: float) -> None:
        """Take note of the value from now on."""
        if value == self._value:
            return
        if self._left and now - self._left[-1].began < _STEP:
            self._left[-1].value = max(self._left[-1].value, self._value)
            self._left[-1].left_at = now
        else:
            self._left.append(_Level(self._value, began=now, left_at=now))
        self._value = value

    def highest(self, now: float) -> int:
        """The highest value that was in force at any time of the window."""
        while self._left and self._left[0].left_at < now - WINDOW:
            self._left.popleft()
        return max(self._value, max((level.value for level in self._left), default=0))

    def lower(self, since: Iterable[float]) -> None:
        """Take what went in good order from every value that counted it: it is no loss, neither then nor now.

        Args:
            since: when each was first there.
        """
        times = sorted(since)
        self._value = max(0, self._value - len(times))
        for level in self._left:
            level.value = max(0, level.value - bisect_left(times, level.left_at))

    def restart(self, value: int) -> None:
        """Forget what was before."""
        self._left.clear()
        self._value = value


@dataclass(slots=True)
class _Level:
    value: int
    began: float
    """When the first value of this step was left."""
    left_at: float


class SourceGuard:
    """Judges what one source lost."""

    def __init__(self, rules: GuardRules, *, allow_empty: bool) -> None:
        """Know of no endpoint yet.

        Args:
            rules: how much may go.
            allow_empty: the operator said that finding nothing is to be believed; a loss of all is one like others.
        """
        self._rules = rules
        self._allow_empty = allow_empty
        self._endpoints = Peak()
        self._services = Peak()
        self._seen = False

    def observe(self, endpoints: int, services: int, now: float, *, reported: bool) -> None:
        """Take note of how many are served now, those that are held included, and whether it reports any itself."""
        self._seen |= reported
        self._endpoints.observe(endpoints, now)
        self._services.observe(services, now)

    def excuse(self, since: Iterable[float]) -> None:
        """Do not count endpoints: the source named each of them as ended, or their loss was believed.

        Args:
            since: monotonic seconds at which each of them was first there.
        """
        self._endpoints.lower(since)

    def excuse_service(self) -> None:
        """Do not count a service of which all has ended."""
        self._services.lower([-math.inf])

    def configure(self, rules: GuardRules, *, allow_empty: bool) -> None:
        """Judge by other rules from now on; what was seen so far still counts."""
        self._rules = rules
        self._allow_empty = allow_empty

    @property
    def believes_emptiness(self) -> bool:
        """Whether a loss of everything is one like others."""
        return self._allow_empty or not self._rules.keep_last

    def mistrust(self) -> None:
        """Take the next read for a first one, whose finding nothing is not believed: the source is read otherwise."""
        self._seen = False

    def restart(self, endpoints: int, services: int) -> None:
        """Judge by what there is now and not by what there was: somebody has decided."""
        self._endpoints.restart(endpoints)
        self._services.restart(services)

    def verdict(self, remaining: int, now: float, *, empty: bool, beside: int = 0) -> Reason | None:
        """Whether what is missing is to be held, and why; None when it may go.

        Args:
            remaining: endpoints that would be served without what is missing.
            now: monotonic seconds.
            empty: whether the source itself has nothing, so that these are all kept for another reason.
            beside: endpoints that it had and that are no measure of losses; they make it no small source.
        """
        highest = self._endpoints.highest(now)
        guarded = highest + beside >= self._rules.min_endpoints
        if empty and not self.believes_emptiness and (guarded or not self._seen or self._services.highest(now) > 1):
            return Reason.EMPTIED
        if guarded and remaining < (1 - self._rules.max_loss) * highest:
            return Reason.LOSS
        return None
