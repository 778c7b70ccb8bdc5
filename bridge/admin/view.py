"""What the admin server sees of the bridge: narrow Protocols, each as wide as what is shown."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bridge.absent import Absent
from bridge.audit import Remembered
from bridge.config import MetricsConfig, ServiceRule, ViewRule
from bridge.history import Age
from bridge.merge import Report, Service
from bridge.metrics import Sample
from bridge.model import EndpointKey, ServiceName, SourceName
from bridge.operator import Drain, Pause
from bridge.peers import PeerStatus
from bridge.provenance import Question, Statement
from bridge.registry import Hold, RefusedService, ReportedSetAside, SourceStatistics
from bridge.reload import ReloadReport
from bridge.supervisor import SourceStatus
from bridge.views import ShownView
from xds import Load, Receiver, Snapshot, StreamContents, StreamStatus, Validity


class Knowledge(Protocol):
    """What the sources have said (`Registry`)."""

    def services(self) -> Mapping[ServiceName, Service]:
        """All services served."""

    def set_aside(self, service: ServiceName) -> tuple[ReportedSetAside, ...]:
        """What cannot be served of a service."""

    def set_aside_counts(self) -> Mapping[ServiceName, Mapping[SourceName, int]]:
        """How much cannot be served of each service of which there is something, by source."""

    def refused(self, source: SourceName) -> tuple[RefusedService, ...]:
        """The services of a source that cannot be served because of their names."""

    def retained(self) -> Mapping[ServiceName, float]:
        """The empty services that no source names, with the Unix time at which each goes."""

    def statistics(self, source: SourceName) -> SourceStatistics:
        """Counts of what a source contributes."""

    def holds(self, source: SourceName) -> tuple[Hold, ...]:
        """What is held of a source, and why."""

    def unserved(self, service: ServiceName) -> Callable[[], Sequence[Report]]:
        """How to find, in a thread, what sources report of a service and is not served."""


class Ageing(Protocol):
    """How old what is served is (`History`)."""

    def of(self, service: ServiceName) -> Mapping[EndpointKey, Age]:
        """The ages of the endpoints of a service at this moment."""


class Waiting(Protocol):
    """Whether Envoys are answered (`Readiness`)."""

    @property
    def ready(self) -> bool:
        """Whether they are."""

    def waiting(self) -> Mapping[SourceName, str]:
        """The sources that are waited for, each with what is missing."""


class Reading(Protocol):
    """How reading the sources goes (`Supervisor`)."""

    def status(self, source: SourceName) -> SourceStatus:
        """The status of one source."""


class Streams(Protocol):
    """Who is connected (`XdsServer`)."""

    def streams(self) -> Iterator[StreamStatus]:
        """The open streams, looked at one by one as they are asked for; see `Look`."""

    def contents(self, node: str) -> Sequence[StreamContents]:
        """The open streams of Envoys with this node id, by the names of resources."""

    def receivers(self, name: str) -> Iterator[Receiver]:
        """The same, with how far each is with the resources of a name."""

    def load(self) -> Load:
        """What clients cost at the moment."""


class Serving(Protocol):
    """What is served (`ClientViews`)."""

    @property
    def snapshot(self) -> Snapshot | None:
        """All resources, as an Envoy sees them for which there is no rule; None before Envoys are answered."""

    def snapshots(self) -> Mapping[str, Snapshot]:
        """What each view in use shows, by its name; nothing before Envoys are answered."""

    def shown(self) -> Sequence[ShownView]:
        """The same, with the rule of each; without the default view where no Envoy can have it."""


class Exposition(Protocol):
    """The metrics (`Metrics`)."""

    def render(self, sample: Sample) -> bytes:
        """Everything in Prometheus' text format; called in a thread."""

    def propagation(self, share: float) -> float | None:
        """Seconds within which a share of all changes reached the last Envoy concerned; None before the first."""


