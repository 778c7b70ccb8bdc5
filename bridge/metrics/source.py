"""What is counted of the sources when it happens; their series end with them."""

from prometheus_client import CollectorRegistry

from bridge.errors import Cause
from bridge.metrics.declaration import DURATIONS, counter, gauge, histogram
from bridge.metrics.quantile import quantile
from bridge.model import SourceName
from bridge.observer import SourceObserver
from bridge.poll import Poll

OK = "ok"


class SourceMetrics(SourceObserver):
    """What is counted of the sources."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._up = gauge(registry, "source_up", "1 when a source has been read and nothing of it fails now.", "source")
        self._reads = counter(registry, "source_reads", "Reads of a source by result.", "source", "result")
        self._crashes = counter(registry, "source_crashes", "Reads ended by a bug in an adapter.", "source")
        self._passes = histogram(
            registry,
            "source_poll_duration_seconds",
            "Duration of a pass over all of a place, of sources that poll.",
            DURATIONS,
            "source",
        )
        self._requests = counter(
            registry, "source_api_requests", "Calls of a source's API.", "source", "operation", "code"
        )
        self._durations = histogram(
            registry,
            "source_api_request_duration_seconds",
            "Duration of calls of a source's API; a blocking query waits on purpose.",
            DURATIONS,
            "source",
            "operation",
        )
        self._propagation = histogram(
            registry,
            "propagation_seconds",
            "From the read that brought a change to the last answer of the clients concerned, if one accepted it.",
            DURATIONS,
            "source",
        )
        self._running: set[SourceName] = set()
        self._failing: set[SourceName] = set()

    def propagation(self, share: float) -> float | None:
        """Seconds within which this share of all changes was settled; None before the first."""
        return quantile(share, self._propagation.collect())

    def started(self, source: SourceName) -> None:
        """Make its series exist, so that "never" can be told from "not asked"."""
        self._running.add(source)
        self._failing.discard(source)
        self._up.labels(source).set(0)
        self._crashes.labels(source)
        self._propagation.labels(source)
        for result in (OK, *Cause):
            self._reads.labels(source, result)

    def ended(self, source: SourceName) -> None:
        """Leave no series behind."""
        self._running.discard(source)
        self._failing.discard(source)
        parts = (
            self._up, self._reads, self._crashes, self._passes, self._requests, self._durations, self._propagation
        )  # fmt: skip
        for metric in parts:
            metric.remove_by_labels({"source": source})

    def succeeded(self, source: SourceName, reading: str) -> None:
        """Count a read; it also makes a source new to us count as up."""
        self._reads.labels(source, OK).inc()
        if source not in self._failing:
            self._up.labels(source).set(1)

    def failed(self, source: SourceName, reading: str, error: str, cause: Cause = Cause.ERROR) -> None:
        """Count a read that failed."""
        self._reads.labels(source, cause).inc()
        self._failing.add(source)
        self._up.labels(source).set(0)

    def crashed(self, source: SourceName, reading: str) -> None:
        """Count a bug, which is a failed read as well."""
        self._crashes.labels(source).inc()
        self.failed(source, reading, "")

    def recovered(self, source: SourceName) -> None:
        """Count it as up again."""
        self._failing.discard(source)
        self._up.labels(source).set(1)

    def requested(self, source: SourceName, operation: str, code: str, duration: float) -> None:
        """Count an API call."""
        self._requests.labels(source, operation, code).inc()
        self._durations.labels(source, operation).observe(duration)

    def polled(self, source: SourceName, poll: Poll) -> None:
        """Observe how long a pass took."""
        if poll.took is not None:
            self._passes.labels(source).observe(poll.took)

    def propagated(self, source: SourceName, seconds: float) -> None:
        """Observe how long a change took; a source that was taken out meanwhile gets no series again."""
        if source in self._running:
            self._propagation.labels(source).observe(seconds)
