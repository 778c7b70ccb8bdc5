"""What it costs to keep reading by polling, as an adapter tells of it: calls of a pass, how often, and out of what."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Bucket:
    """What a source's side lets be called, by everybody together: so many at once, and so many come back."""

    name: str
    refill: float
    """Calls per second."""
    burst: int


@dataclass(frozen=True, slots=True, order=True)
class Calls:
    """How often one operation was called in a pass."""

    operation: str
    count: int
    bucket: Bucket | None = None
    """What the calls are taken out of; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Poll:
    """What one pass cost, and when the next one comes."""

    place: str
    """What the calls are counted by, such as an account in a region; several readings may share it."""
    calls: tuple[Calls, ...]
    """Those of the last pass, sorted; not those that are made once, such as for what is new."""
    configured: float
    """Seconds between two passes as the operator wants it."""
    interval: float
    """Seconds between two passes now: longer while the budget or the source's side asks for it."""
    budget: float
    """Calls per second that all sources of the process together may make in the place."""
    took: float | None = None
    """Seconds that the pass took that has just ended; None when only the interval has changed since."""

    @property
    def count(self) -> int:
        """All calls of the pass."""
        return sum(each.count for each in self.calls)