class Operation(Protocol):
    """What operators have changed (`operator.Hand`)."""

    def paused(self, source: SourceName) -> Pause | None:
        """The pause of a source; None when it is heard."""

    def reported(self, source: SourceName) -> int:
        """How many endpoints a paused source reports."""

    def pauses(self) -> Sequence[Pause]:
        """Every pause."""

    def drains(self) -> Sequence[Drain]:
        """Every drain."""

    def too_old(self) -> frozenset[SourceName]:
        """The sources of which something was kept that is too old to be served without an operator's word."""


@dataclass(frozen=True, slots=True)
class ListedSource:
    """A source as the configuration has it."""

    name: SourceName
    type: str
    required: bool
    leaving: bool = False
    """Whether it was taken out of the configuration, and is read until what takes its place has been read."""


class Reloads(Protocol):
    """Which configuration is in use (`Reloader`)."""

    @property
    def report(self) -> ReloadReport:
        """When it was read, and what came of the last attempt to have another."""


class Replicas(Protocol):
    """The other replicas (`Peers`)."""

    @property
    def instance(self) -> str:
        """Of this process, by which it knows itself."""

    def statuses(self) -> Sequence[PeerStatus]:
        """How each compares with this one."""


class Asking(Protocol):
    """Who can tell what a source has (`Inquiry`)."""

    async def ask(self, question: Question) -> Mapping[SourceName, Statement | str]:
        """What each source has of what is asked about, or why it does not say."""


class Rules(Protocol):
    """What the configuration says of services by their names (`Config`)."""

    @property
    def services(self) -> Sequence[ServiceRule]:
        """How they are merged."""

    @property
    def views(self) -> Sequence[ViewRule]:
        """Who sees them."""

    @property
    def metrics(self) -> MetricsConfig:
        """How they are counted."""

    @property
    def written(self) -> Mapping[str, object]:
        """All of it, as it stands in the file."""


class Remembering(Protocol):
    """What has happened (`Trail`)."""

    @property
    def last(self) -> int:
        """The number of the last event there was."""

    def remembered(self) -> Remembered:
        """The latest events."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What the process itself needs a person for, at one moment."""

    state: str = ""
    """Why its state cannot be kept on disk; empty while it can, and without a `state_directory`."""
    certificates: Mapping[str, Validity] = field(default_factory=dict)
    """For how long what each key of `xds.tls` names is valid."""
    tls: str = ""
    """Why new files of `xds.tls` cannot be used, so that the last good ones are."""


@dataclass(frozen=True, slots=True)
class View:
    """All parts of the bridge that are shown."""

    sources: Callable[[], Sequence[ListedSource]]
    """Those of now: they can change."""
    knowledge: Knowledge
    history: Ageing
    readiness: Waiting
    reading: Reading
    streams: Streams
    serving: Serving
    metrics: Exposition
    operation: Operation
    reloads: Reloads
    replicas: Replicas
    rules: Callable[[], Rules]
    """Those in use: they can change."""
    trail: Remembering
    inquiry: Asking
    upkeep: Callable[[], Upkeep] = Upkeep
    absent: Callable[[], Sequence[Absent]] = tuple

    def sample(self, streams: Sequence[StreamStatus]) -> Sample:
        """What the metrics count at this moment, at which these are the open streams. On the event loop only."""
        sources = self.sources()
        return Sample(
            services=tuple(self.knowledge.services().values()),
            statistics={source.name: self.knowledge.statistics(source.name) for source in sources},
            holds=[hold for source in sources for hold in self.knowledge.holds(source.name)],
            streams=streams,
            ready=self.readiness.ready,
            load=self.streams.load(),
            sources={source.name: self.reading.status(source.name) for source in sources},
            paused=frozenset(pause.source for pause in self.operation.pauses()),
            drains=len(self.operation.drains()),
            peers=self.replicas.statuses(),
            tasks=len(asyncio.all_tasks()),
            types={source.name: source.type for source in sources},
            retained=frozenset(self.knowledge.retained()),
            per_service=self.rules().metrics.per_service,
        )
