"""What the admin server shows, in memory: fakes of the registry, readiness, reads, streams and metrics."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.admin import ListedSource
from bridge.config import MetricsConfig, ServiceRule, ViewRule
from bridge.history import Age
from bridge.merge import Origin, Report, ServedEndpoint, Service
from bridge.metrics import Sample
from bridge.model import (
    Endpoint,
    EndpointKey,
    Health,
    InstanceId,
    Locality,
    Scope,
    ServiceName,
    SourceName,
)
from bridge.operator import Done, Drain, Pause, Who
from bridge.outage import Failure
from bridge.peers import PeerStatus
from bridge.provenance import Question, Statement
from bridge.registry import Hold, RefusedService, ReportedSetAside, SourceStatistics
from bridge.reload import ReloadOutcome, ReloadReport
from bridge.supervisor import ReadingStatus, SourceStatus
from bridge.views import ShownView
from xds import (
    CLUSTER,
    Load,
    Node,
    Receiver,
    Snapshot,
    StreamContents,
    StreamStatus,
    TypeContents,
    TypeState,
    TypeStatus,
)

DC1, LOCAL = SourceName("dc1"), SourceName("local")
LISTED = (ListedSource(DC1, "consul", required=True), ListedSource(LOCAL, "file", required=False))
ORIGIN = Origin(DC1, Scope("dc1/web"), InstanceId("web-1"), since=1_700_000_000.0)


def served(address: str, health: Health = Health.HEALTHY) -> ServedEndpoint:
    endpoint = Endpoint(address, 80, health, 3, Locality("eu", "eu-a", "rack"), (("version", "v1"),))
    return ServedEndpoint(endpoint, (ORIGIN,))


@dataclass
class FakeKnowledge:
    known: dict[ServiceName, Service] = field(default_factory=dict)
    aside: tuple[ReportedSetAside, ...] = ()
    held: tuple[Hold, ...] = ()
    impossible: tuple[RefusedService, ...] = ()
    gone: dict[ServiceName, float] = field(default_factory=dict)
    restored: int = 0
    reported: dict[ServiceName, Sequence[Report]] = field(default_factory=dict)
    """And not served."""

    def services(self) -> Mapping[ServiceName, Service]:
        return self.known

    def set_aside(self, service: ServiceName) -> tuple[ReportedSetAside, ...]:
        return self.aside if service == "web" else ()

    def set_aside_counts(self) -> Mapping[ServiceName, Mapping[SourceName, int]]:
        return {ServiceName("web"): Counter(each.source for each in self.aside)} if self.aside else {}

    def refused(self, source: SourceName) -> tuple[RefusedService, ...]:
        return self.impossible if source == DC1 else ()

    def retained(self) -> Mapping[ServiceName, float]:
        return self.gone

    def statistics(self, source: SourceName) -> SourceStatistics:
        if source != DC1:
            return NOTHING
        return SourceStatistics(len(self.known), {Health.HEALTHY: 2}, len(self.aside), restored=self.restored)

    def holds(self, source: SourceName) -> tuple[Hold, ...]:
        return self.held if source == DC1 else ()

    def unserved(self, service: ServiceName) -> Callable[[], Sequence[Report]]:
        return lambda: self.reported.get(service, ())

    def put(self, service: Service) -> None:
        self.known[service.name] = service


NOTHING = SourceStatistics(0, {}, 0)


@dataclass
class FakeHistory:
    ages: dict[ServiceName, Mapping[EndpointKey, Age]] = field(default_factory=dict)

    def of(self, service: ServiceName) -> Mapping[EndpointKey, Age]:
        return self.ages.get(service, {})


@dataclass
class FakeReadiness:
    silent: dict[SourceName, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return not self.silent

    def waiting(self) -> Mapping[SourceName, str]:
        return self.silent


@dataclass
class FakeReading:
    failures: dict[SourceName, tuple[Failure, ...]] = field(default_factory=dict)
    readings: tuple[ReadingStatus, ...] = ()
    success: float | None = 1_700_000_000.0
    age: float = 2.5

    def status(self, source: SourceName) -> SourceStatus:
        failures = self.failures.get(source, ())
        return SourceStatus(source, failures, self.success, age=self.age, crashes=1, readings=self.readings)


@dataclass
class FakeReloads:
    report: ReloadReport = field(default_factory=lambda: ReloadReport(1_700_000_000.0, None))


@dataclass
class FakeRules:
    services: tuple[ServiceRule, ...] = ()
    views: tuple[ViewRule, ...] = ()
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    written: Mapping[str, object] = field(default_factory=dict)


@dataclass
class FakeStreams:
    connected: list[StreamStatus] = field(default_factory=list)
    named: Mapping[str, tuple[TypeContents, ...]] = field(default_factory=dict)
    """By node id, what its streams ask for and reject."""
    receiving: tuple[Receiver, ...] = ()

    def streams(self) -> Iterator[StreamStatus]:
        return iter(self.connected)

    def contents(self, node: str) -> Sequence[StreamContents]:
        streams = [stream for stream in self.connected if stream.node and stream.node.id == node]
        return [StreamContents(stream, self.named.get(node, ())) for stream in streams]

    def receivers(self, name: str) -> Iterator[Receiver]:
        return iter(self.receiving)

    def load(self) -> Load:
        return Load()


@dataclass
class FakeServing:
    snapshot: Snapshot | None = None
    views: Mapping[str, Snapshot] = field(default_factory=dict)
    """Other views than the default one."""
    other: Sequence[ShownView] = ()
    """All views with their rules, where these matter."""

    def snapshots(self) -> Mapping[str, Snapshot]:
        return {"default": self.snapshot, **self.views} if self.snapshot else dict(self.views)

    def shown(self) -> Sequence[ShownView]:
        return self.other or [ShownView(name, None, "", snapshot) for name, snapshot in self.snapshots().items()]


@dataclass
class FakeInquiry:
    answers: dict[SourceName, Statement | str] = field(default_factory=dict)
    asked: list[Question] = field(default_factory=list)

    async def ask(self, question: Question) -> Mapping[SourceName, Statement | str]:
        self.asked.append(question)
        return self.answers


@dataclass
class FakeReplicas:
    instance: str = "5e1f"
    peers: tuple[PeerStatus, ...] = ()

    def statuses(self) -> Sequence[PeerStatus]:
        return self.peers


@dataclass
class FakeMetrics:
    renderings: int = 0
    threads: set[int] = field(default_factory=set)
    samples: list[Sample] = field(default_factory=list)
    quantile: float | None = None

    def propagation(self, share: float) -> float | None:
        return self.quantile if share == 0.99 else None

    def render(self, sample: Sample) -> bytes:
        self.renderings += 1
        self.samples.append(sample)
        self.threads.add(threading.get_ident())
        return f"services {len(sample.services)}\n".encode()


@dataclass
class FakeOperation:
    """What operators have changed, and a record of what else they ask for."""

    paused_sources: dict[SourceName, Pause] = field(default_factory=dict)
    drained: tuple[Drain, ...] = ()
    aged: frozenset[SourceName] = frozenset()
    asked: list[tuple[object, ...]] = field(default_factory=list)
    failure: Exception | None = None
    unwritten: str = ""
    outcome: ReloadOutcome = field(default_factory=lambda: ReloadOutcome(5.0, ok=True, by="anna", done="reloaded"))

    def paused(self, source: SourceName) -> Pause | None:
        return self.paused_sources.get(source)

    def reported(self, source: SourceName) -> int:
        return 7 if source == DC1 else 0

    def pauses(self) -> Sequence[Pause]:
        return list(self.paused_sources.values())

    def drains(self) -> Sequence[Drain]:
        return self.drained

    def too_old(self) -> frozenset[SourceName]:
        return self.aged

    def pause(self, source: str | None, who: Who) -> Done:
        return self._asked("pause", source, who)

    def resume(self, source: str | None, who: Who) -> Done:
        return self._asked("resume", source, who)

    def drain(self, target: str, length: float, who: Who) -> Done:
        return self._asked("drain", target, length, who)

    def undrain(self, target: str, who: Who) -> Done:
        return self._asked("undrain", target, who)

    def release(self, source: str, who: Who) -> Done:
        return self._asked("release", source, who)

    async def kept(self) -> str:
        return self.unwritten

    async def reload(self, by: str, *, accept_loss: bool) -> ReloadOutcome:
        self.asked.append(("reload", by, accept_loss))
        return self.outcome

    def _asked(self, *what: object) -> Done:
        if self.failure:
            raise self.failure
        self.asked.append(what)
        return Done("done", ("mind the gap",))


def stream(number: int, node: str) -> StreamStatus:
    cluster = TypeStatus(
        type_url=CLUSTER.url,
        names=None,
        version_sent="2",
        version_acked="1",
        rejection="bad",
        since=1.5,
        state=TypeState.ERROR,
    )
    return StreamStatus(
        id=number,
        node=Node(node, "edge"),
        peer=f"ipv4:127.0.0.1:{number}",
        transport="sotw",
        aggregated=True,
        age=10.0,
        types=(cluster,),
        view="views[0]",
    )
