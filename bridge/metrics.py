"""Every Prometheus metric there is, declared in one place; the only one that knows the client library.

No metric has an endpoint, a service or a stream as label: those come and go, and their series would stay.
"""

import asyncio
import importlib.metadata
import platform
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from bridge.merge import Service
from bridge.model import Health, SourceName
from bridge.observer import SourceObserver
from bridge.reconciler import Publication
from bridge.registry import SourceStatistics
from xds import CLUSTER, ENDPOINT, ObservedStream, Reason, Refused, StreamObserver, StreamStatus, TypeStatus

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_TYPES = MappingProxyType({CLUSTER.url: "cluster", ENDPOINT.url: "endpoint"})
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
_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_DELAYS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SIZES = tuple(4.0**exponent for exponent in range(3, 14))  # 64 bytes to 64 MiB
_OTHER = "other"
_FETCHES = MappingProxyType({False: "answered", True: "unchanged"})


@dataclass(frozen=True, slots=True)
class Sample:
    """What is counted at the moment of a scrape, not when it changes; taken on the event loop."""

    services: Sequence[Service]
    statistics: Mapping[SourceName, SourceStatistics]
    streams: Sequence[StreamStatus]
    ready: bool


class Metrics:
    """The metrics of one process; its parts observe the sources, the streams and the reconciler."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Declare everything.

        Args:
            registry: a new one of this process, or of a test.
        """
        disable_created_metrics()  # type: ignore[no-untyped-call]  # typed but for this one
        self._registry = registry
        self._sampled = _SampledCollector()
        self._described = False
        registry.register(self._sampled)
        self.streams = StreamMetrics(registry)
        """The observer of the xDS server."""
        self.sources = SourceMetrics(registry)
        """The observer of the supervisor."""
        self._changes = _counter(registry, "registry_changes", "Endpoints changed in what is served.", "kind")
        for kind in ("added", "changed", "removed"):
            self._changes.labels(kind)
        self._published = _gauge(
            registry, "snapshot_published_timestamp_seconds", "When a snapshot was last published."
        )
        self._debounce = _histogram(
            registry, "debounce_seconds", "From the first change of a burst to its publication.", _DELAYS
        )
        self._lag = _histogram(registry, "event_loop_lag_seconds", "How late the event loop runs its timers.", _DELAYS)

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

    def _describe_process(self) -> None:
        """Register what reads files at once: `/proc`, and the metadata of installed packages."""
        GCCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        ProcessCollector(registry=self._registry)
        self._registry.register(_BuildCollector())


