"""The guard: when endpoints that a source no longer reports are not believed to be gone.

Pure: it counts and judges, for one source at a time. What is held, and where, is the registry's to keep.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

WINDOW = 600.0
"""Seconds in which losses add up: a catalog that dies in small steps is still seen to die."""


class Reason(StrEnum):
    """Why endpoints are held."""

    LOSS = "loss"
    """Too large a part of the source at once; released when the source still says so after a while."""
    EMPTIED = "emptied"
    """All that it had; never released by time."""
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
        self._falling: deque[_Level] = deque()

    def observe(self, value: int, now: float) -> None:
        """Take note of the value from now on."""
        if self._falling:
            self._falling[-1].left_at = now
        while self._falling and self._falling[-1].value <= value:
            self._falling.pop()
        self._falling.append(_Level(value))

    def highest(self, now: float) -> int:
        """The highest value that was in force at any time of the window."""
        while len(self._falling) > 1 and self._falling[0].left_at < now - WINDOW:
            self._falling.popleft()
        return self._falling[0].value if self._falling else 0

    def lower(self, by: int) -> None:
        """Take so much from every value: what went in good order is no loss, neither then nor now."""
        for level in self._falling:
            level.value = max(0, level.value - by)

    def restart(self, value: int) -> None:
        """Forget what was before."""
        self._falling.clear()
        self._falling.append(_Level(value))


@dataclass(slots=True)
class _Level:
    value: int
    left_at: float = float("inf")


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

    def excuse(self, endpoints: int) -> None:
        """Do not count so many: the source named each of them as ended, or their loss was believed."""
        self._endpoints.lower(endpoints)

    def restart(self, endpoints: int, services: int) -> None:
        """Judge by what there is now and not by what there was: somebody has decided."""
        self._endpoints.restart(endpoints)
        self._services.restart(services)

    def verdict(self, reported: int, now: float) -> Reason | None:
        """Whether what is missing is to be held, and why; None when it may go.

        Args:
            reported: endpoints that the source reports, or that are kept for another reason.
            now: monotonic seconds.
        """
        highest = self._endpoints.highest(now)
        guarded = highest >= self._rules.min_endpoints
        emptied = not reported and not self._allow_empty and self._rules.keep_last
        if emptied and (guarded or not self._seen or self._services.highest(now) > 1):
            return Reason.EMPTIED
        if guarded and reported < (1 - self._rules.max_loss) * highest:
            return Reason.LOSS
        return None
