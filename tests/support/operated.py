"""A guarded registry of two sources with the operator's hand on it, whose clocks the test moves."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bridge.adapter import Sink
from bridge.clock import Clock
from bridge.merge import MergePolicy, union
from bridge.model import EndpointKey, Health, InstanceId, ServiceName, SourceName
from bridge.operator import Action, Drain, Drains, Hand, Pauses, Who
from bridge.restoration import Restoration
from bridge.state.codec import Encoder, decode
from support.guarded import DC1, GUARDED, SCOPE, WEB, World, entries

ANNA = Who("anna", uid=1000, gid=100, pid=42, door="/run/admin.sock")


@dataclass
class RecordingAudit:
    """Remembers what it is told."""

    records: list[tuple[Action, str, str, Mapping[str, object]]] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    """The drains that ended by themselves."""

    def record(self, action: Action, subject: str, who: Who, detail: Mapping[str, object]) -> None:
        self.records.append((action, subject, who.user, detail))

    def expired(self, drain: Drain) -> None:
        self.over.append(str(drain.target))

    @property
    def actions(self) -> list[tuple[Action, str]]:
        return [(action, subject) for action, subject, _, _ in self.records]


class Operated:
    """One process: what is known, and what an operator does with it."""

    def __init__(
        self,
        *,
        time: float = 1_000_000.0,
        max_age: float = 24 * 3600.0,
        policy: MergePolicy = union,
        retention: float = 0.0,
    ) -> None:
        clock = Clock(lambda: self.world.time, lambda: self.world.time)
        self.drains = Drains(clock.wall, clock.monotonic)
        self.world = World(replace(GUARDED, amend=self.drains.amend, retention=retention), time=time, policy=policy)
        self.registry = self.world.registry
        self.caught_up: list[SourceName] = []
        self.pauses = Pauses(self.registry, clock.wall, self._caught_up)
        self.restoration = Restoration(self.registry, clock, max_age, self.pauses, self.drains)
        self.audit = RecordingAudit()
        self.hand = Hand(self.registry, self.pauses, self.drains, self.restoration, self.audit)

    def sink(self, source: SourceName = DC1) -> Sink:
        return self.pauses.sink(source)

    def read(
        self,
        services: Mapping[ServiceName, Iterable[int]],
        *,
        source: SourceName = DC1,
        complete: bool = True,
        removed: Iterable[int] = (),
    ) -> None:
        """One read of a scope; a complete one is all that the source has to tell."""
        read = {name: entries(numbers) for name, numbers in services.items()}
        ended = frozenset(InstanceId(f"i{number}") for number in removed)
        self.sink(source).replace(SCOPE, read, complete=complete, removed=ended)
        if complete:
            self.spoken(source)
        self.registry.drain()

    def spoken(self, source: SourceName = DC1) -> None:
        for observer in (self.pauses, self.restoration):
            observer.succeeded(source, "")

    def later(self, seconds: float) -> None:
        """Time goes by, and what is due is done."""
        self.world.time += seconds
        self.hand.expire()
        self.registry.drain()

    def served(self, service: ServiceName = WEB) -> set[EndpointKey]:
        return self.world.served(service)

    def healths(self, service: ServiceName = WEB) -> dict[str, tuple[Health, Health | None]]:
        """As served, and as reported where that is another."""
        endpoints = self.registry.services()[service].endpoints
        return {str(each.endpoint.key): (each.endpoint.health, each.reported) for each in endpoints}

    def _caught_up(self, source: SourceName) -> None:
        self.caught_up.append(source)
        self.restoration.succeeded(source, "")


def restarted(operated: Operated, *, after: float = 60.0, retention: float = 0.0) -> Operated:
    """A new process that begins with what the other one kept."""
    written = json.loads(b"".join(Encoder().encode(operated.restoration.current())))
    following = Operated(time=operated.world.time + after, retention=retention)
    following.restoration.restore(decode(written))
    following.registry.drain()
    return following
