"""What is counted of the file in which the state is kept across a restart."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge


class StateMetrics:
    """What is counted of writes; everything stays 0 without a `state_directory`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._errors = Counter(
            "xds_bridge_snapshot_write_errors_total",
            "Times that the state could not be written to state_directory.",
            registry=registry,
        )
        self._written = Gauge(
            "xds_bridge_snapshot_timestamp_seconds",
            "When the state was last written to state_directory; 0 for never.",
            registry=registry,
        )

        self._events_lost = Counter(
            "xds_bridge_audit_events_lost_total",
            "Events of the audit trail that could not be written to state_directory.",
            registry=registry,
        )

    def event_lost(self) -> None:
        """Count an event that is in the memory of the trail and not on disk; in whatever thread."""
        self._events_lost.inc()

    def written(self) -> None:
        """Note the time of a write."""
        self._written.set(time.time())

    def write_failed(self) -> None:
        """Count a write that failed."""
        self._errors.inc()
