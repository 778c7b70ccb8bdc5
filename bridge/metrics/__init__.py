"""Every Prometheus metric there is, declared in one place; the only one that knows the client library.

No metric that is kept has an endpoint, a service or a stream as label: those come and go, and their series would stay.
What has one is sampled (`bridge/metrics/sample.py`), and no endpoint is ever named.
"""

import asyncio
import importlib.metadata
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from bridge.metrics.declaration import DELAYS, DURATIONS, SIZES, counter, gauge, histogram
from bridge.metrics.reload import ReloadMetrics
from bridge.metrics.sample import TYPE_LABELS, Sample, SampledCollector
from bridge.metrics.source import SourceMetrics
from bridge.metrics.state import StateMetrics
from bridge.metrics.tls import TlsMetrics
from bridge.model import SourceName
from bridge.reconciler import Publication
from xds import ObservedStream, Reason, Refused, StreamObserver

__all__ = [
    "CONTENT_TYPE",
    "Metrics",
    "ReloadMetrics",
    "Sample",
    "SourceMetrics",
    "StateMetrics",
    "StreamMetrics",
    "TlsMetrics",
]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_UNSUPPORTED = MappingProxyType(
    {
        "type.googleapis.com/envoy.config.listener.v3.Listener": "listener",
        "type.googleapis.com/envoy.config.route.v3.RouteConfiguration": "route",
        "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration": "scoped_route",
        "type.googleapis.com/envoy.config.route.v3.VirtualHost": "virtual_host",
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret": "secret",
        "type.googleapis.com/envoy.service.runtime.v3.Runtime": "runtime",
        "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig": "extension_config",
    }
)
_OTHER = "other"
_FETCHES = MappingProxyType({False: "answered", True: "unchanged"})

LabelledT = TypeVar("LabelledT", Counter, Histogram)


