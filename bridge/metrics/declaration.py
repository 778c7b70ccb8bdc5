"""How the metrics that are counted as things happen are declared: the prefix of their names, and their buckets."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds, of what waits for others."""

DELAYS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds, of what happens in this process alone."""

SIZES = tuple(4.0**exponent for exponent in range(3, 14))
"""64 bytes to 64 MiB."""


def counter(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Counter:
    """Declare what only grows; `_total` is added to its name."""
    return Counter(f"xds_bridge_{name}_total", text, labels, registry=registry)


def gauge(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    """Declare what goes up and down."""
    return Gauge(f"xds_bridge_{name}", text, labels, registry=registry)


def histogram(registry: CollectorRegistry, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
    """Declare what is counted by its size."""
    return Histogram(f"xds_bridge_{name}", text, labels, buckets=buckets, registry=registry)