class SourceMetrics(SourceObserver):
    """What is counted of the sources."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._up = _gauge(registry, "source_up", "1 when a source has been read and nothing of it fails now.", "source")
        self._last_success = _gauge(
            registry, "source_last_success_timestamp_seconds", "When a source was last read; 0 for never.", "source"
        )
        self._reads = _counter(registry, "source_reads", "Reads of a source by result.", "source", "result")
        self._crashes = _counter(registry, "source_crashes", "Reads ended by a bug in an adapter.", "source")
        self._requests = _counter(
            registry, "source_api_requests", "Calls of a source's API.", "source", "operation", "code"
        )
        self._durations = _histogram(
            registry,
            "source_api_request_duration_seconds",
            "Duration of calls of a source's API; a blocking query waits on purpose.",
            _DURATIONS,
            "source",
            "operation",
        )
        self._failing: set[SourceName] = set()

    def started(self, source: SourceName) -> None:
        """Make its series exist, so that "never" can be told from "not asked"."""
        self._up.labels(source).set(0)
        self._last_success.labels(source).set(0)
        self._crashes.labels(source)
        for result in ("ok", "error"):
            self._reads.labels(source, result)

    def succeeded(self, source: SourceName, reading: str) -> None:
        """Count a read; it also makes a source new to us count as up."""
        self._reads.labels(source, "ok").inc()
        self._last_success.labels(source).set(time.time())
        if source not in self._failing:
            self._up.labels(source).set(1)

    def failed(self, source: SourceName, reading: str, error: str) -> None:
        """Count a read that failed."""
        self._reads.labels(source, "error").inc()
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


class StreamMetrics(StreamObserver):
    """What is counted of the streams."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._waited: dict[int, float] = {}
        self._opened = _counter(registry, "xds_streams_opened", "Streams that clients opened.", "transport")
        self._pushes = _counter(registry, "xds_pushes", "Responses written to clients.", "type")
        self._bytes = _histogram(registry, "xds_push_bytes", "Size of responses.", _SIZES, "type")
        self._acks = _counter(registry, "xds_acks", "Responses that clients accepted.", "type")
        self._nacks = _counter(registry, "xds_nacks", "Responses that clients rejected.", "type")
        self._latency = _histogram(registry, "xds_ack_seconds", "From a response to its ACK.", _DURATIONS, "type")
        self._unanswered = _counter(registry, "xds_unanswered", "Responses not answered in time.", "type")
        self._stalled = _counter(registry, "xds_streams_stalled", "Streams ended because the client did not read.")
        self._failures = _counter(registry, "xds_stream_failures", "Streams ended by a bug of ours.")
        self._refused = _counter(registry, "xds_streams_refused", "Clients that were not served.", "reason")
        self._fetches = _counter(registry, "xds_fetches", "Answers to clients that poll, by result.", "type", "result")
        self._unsupported = _counter(
            registry, "xds_unsupported_requests", "Requests for types that are not served.", "type"
        )
        self._propagation = _histogram(
            registry,
            "propagation_seconds",
            "From a change reported by a source to the last answer of the clients concerned.",
            _DURATIONS,
        )
        for counter in (self._pushes, self._acks, self._nacks):
            for name in _TYPES.values():
                counter.labels(name)
        for reason in Reason:
            self._refused.labels(reason)
        for name in _TYPES.values():
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
        self._pushes.labels(_short(type_url)).inc()
        self._bytes.labels(_short(type_url)).observe(size)

    def acked(self, stream: ObservedStream, type_url: str, version: str, latency: float) -> None:
        """Count an ACK and how long it took."""
        self._acks.labels(_short(type_url)).inc()
        self._latency.labels(_short(type_url)).observe(latency)

    def nacked(self, stream: ObservedStream, type_url: str, version: str, message: str) -> None:
        """Count a NACK."""
        self._nacks.labels(_short(type_url)).inc()

    def expect(self, publication: Publication) -> None:
        """Remember how long a change had waited, until its generation is settled."""
        self._waited[publication.generation] = publication.waited
        while len(self._waited) > 1000:  # older ones that nobody was connected to, or never answered
            del self._waited[next(iter(self._waited))]

    def settled(self, generation: int, latency: float) -> None:
        """Observe how long a change took from its source to everybody concerned."""
        waited = self._waited.pop(generation, None)
        if waited is not None:
            self._propagation.observe(waited + latency)

    def unanswered(self, stream: ObservedStream, type_url: str) -> None:
        """Count a response that nobody answered."""
        self._unanswered.labels(_short(type_url)).inc()

    def stalled(self, stream: ObservedStream) -> None:
        """Count a stream ended for not reading."""
        self._stalled.inc()

    def unsupported(self, stream: ObservedStream, type_url: str) -> None:
        """Count a request for a type that is not served; what a client makes up is no label."""
        self._unsupported.labels(_UNSUPPORTED.get(type_url, _OTHER)).inc()

    def fetched(self, type_url: str, *, unchanged: bool) -> None:
        """Count an answer to a client that polls."""
        self._fetches.labels(_short(type_url), _FETCHES[unchanged]).inc()

    def refused(self, peer: str, refusal: Refused) -> None:
        """Count a refusal; its message quotes the client, so it is for the log alone."""
        self._refused.labels(refusal.reason).inc()

    def failed(self, stream: ObservedStream, error: BaseException) -> None:
        """Count a bug."""
        self._failures.inc()


class _SampledCollector(Collector):
    """Turns the latest sample into metrics; a source or type that is gone leaves no series behind."""

    def __init__(self) -> None:
        self.sample = Sample((), {}, (), ready=False)

    def collect(self) -> Iterator[Metric]:
        sample = self.sample
        yield GaugeMetricFamily("xds_bridge_ready", "1 when Envoys are answered.", value=float(sample.ready))
        yield from _registry_families(sample)
        yield from _source_families(sample.statistics)
        yield from _stream_families(sample.streams)


