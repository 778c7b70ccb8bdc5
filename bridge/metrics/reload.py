"""What is counted of the configuration: whether the file that was read last is in use."""

import time

from prometheus_client import CollectorRegistry, Gauge


class ReloadMetrics:
    """Two gauges by the names that operators know; the start counts as a reload."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._successful = Gauge(
            "xds_bridge_config_last_reload_successful",
            "1 when the configuration that was read last is in use.",
            registry=registry,
        )
        self._at = Gauge(
            "xds_bridge_config_last_reload_success_timestamp_seconds",
            "When the configuration in use was read.",
            registry=registry,
        )
        self.succeeded()

    def began(self) -> None:
        """Nothing is counted of that."""

    def succeeded(self) -> None:
        """A configuration has come into use."""
        self._successful.set(1)
        self._at.set(time.time())

    def failed(self) -> None:
        """One was read and is not in use."""
        self._successful.set(0)
