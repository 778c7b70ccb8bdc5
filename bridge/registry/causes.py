"""When each source said first what the next publication tells: how long a change takes is measured from there."""

from bridge.model import ServiceName, SourceName


class Causes:
    """Notes reports service by service, and gathers those of the services that were merged and are now different."""

    def __init__(self) -> None:
        self._reported: dict[ServiceName, dict[SourceName, float]] = {}
        self._merged: dict[SourceName, float] = {}

    def note(self, service: ServiceName, source: SourceName, now: float) -> None:
        """A source has said something else of a service, at `now` monotonic seconds."""
        self._reported.setdefault(service, {}).setdefault(source, now)

    def merged(self, service: ServiceName, *, different: bool) -> None:
        """A service was merged; what was said of it either made a difference or never will."""
        for source, when in self._reported.pop(service, {}).items():
            if different:
                self._merged[source] = min(when, self._merged.get(source, when))

    def take(self) -> dict[SourceName, float]:
        """The first moment for each source of all that made a difference since the last call."""
        taken, self._merged = self._merged, {}
        return taken
