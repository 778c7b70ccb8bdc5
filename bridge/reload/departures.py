"""Sources that were taken out of the configuration: each is read on until what takes its place has been read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from bridge.model import SourceName
from bridge.observer import SourceObserver


@dataclass(frozen=True, slots=True)
class _Departure:
    awaited: frozenset[SourceName]
    deadline: float | None
    """Monotonic seconds after which nobody is waited for; None to wait without end."""


class Departures(SourceObserver):
    """Knows which sources are on their way out, and when they may go."""

    def __init__(self, found: Callable[[SourceName], bool]) -> None:
        """Let nobody go yet.

        Args:
            found: whether a source that was read has shown what it should: an endpoint, unless it may have none.
        """
        self._found = found
        self._leaving: dict[SourceName, _Departure] = {}
        self._spoken: set[SourceName] = set()

    @property
    def leaving(self) -> frozenset[SourceName]:
        """Who is on the way out."""
        return frozenset(self._leaving)

    def agreed_to_leave(self, present: Iterable[SourceName]) -> frozenset[SourceName]:
        """Who may go in any case, if these stay; without those whose successor is not among them."""
        stay = frozenset(present)
        return frozenset(
            name for name, each in self._leaving.items() if each.deadline is not None or each.awaited & stay
        )

    def started(self, source: SourceName) -> None:
        """Take note that a source has yet to speak."""
        self._spoken.discard(source)

    def succeeded(self, source: SourceName, reading: str) -> None:
        """Take note of who has finished a complete pass."""
        if not reading and self._found(source):
            self._spoken.add(source)

    def ended(self, source: SourceName) -> None:
        """Forget a source."""
        self._spoken.discard(source)
        self._leaving.pop(source, None)

    def leave(self, source: SourceName, awaited: Iterable[SourceName], deadline: float | None) -> None:
        """Have a source go when the others have spoken, or at the deadline."""
        self._leaving[source] = _Departure(frozenset(awaited), deadline)

    def hasten(self, deadline: float) -> list[SourceName]:
        """Have those go at the deadline that would be waited with without end; returns who they are."""
        endless = [name for name, each in self._leaving.items() if each.deadline is None]
        for name in endless:
            self._leaving[name] = replace(self._leaving[name], deadline=deadline)
        return endless

    def stay(self, source: SourceName) -> None:
        """Have a source not go after all."""
        self._leaving.pop(source, None)

    def due(self, present: Iterable[SourceName], now: float) -> list[SourceName]:
        """Who may go now.

        Args:
            present: the sources of the configuration; nobody waits for others.
            now: monotonic seconds.
        """
        silent = frozenset(present) - self._spoken
        return [
            name
            for name, each in self._leaving.items()
            if not each.awaited & silent or (each.deadline is not None and now >= each.deadline)
        ]
