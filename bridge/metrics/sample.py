"""What is counted at the moment of a scrape, from the state itself: what is gone leaves no series behind."""

from collections import Counter as Tally
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bridge.config import PerService
from bridge.guard import Reason as GuardReason
from bridge.merge import Policy, Service
from bridge.metrics.service import service_family
from bridge.model import Health, ServiceName, SourceName
from bridge.peers import PeerState, PeerStatus
from bridge.poll import Poll
from bridge.registry import Hold, SourceStatistics
from bridge.supervisor import SourceStatus
from xds import CLUSTER, ENDPOINT, Load, StreamStatus, TypeStatus

TYPE_LABELS = MappingProxyType({CLUSTER.url: "cluster", ENDPOINT.url: "endpoint"})
"""What a type is called in the label `type`."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What is counted at the moment of a scrape, not when it changes; taken on the event loop."""

    services: Sequence[Service]
    statistics: Mapping[SourceName, SourceStatistics]
    holds: Sequence[Hold]
    streams: Sequence[StreamStatus]
    ready: bool
    load: Load = field(default_factory=Load)
    sources: Mapping[SourceName, SourceStatus] = field(default_factory=dict)
    paused: frozenset[SourceName] = frozenset()
    """Sources that an operator has paused."""
    drains: int = 0
    """Services and endpoints that an operator drains."""
    peers: Sequence[PeerStatus] = ()
    """The other replicas."""
    tasks: int = 0
    """Of the event loop."""
    types: Mapping[SourceName, str] = field(default_factory=dict)
    """Of each source, as the configuration has it."""
    retained: Collection[ServiceName] = ()
    """The services that no source names any more, and that stay for a while, empty."""
    per_service: PerService = PerService.AUTO
    """Whether each service has series of its own."""


class SampledCollector(Collector):
    """Turns the latest sample into metrics."""

    def __init__(self) -> None:
        self.sample = Sample((), {}, (), (), ready=False)

    def collect(self) -> Iterator[Metric]:
        """Everything that is sampled, as the library asks for it."""
        sample = self.sample
        yield GaugeMetricFamily("xds_bridge_ready", "1 when Envoys are answered.", value=float(sample.ready))
        yield GaugeMetricFamily("xds_bridge_event_loop_tasks", "Tasks of the event loop.", value=sample.tasks)
        yield from _registry_families(sample)
        yield service_family(sample.services, sample.retained, sample.per_service)
        yield from _source_families(sample)
        yield from _guard_families(sample)
        yield from _reading_families(sample.sources)
        yield from _operator_families(sample)
        yield from _peer_families(sample.peers)
        yield from _stream_families(sample.streams)
        yield from _load_families(sample.load)


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
    empty = sum(1 for service in sample.services if not service.endpoints and service.name not in sample.retained)
    yield GaugeMetricFamily(
        "xds_bridge_registry_empty_services",
        "Services that a source names and of which no endpoint is served.",
        value=empty,
    )
    diverted = Tally(service.ruling.policy for service in sample.services if service.ruling.diverted)
    yield _family(
        "registry_diverted_services",
        "Services of which a source gave its share away (weighted), or the first source is not served (first).",
        ["policy"],
        {(policy.value,): diverted[policy] for policy in (Policy.WEIGHTED, Policy.FIRST)},
    )


def _source_families(sample: Sample) -> Iterator[Metric]:
    statistics = sample.statistics
    yield _family(
        "source_info",
        "The type of each source; always 1.",
        ["source", "type"],
        dict.fromkeys(sample.types.items(), 1),
    )
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


def _guard_families(sample: Sample) -> Iterator[Metric]:
    held: Tally[tuple[SourceName, GuardReason]] = Tally()
    for hold in sample.holds:
        held[hold.source, hold.reason] += hold.endpoints
    yield _family(
        "source_held_endpoints",
        "Endpoints that a source no longer reports and that are not believed to be gone.",
        ["source", "reason"],
        {(source, reason): held[source, reason] for source in sample.statistics for reason in GuardReason},
    )
    yield _family(
        "source_restored_endpoints",
        "Endpoints known from an earlier process, whose source has not been read since.",
        ["source"],
        {(source,): statistics.restored for source, statistics in sample.statistics.items()},
    )
    restored = any(statistics.restored for statistics in sample.statistics.values())
    yield GaugeMetricFamily(
        "xds_bridge_serving_restored_state",
        "1 while some of what is served is known from an earlier process alone.",
        value=float(restored),
    )
    yield _guard_trips(sample.statistics)


def _guard_trips(statistics: Mapping[SourceName, SourceStatistics]) -> Metric:
    family = CounterMetricFamily(
        "xds_bridge_guard_trips",
        "Times that holding what is missing of a source began, or came to have another reason.",
        labels=["source", "reason"],
    )
    for source in sorted(statistics):
        for reason in GuardReason:
            family.add_metric([source, reason], statistics[source].trips.get(reason, 0))
    return family