class Metrics:
    """The metrics of one process; its parts observe the sources, the streams and the reconciler."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Declare everything.

        Args:
            registry: a new one of this process, or of a test.
        """
        disable_created_metrics()  # type: ignore[no-untyped-call]  # typed but for this one
        self._registry = registry
        self._sampled = SampledCollector()
        self._described = False
        registry.register(self._sampled)
        self.sources = SourceMetrics(registry)
        """The observer of the supervisor."""
        self.streams = StreamMetrics(registry, self.sources.propagated)
        """The observer of the xDS server."""
        self.tls = TlsMetrics(registry)
        """The observer of its certificates."""
        self.state = StateMetrics(registry)
        """The observer of what is kept across a restart."""
        self.reload = ReloadMetrics(registry)
        """The observer of reloads of the configuration."""
        self._changes = counter(registry, "registry_changes", "Endpoints changed in what is served.", "kind")
        for kind in ("added", "changed", "removed"):
            self._changes.labels(kind)
        self._published = gauge(registry, "snapshot_published_timestamp_seconds", "When a snapshot was last published.")
        self._debounce = histogram(
            registry, "debounce_seconds", "From the first change of a burst to its publication.", DELAYS
        )
        self._lag = histogram(registry, "event_loop_lag_seconds", "How late the event loop runs its timers.", DELAYS)

    def published(self, publication: Publication) -> None:
        """A new snapshot is being served."""
        self._changes.labels("added").inc(publication.endpoints_added)
        self._changes.labels("changed").inc(publication.endpoints_changed)
        self._changes.labels("removed").inc(publication.endpoints_removed)
        self._published.set(time.time())
        self._debounce.observe(publication.waited)
        self.streams.expect(publication)

    async def observe_loop(self, interval: float = 1.0) -> None:
        """Measure the lag of the event loop until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + interval
            await asyncio.sleep(interval)  # the measurement itself: a timer from elsewhere would hide what it measures
            self._lag.observe(max(0.0, loop.time() - due))

    def render(self, sample: Sample) -> bytes:
        """All metrics in the text format (`CONTENT_TYPE`); takes its time, so not for the event loop."""
        if not self._described:
            self._described = True
            self._describe_process()
        self._sampled.sample = sample
        return generate_latest(self._registry)

    def propagation(self, share: float) -> float | None:
        """Seconds within which this share of all changes reached the last Envoy concerned, since the start.

        Interpolated between the buckets, as `histogram_quantile` of Prometheus does; None before the first change.
        """
        return self.sources.propagation(share)

    def _describe_process(self) -> None:
        """Register what reads files at once: `/proc`, and the metadata of installed packages."""
        GCCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        ProcessCollector(registry=self._registry)
        self._registry.register(_BuildCollector())


class StreamMetrics(StreamObserver):
    """What is counted of the streams."""

    def __init__(self, registry: CollectorRegistry, propagated: Callable[[SourceName, float], None]) -> None:
        """Declare everything.

        Args:
            registry: where.
            propagated: takes how long a change of a source took, in seconds, once all concerned have answered.
        """
        self._propagated = propagated
        self._causes: dict[int, Mapping[SourceName, float]] = {}
        self._opened = counter(registry, "xds_streams_opened", "Streams that clients opened.", "transport")
        self._pushes = _by_type(counter(registry, "xds_pushes", "Responses written to clients.", "type"))
        self._bytes = _by_type(histogram(registry, "xds_push_bytes", "Size of responses.", SIZES, "type"))
        self._acks = _by_type(counter(registry, "xds_acks", "Responses that clients accepted.", "type"))
        self._nacks = _by_type(counter(registry, "xds_nacks", "Responses that clients rejected.", "type"))
        self._latency = _by_type(
            histogram(registry, "xds_ack_seconds", "From a response to its ACK.", DURATIONS, "type")
        )
        self._unanswered = _by_type(counter(registry, "xds_unanswered", "Responses not answered in time.", "type"))
        self._stalled = counter(registry, "xds_streams_stalled", "Streams ended because the client did not read.")
        self._slowed = counter(
            registry, "xds_streams_slowed", "Streams whose requests came too fast to be read at once."
        )
        self._failures = counter(registry, "xds_stream_failures", "Streams ended by a bug of ours.")
        self._refused = counter(registry, "xds_streams_refused", "Clients that were not served.", "reason")
        self._fetches = counter(registry, "xds_fetches", "Answers to clients that poll, by result.", "type", "result")
        self._unsupported = counter(
            registry, "xds_unsupported_requests", "Requests for types that are not served.", "type"
        )
        self._queued = histogram(
            registry,
            "push_queue_seconds",
            "From a new snapshot to the first response with it, for each client: the time it waited for its turn.",
            DELAYS,
        )
        for reason in Reason:
            self._refused.labels(reason)
        for name in TYPE_LABELS.values():
            for result in _FETCHES.values():
                self._fetches.labels(name, result)

    def opened(self, stream: ObservedStream) -> None:
        """Count a stream."""
        self._opened.labels(stream.transport).inc()

    def identified(self, stream: ObservedStream) -> None:
        """Nothing to count: nodes are no labels."""

    def closed(self, stream: ObservedStream) -> None:
        """Nothing to count: open streams are sampled."""

    def sent(self, stream: ObservedStream, type_url: str, resources: int, size: int) -> None:
        """Count a response and its size."""
        self._pushes[type_url].inc()
        self._bytes[type_url].observe(size)

    def acked(self, stream: ObservedStream, type_url: str, version: str, latency: float) -> None:
        """Count an ACK and how long it took."""
        self._acks[type_url].inc()
        self._latency[type_url].observe(latency)

    def nacked(self, stream: ObservedStream, type_url: str, version: str, message: str) -> None:
        """Count a NACK."""
        self._nacks[type_url].inc()

    def begun(self, waited: float) -> None:
        """Observe how long a client had to wait for its turn."""
        self._queued.observe(waited)

    def expect(self, publication: Publication) -> None:
        """Remember since when a change was known, and by which sources, until its generation is settled."""
        self._causes[publication.generation] = publication.causes
        while len(self._causes) > 1000:  # older ones that nobody was connected to, or never answered
            del self._causes[next(iter(self._causes))]

    def settled(self, generation: int, latency: float) -> None:
        """Tell how long a change took from its sources to everybody concerned."""
        for source, waited in self._causes.pop(generation, {}).items():
            self._propagated(source, waited + latency)

    def unanswered(self, stream: ObservedStream, type_url: str) -> None:
        """Count a response that nobody answered."""
        self._unanswered[type_url].inc()

    def stalled(self, stream: ObservedStream) -> None:
        """Count a stream ended for not reading."""
        self._stalled.inc()

    def slowed(self, stream: ObservedStream) -> None:
        """Count a stream that asks too fast."""
        self._slowed.inc()

    def unsupported(self, stream: ObservedStream, type_url: str) -> None:
        """Count a request for a type that is not served; what a client makes up is no label."""
        self._unsupported.labels(_UNSUPPORTED.get(type_url, _OTHER)).inc()

    def fetched(self, type_url: str, *, unchanged: bool) -> None:
        """Count an answer to a client that polls."""
        self._fetches.labels(TYPE_LABELS[type_url], _FETCHES[unchanged]).inc()

    def refused(self, peer: str, refusal: Refused) -> None:
        """Count a refusal; its message quotes the client, so it is for the log alone."""
        self._refused.labels(refusal.reason).inc()

    def failed(self, stream: ObservedStream, error: BaseException) -> None:
        """Count a bug."""
        self._failures.inc()


class _BuildCollector(Collector):
    """What runs here."""

    def collect(self) -> Iterator[Metric]:
        versions = {"version": importlib.metadata.version("xds-bridge"), "python": platform.python_version()}
        for package in ("grpcio", "envoy-data-plane"):
            versions[package.replace("-", "_")] = importlib.metadata.version(package)
        yield InfoMetricFamily("xds_bridge_build", "Versions of the bridge and of what it runs on.", value=versions)


def _by_type(metric: LabelledT) -> Mapping[str, LabelledT]:
    """The child of each served type by its URL, looked up once: these are counted for every response and ACK."""
    return {url: metric.labels(name) for url, name in TYPE_LABELS.items()}
