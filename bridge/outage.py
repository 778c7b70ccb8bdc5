"""What fails of one source, and when that deserves an operator's attention: pure bookkeeping, without clock or log."""

from dataclasses import dataclass

REMINDER = 600.0
"""Seconds after which an outage that goes on is reported again."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A read that fails now."""

    reading: str
    """What is read: the `supervise` name, empty for the adapter's own `run`."""
    error: str
    since: float
    """Unix time of the first failure in a row."""
    attempts: int
    """Failures in a row."""
    missing: tuple[str, ...] = ()
    """The permissions that it lacks."""


class Outage:
    """The time in which something of a source fails: from the first failing read until nothing fails any more.

    When a registry goes away, a thousand watches fail with it. One of them speaks for all: only the first failure of
    an outage is reported, then a change of that one's error, and a reminder from time to time.
    """

    def __init__(self) -> None:
        self._failures: dict[str, Failure] = {}
        self._open = False
        self._speaker = ""
        self._reported_at = 0.0

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What fails now, sorted by reading."""
        return tuple(self._failures[reading] for reading in sorted(self._failures))

    def failure(self, reading: str) -> Failure | None:
        """How a read fails now; None when it does not."""
        return self._failures.get(reading)

    def failed(self, failure: Failure, now: float, *, unheard: bool = False) -> bool:
        """Note that a read failed, and tell whether that should be reported.

        Args:
            failure: its `attempts` and `since` are for the caller to fill in.
            now: monotonic time in seconds.
            unheard: this failure is news whatever else fails, such as a bug seen for the first time.
        """
        news = unheard or not self._open or self._speaker not in self._failures
        known = self._failures.get(failure.reading)
        self._failures[failure.reading] = failure
        changed = failure.reading == self._speaker and known is not None and known.error != failure.error
        if not (news or changed or now - self._reported_at >= REMINDER):
            return False
        self._open, self._speaker, self._reported_at = True, failure.reading, now
        return True

    def succeeded(self, reading: str) -> bool:
        """Note that a read succeeded, and tell whether that ended the outage."""
        self._failures.pop(reading, None)
        ended = self._open and not self._failures
        if ended:
            self._open = False
        return ended

    def forget(self, reading: str) -> None:
        """Nobody reads this any more. That proves nothing: the outage ends with the next read that succeeds."""
        self._failures.pop(reading, None)
