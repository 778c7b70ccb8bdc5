"""`/api/v1/status`: the whole bridge in a few numbers, and what a person should look at. Times are Unix seconds."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.admin.client import clients, in_sync
from bridge.admin.document import Awaited
from bridge.admin.event import EventDocument, last_change
from bridge.admin.finding import Finding, findings
from bridge.admin.observation import Observation
from bridge.admin.summary import by_health
from bridge.peers import PeerStatus, type_versions
from bridge.reload import ReloadReport


@dataclass(frozen=True, slots=True)
class PauseDocument:
    """A source that an operator has paused."""

    source: str
    since: float
    by: str


@dataclass(frozen=True, slots=True)
class DrainDocument:
    """A service, or an address and port, that gets no new requests because an operator said so."""

    target: str
    until: float
    by: str


@dataclass(frozen=True, slots=True)
class StatusDocument:
    """`/api/v1/status`."""

    version: str
    started: float
    ready: bool
    waiting: tuple[Awaited, ...]
    sources: int
    sources_failing: tuple[str, ...]
    services: int
    endpoints: Mapping[str, int]
    """By health."""
    streams: int
    clients: int
    clients_in_sync: int
    """How many of them have all that they asked for."""
    propagation_p99: float | None
    """Seconds within which 99 of 100 changes came from their source to the last Envoy, since the start; None before
    the first."""
    last_change: EventDocument | None
    """What became of an endpoint last, as far as events are remembered."""
    versions: Mapping[str, str]
    """Of the default view, by type; equal on replicas that serve the same. Empty before the first answer."""
    config: ReloadReport
    """When the configuration in use was read, and what came of the last attempt to have another."""
    paused: tuple[PauseDocument, ...]
    drains: tuple[DrainDocument, ...]
    peers: tuple[PeerStatus, ...]
    """The other replicas of `admin.peers`, in its order, and what they serve otherwise than this one."""
    findings: tuple[Finding, ...]
    """What a person should look at, the most urgent first; the page shows the same."""


def status(observed: Observation, version: str) -> StatusDocument:
    """The whole bridge in a few numbers; work for a thread."""
    everybody = clients(observed.streams)
    return StatusDocument(
        version=version,
        started=observed.started,
        ready=observed.readiness.ready,
        waiting=observed.readiness.waiting,
        sources=len(observed.sources),
        sources_failing=tuple(each.name for each in observed.sources if each.failures),
        services=len(observed.known.services),
        endpoints=by_health(served.endpoint for service in observed.known.services for served in service.endpoints),
        streams=len(observed.streams),
        clients=len(everybody),
        clients_in_sync=in_sync(everybody),
        propagation_p99=observed.propagation,
        last_change=last_change(observed.remembered),
        versions=type_versions(observed.snapshot) if observed.snapshot else {},
        config=observed.config,
        paused=tuple(PauseDocument(each.source, each.since, each.by) for each in observed.pauses),
        drains=tuple(DrainDocument(str(each.target), each.until, each.by) for each in observed.drains),
        peers=observed.peers,
        findings=tuple(findings(observed, everybody)),
    )