def _reading_families(sources: Mapping[SourceName, SourceStatus]) -> Iterator[Metric]:
    yield _family(
        "source_last_success_timestamp_seconds",
        "When the read of a source that is the longest ago succeeded; 0 while one never has.",
        ["source"],
        {(source,): status.last_success or 0 for source, status in sources.items()},
    )
    yield _family(
        "source_stale",
        "1 when a read of a source succeeded longer ago than it should, although perhaps nothing fails.",
        ["source"],
        {(source,): float(status.stale) for source, status in sources.items()},
    )
    polls = _polls(sources)
    for name, text, value in (
        ("poll_calls", "Calls of one pass over all of a place.", lambda place: sum(each.count for each in place)),
        ("poll_interval_seconds", "From one pass to the next, now: the longest in the place.", _longest),
        (
            "poll_configured_interval_seconds",
            "From one pass to the next as configured.",
            lambda place: max(each.configured for each in place),
        ),
        (
            "poll_budget_calls_per_second",
            "What all sources together may call in the place.",
            lambda place: place[-1].budget,
        ),
    ):
        yield _family(f"source_{name}", text, ["source", "place"], {key: value(place) for key, place in polls.items()})


def _polls(sources: Mapping[SourceName, SourceStatus]) -> Mapping[tuple[str, ...], Sequence[Poll]]:
    """What each source polls, by source and place: of a place there may be many reads, such as one for each cluster."""
    found: dict[tuple[str, ...], list[Poll]] = {}
    for source, status in sources.items():
        for poll in (each.poll for each in status.readings):
            if poll is not None:
                found.setdefault((source, poll.place), []).append(poll)
    return found


def _longest(polls: Sequence[Poll]) -> float:
    return max(each.interval for each in polls)


def _operator_families(sample: Sample) -> Iterator[Metric]:
    yield _family(
        "source_paused",
        "1 while an operator has paused a source: what is served of it stays as it is.",
        ["source"],
        {(source,): float(source in sample.paused) for source in sample.statistics},
    )
    yield GaugeMetricFamily(
        "xds_bridge_operator_drains", "Services and endpoints that an operator drains.", value=sample.drains
    )


def _peer_families(peers: Sequence[PeerStatus]) -> Iterator[Metric]:
    others = [peer for peer in peers if peer.state is not PeerState.ITSELF]
    unheard = (PeerState.UNKNOWN, PeerState.UNREACHABLE)
    yield _family(
        "peer_up",
        "1 when another replica answered the last time that it was asked what it serves.",
        ["peer"],
        {(peer.url,): float(peer.state not in unheard) for peer in others},
    )
    yield _family(
        "peer_differs",
        "1 while another replica serves something else, for longer than admin.peer_patience.",
        ["peer"],
        {(peer.url,): float(peer.state is PeerState.DIFFERS) for peer in others},
    )


def _stream_families(streams: Sequence[StreamStatus]) -> Iterator[Metric]:
    open_streams = Tally((each.transport, "aggregated" if each.aggregated else "separate") for each in streams)
    kinds = [(transport, kind) for transport in ("sotw", "delta") for kind in ("aggregated", "separate")]
    labels = ["transport", "kind"]
    yield _family("xds_streams", "Open streams.", labels, {kind: open_streams[kind] for kind in kinds})
    clients = len({each.client for each in streams})
    yield GaugeMetricFamily("xds_bridge_xds_clients", "Clients with an open stream (by id and address).", value=clients)
    yield _family(
        "xds_rejecting_clients",
        "Clients that rejected something that is still to be had.",
        ["type"],
        _clients(streams, lambda status: status.rejection is not None),
    )
    yield _family(
        "xds_unacked_clients",
        "Clients that have neither accepted nor rejected a response yet.",
        ["type"],
        _clients(streams, lambda status: status.unanswered is not None),
    )
    yield _family(
        "xds_oldest_unacked_seconds",
        "Age of the oldest response that a client has neither accepted nor rejected.",
        ["type"],
        _waiting(streams),
    )


def _waiting(streams: Iterable[StreamStatus]) -> dict[tuple[str, ...], float]:
    """Seconds since the oldest response that is not answered yet, by type; 0 where there is none."""
    oldest = dict.fromkeys(TYPE_LABELS, 0.0)
    for status in (status for stream in streams for status in stream.types):
        oldest[status.type_url] = max(oldest[status.type_url], status.unanswered or 0.0)
    return {(name,): oldest[url] for url, name in TYPE_LABELS.items()}


def _load_families(load: Load) -> Iterator[Metric]:
    for name, text, value in (
        ("places", "Streams and calls that are open or wait for their turn (limits.streams).", load.places),
        ("unknown_names", "Names that are asked for and had no resource (limits.names).", load.names),
        ("in_flight_bytes", "Large responses that are being written (limits.in_flight).", load.in_flight),
        ("unread_bytes", "Large responses that were given up and that clients still hold.", load.left),
        ("waiting_writes", "Large responses that wait for room (limits.in_flight).", load.waiting),
    ):
        yield GaugeMetricFamily(f"xds_bridge_xds_{name}", text, value=value)


def _clients(streams: Iterable[StreamStatus], holds: Callable[[TypeStatus], bool]) -> dict[tuple[str, ...], int]:
    """For how many clients something holds, by type."""
    found = {(each.client, status.type_url) for each in streams for status in each.types if holds(status)}
    tally = Tally(type_url for _client_name, type_url in found)
    return {(name,): tally[url] for url, name in TYPE_LABELS.items()}


def _family(name: str, text: str, labels: list[str], values: Mapping[tuple[str, ...], float]) -> Metric:
    family = GaugeMetricFamily(f"xds_bridge_{name}", text, labels=labels)
    for key in sorted(values):
        family.add_metric(key, values[key])
    return family