class _BuildCollector(Collector):
    """What runs here."""

    def collect(self) -> Iterator[Metric]:
        versions = {"version": importlib.metadata.version("xds-bridge"), "python": platform.python_version()}
        for package in ("grpcio", "envoy-data-plane"):
            versions[package.replace("-", "_")] = importlib.metadata.version(package)
        yield InfoMetricFamily("xds_bridge_build", "Versions of the bridge and of what it runs on.", value=versions)


def _registry_families(sample: Sample) -> Iterator[Metric]:
    healths = Tally(served.endpoint.health for service in sample.services for served in service.endpoints)
    yield GaugeMetricFamily("xds_bridge_registry_services", "Services served.", value=len(sample.services))
    yield _family(
        "registry_endpoints", "Endpoints served.", ["health"], {(health.value,): healths[health] for health in Health}
    )
    disputed = sum(1 for service in sample.services if service.disputed)
    yield GaugeMetricFamily(
        "xds_bridge_registry_disputed_services", "Services whose endpoints disagree about a protocol.", value=disputed
    )


def _source_families(statistics: Mapping[SourceName, SourceStatistics]) -> Iterator[Metric]:
    yield _family(
        "source_services",
        "Services that a source reports.",
        ["source"],
        {(s,): n.services for s, n in statistics.items()},
    )
    yield _family(
        "source_endpoints",
        "Endpoints that a source reports.",
        ["source", "health"],
        {(s, health.value): n.endpoints.get(health, 0) for s, n in statistics.items() for health in Health},
    )
    yield _family(
        "source_set_aside_endpoints",
        "Entries of a source that cannot be served; /api/v1/services/NAME says why.",
        ["source"],
        {(s,): n.set_aside for s, n in statistics.items()},
    )


def _stream_families(streams: Sequence[StreamStatus]) -> Iterator[Metric]:
    open_streams = Tally((each.transport, "aggregated" if each.aggregated else "separate") for each in streams)
    kinds = [(transport, kind) for transport in ("sotw", "delta") for kind in ("aggregated", "separate")]
    labels = ["transport", "kind"]
    yield _family("xds_streams", "Open streams.", labels, {kind: open_streams[kind] for kind in kinds})
    clients = len({_client(each) for each in streams})
    yield GaugeMetricFamily("xds_bridge_xds_clients", "Clients with an open stream, by node id.", value=clients)
    yield _family(
        "xds_rejecting_clients",
        "Clients whose last answer was a NACK.",
        ["type"],
        _clients(streams, lambda status: status.rejection is not None),
    )
    yield _family(
        "xds_unacked_clients",
        "Clients that have not answered the last response yet.",
        ["type"],
        _clients(streams, lambda status: status.rejection is None and status.version_acked != status.version_sent),
    )


def _clients(streams: Iterable[StreamStatus], holds: Callable[[TypeStatus], bool]) -> dict[tuple[str, ...], int]:
    """For how many clients something holds, by type."""
    found = {(_client(each), status.type_url) for each in streams for status in each.types if holds(status)}
    tally = Tally(type_url for _client_name, type_url in found)
    return {(name,): tally[url] for url, name in _TYPES.items()}


def _client(stream: StreamStatus) -> str:
    return stream.node.id if stream.node and stream.node.id else stream.peer


def _short(type_url: str) -> str:
    return _TYPES.get(type_url, _OTHER)


def _family(name: str, text: str, labels: list[str], values: Mapping[tuple[str, ...], float]) -> Metric:
    family = GaugeMetricFamily(f"xds_bridge_{name}", text, labels=labels)
    for key in sorted(values):
        family.add_metric(key, values[key])
    return family


def _counter(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Counter:
    return Counter(f"xds_bridge_{name}_total", text, labels, registry=registry)


def _gauge(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"xds_bridge_{name}", text, labels, registry=registry)


def _histogram(registry: CollectorRegistry, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
    return Histogram(f"xds_bridge_{name}", text, labels, buckets=buckets, registry=registry)
