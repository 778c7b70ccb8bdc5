"""The JSON documents of the HTTP API: frozen dataclasses, whose fields are its documented shape, and how to fill them.

Everything that has no order of its own is sorted, so that equal states give equal documents. Times are Unix seconds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bridge.absent import Absent
from bridge.admin.client import clients, findings
from bridge.admin.hold import HoldDocument, documents
from bridge.admin.view import View
from bridge.history import Age
from bridge.merge import Origin, ServedEndpoint
from bridge.model import EndpointKey
from bridge.outage import Failure
from bridge.peers import Versions, fingerprints, versions
from bridge.registry import ReportedSetAside
from xds import Snapshot, StreamStatus


@dataclass(frozen=True, slots=True)
class Awaited:
    """A source that must speak before Envoys are answered."""

    source: str
    waiting_for: str
    errors: tuple[str, ...]
    """What its reads fail with now."""


@dataclass(frozen=True, slots=True)
class ReadyDocument:
    """`/readyz`: status 200 when ready, 503 when not."""

    ready: bool
    waiting: tuple[Awaited, ...]


@dataclass(frozen=True, slots=True)
class GuardDocument:
    """`/api/v1/guard`: what is held, sources in the order of the configuration."""

    held: tuple[HoldDocument, ...]
    too_old: tuple[str, ...]
    """Sources of which nothing is served but what was kept over a restart, which is too old to be without a word."""


@dataclass(frozen=True, slots=True)
class VersionsDocument:
    """`/api/v1/versions`: what replicas compare. Hashes alone: other machines may read it where there are peers."""

    instance: str
    """Of the process: another one after a restart."""
    views: Versions
    """Of each view in use, by its alias and by type; empty before Envoys are answered."""


@dataclass(frozen=True, slots=True)
class FingerprintsDocument:
    """`/api/v1/versions/ALIAS`: a hash for each service; who serves the same service has the same hash."""

    services: str
    """Sorted, 16 characters each, one right after another: quick to read, however many there are."""


@dataclass(frozen=True, slots=True)
class EndpointDocument:
    """One endpoint of a service."""

    address: str
    port: int
    health: str
    """As it is served."""
    reported_health: str
    """As its source says; another one while an operator drains it."""
    weight: int
    served_weight: int
    """What Envoy gets: the weight, unless the policy sets shares."""
    priority: int
    protocol: str | None
    region: str
    zone: str
    sub_zone: str
    metadata: Mapping[str, str]
    origins: tuple[Origin, ...]
    """Who reports it; the first one's word counts."""
    since: float | None
    """Unix time from which on it is served without a gap; what was served before a restart goes by its first report.
    None until Envoys are answered."""
    changed: float | None
    """Unix time when health, weight, place or metadata of it last changed, as far as this process has seen; no
    earlier than `since`. A share or a priority that a merge policy gives it anew is no change of it."""

    @property
    def key(self) -> str:
        """Its address and port as they are written, IPv6 in brackets."""
        return str(EndpointKey(self.address, self.port))


@dataclass(frozen=True, slots=True)
class SetAsideDocument:
    """What a source reported of a service and cannot be served."""

    source: str
    scope: str
    instance: str
    reported: str
    reason: str


@dataclass(frozen=True, slots=True)
class EnvoysDocument:
    """`/api/v1/envoys`: the open streams, sorted by node and age; an Envoy without ADS has several."""

    streams: tuple[StreamStatus, ...]
    findings: tuple[str, ...]
    """What a person should look at."""
    absent: tuple[Absent, ...]
    """Envoys that left within the hour and have not come back, by node id."""


def ready(view: View) -> ReadyDocument:
    """Whether Envoys are answered, and if not, which sources are waited for and why."""
    waiting = view.readiness.waiting()
    return ReadyDocument(
        view.readiness.ready,
        tuple(
            Awaited(name, waiting[name], tuple(_error(failure) for failure in view.reading.status(name).failures))
            for name in sorted(waiting)
        ),
    )


def held(view: View) -> GuardDocument:
    """What the guard holds."""
    return GuardDocument(tuple(holds(view)), tuple(sorted(view.operation.too_old())))


def holds(view: View) -> Iterator[HoldDocument]:
    """What is held, source by source."""
    for listed in view.sources():
        yield from documents(view, listed.name)


def compared(view: View) -> VersionsDocument:
    """What other replicas compare with theirs."""
    return VersionsDocument(view.replicas.instance, versions(view.serving.snapshots()))


def marks(snapshot: Snapshot) -> FingerprintsDocument:
    """What they find the difference by; work for a thread."""
    return FingerprintsDocument("".join(sorted(fingerprints(snapshot).values())))


def envoys(streams: Sequence[StreamStatus], absent: Iterable[Absent]) -> EnvoysDocument:
    """Who is connected."""

    def order(stream: StreamStatus) -> tuple[str, int]:
        return (stream.node.id if stream.node else "", stream.id)

    return EnvoysDocument(tuple(sorted(streams, key=order)), findings(clients(streams)), tuple(absent))


def _error(failure: Failure) -> str:
    return f"{failure.reading}: {failure.error}" if failure.reading else failure.error


def endpoint(served: ServedEndpoint, age: Age | None) -> EndpointDocument:
    """Everything about one endpoint."""
    endpoint = served.endpoint
    return EndpointDocument(
        address=endpoint.address,
        port=endpoint.port,
        health=endpoint.health.value,
        reported_health=(served.reported or endpoint.health).value,
        weight=endpoint.weight,
        served_weight=endpoint.weight if served.weight is None else served.weight,
        priority=served.priority,
        protocol=endpoint.protocol.value if endpoint.protocol else None,
        region=endpoint.locality.region,
        zone=endpoint.locality.zone,
        sub_zone=endpoint.locality.sub_zone,
        metadata=dict(endpoint.metadata),
        origins=served.origins,
        since=age.since if age else None,
        changed=age.changed if age else None,
    )


def set_aside(reported: ReportedSetAside) -> SetAsideDocument:
    """What cannot be served."""
    entry = reported.entry
    return SetAsideDocument(reported.source, reported.scope, entry.instance, entry.reported, entry.reason)
