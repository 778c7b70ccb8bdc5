"""Everything the sources have said, by (source, scope, service), and what it amounts to.

The one place where knowledge is kept. It changes only through a `Sink`, so an error, which reaches no sink, cannot
shrink it. Touched on the event loop only.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.adapter import Sink
from bridge.diff import Diff
from bridge.merge import MergePolicy, Origin, Report, Service, merged
from bridge.model import (
    Endpoint,
    EndpointKey,
    Entry,
    Health,
    InstanceId,
    Scope,
    ServiceName,
    SetAside,
    SourceName,
    require_service_name,
)

log = logging.getLogger(__name__)

_NOTHING: frozenset[Entry] = frozenset()


@dataclass(frozen=True, slots=True)
class SourceStatistics:
    """What one source contributes, before sources are merged."""

    services: int
    endpoints: Mapping[Health, int]
    set_aside: int


@dataclass(frozen=True, slots=True)
class ReportedSetAside:
    """An entry that cannot be served, and who reported it."""

    source: SourceName
    scope: Scope
    entry: SetAside


@dataclass(frozen=True, slots=True)
class RefusedService:
    """A service that a source reports under a name that no cluster can have."""

    scope: Scope
    name: ServiceName
    reason: str


@dataclass(slots=True)
class _Part:
    """What one scope of one source says about one service."""

    entries: frozenset[Entry] = _NOTHING
    since: dict[tuple[EndpointKey, InstanceId], float] = field(default_factory=dict)


_Place = tuple[SourceName, Scope]


class Registry:
    """Keeps what each scope of each source last said; `drain` tells what that changed, merged by service."""

    def __init__(
        self,
        sources: Sequence[SourceName],
        policy: Callable[[ServiceName], MergePolicy],
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start empty.

        Args:
            sources: in the order of the configuration, which is their precedence.
            policy: the merge policy of a service.
            clock: Unix time; used for provenance only, never to decide.
            monotonic: seconds that are never set; what policies measure waits with.
        """
        self._rank = {source: rank for rank, source in enumerate(sources)}
        self._policy = policy
        self._clock = clock
        self._monotonic = monotonic
        self._scopes: dict[SourceName, dict[Scope, set[ServiceName]]] = {source: {} for source in sources}
        self._named: dict[SourceName, Counter[ServiceName]] = {source: Counter() for source in sources}
        self._tallies: dict[SourceName, Counter[Health | None]] = {source: Counter() for source in sources}
        self._parts: dict[ServiceName, dict[_Place, _Part]] = {}
        self._services: dict[ServiceName, Service] = {}
        self._refused: dict[_Place, dict[ServiceName, str]] = {}
        self._dirty: dict[ServiceName, None] = {}
        self._due: dict[ServiceName, float] = {}
        self._wake = asyncio.Event()

    def sink(self, source: SourceName) -> Sink:
        """Where `source` puts what it reads."""
        return _SourceSink(self, source)

    async def changed(self) -> None:
        """Wait until there is something that `drain` has yet to merge, and that was not waited for before.

        That is what was reported, and what a policy has to decide anew because its time has come.
        """
        while not self._wake.is_set():
            due = min(self._due.values(), default=None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else max(0.0, due - self._monotonic())):
                    await self._wake.wait()
            self._touch_due()
        self._wake.clear()

    @property
    def dirty(self) -> int:
        """Number of services that `drain` has yet to merge."""
        return len(self._dirty)

    def drain(self, limit: int | None = None) -> Diff[ServiceName, Service]:
        """Merge the services that were touched and tell what is now different, oldest first.

        Args:
            limit: how many services to take; None takes all. A service is always taken whole.
        """
        added: dict[ServiceName, Service] = {}
        changed: dict[ServiceName, Service] = {}
        removed: set[ServiceName] = set()
        for name in list(self._dirty)[:limit]:
            del self._dirty[name]
            self._due.pop(name, None)
            old = self._services.get(name)
            if name not in self._parts:
                if old is not None:
                    del self._services[name]
                    removed.add(name)
                continue
            new = merged(name, list(self._reports(name)), self._policy(name), old, self._monotonic())
            if new.ruling.due is not None:
                self._due[name] = new.ruling.due
            if new != old:
                self._services[name] = new
                (added if old is None else changed)[name] = new
        if not self._dirty:
            self._wake.clear()
        return Diff(added, changed, frozenset(removed))

    def services(self) -> Mapping[ServiceName, Service]:
        """All services as last drained."""
        return self._services

    def set_aside(self, service: ServiceName) -> tuple[ReportedSetAside, ...]:
        """The entries of a service that cannot be served, with who reported them and why."""
        found = [
            ReportedSetAside(source, scope, entry)
            for (source, scope), part in self._parts.get(service, {}).items()
            for entry in part.entries
            if isinstance(entry, SetAside)
        ]
        return tuple(sorted(found, key=lambda each: (each.source, each.scope, each.entry.instance, each.entry.reason)))

    def refused(self, source: SourceName) -> tuple[RefusedService, ...]:
        """The services of a source that cannot be served because of their names, and why."""
        found = [
            RefusedService(scope, name, reason)
            for (owner, scope), reasons in self._refused.items()
            if owner == source
            for name, reason in reasons.items()
        ]
        return tuple(sorted(found, key=lambda each: (each.scope, each.name)))

    def statistics(self, source: SourceName) -> SourceStatistics:
        """Counts of what a source contributes now; kept as it changes, so asking costs nothing."""
        tally = self._tallies[source]
        healths = {health: tally[health] for health in Health if tally[health]}
        return SourceStatistics(len(self._named[source]), healths, tally[None])

    def reported(self, source: SourceName, scope: Scope) -> Mapping[ServiceName, frozenset[Entry]]:
        """What a scope of a source last said, service by service."""
        names = self._scopes[source].get(scope, set())
        return {name: self._parts[name][source, scope].entries for name in names}

    def put(self, place: _Place, service: ServiceName, entries: frozenset[Entry]) -> None:
        """Keep what a scope of a source says about a service; one with an impossible name is refused alone."""
        source, scope = place
        if not self._acceptable(place, service):
            return
        part = self._parts.setdefault(service, {}).get(place)
        if part is None:
            part = self._parts[service][place] = _Part()
            self._scopes[source].setdefault(scope, set()).add(service)
            self._named[source][service] += 1
        elif part.entries == entries:
            return
        self._tallies[source].subtract(map(_kind, part.entries))
        self._tallies[source].update(map(_kind, entries))
        part.since = self._since(part.since, entries)
        part.entries = entries
        self._touch(service)

    def discard(self, place: _Place, service: ServiceName) -> None:
        """Forget a service of a scope of a source; the service is gone when no place names it any more."""
        source, scope = place
        self._forgive(place, service)
        places = self._parts.get(service, {})
        part = places.pop(place, None)
        if part is None:
            return
        self._tallies[source].subtract(map(_kind, part.entries))
        self._named[source] -= Counter([service])
        if not places:
            del self._parts[service]
        names = self._scopes[source][scope]
        names.discard(service)
        if not names:
            del self._scopes[source][scope]
        self._touch(service)

    def names(self, place: _Place) -> frozenset[ServiceName]:
        """The services that a scope of a source last named, those with impossible names included."""
        source, scope = place
        return frozenset(self._scopes[source].get(scope, ())) | self._refused.get(place, {}).keys()

    def _acceptable(self, place: _Place, service: ServiceName) -> bool:
        try:
            require_service_name(service)
        except ValueError as error:
            reasons = self._refused.setdefault(place, {})
            if service not in reasons:
                reasons[service] = str(error)
                source, scope = place
                log.warning("service.refused", extra={"source": source, "scope": scope, "reason": str(error)})
            return False
        return True

    def _forgive(self, place: _Place, service: ServiceName) -> None:
        reasons = self._refused.get(place, {})
        reasons.pop(service, None)
        if not reasons:
            self._refused.pop(place, None)

    def _since(
        self, known: Mapping[tuple[EndpointKey, InstanceId], float], entries: frozenset[Entry]
    ) -> dict[tuple[EndpointKey, InstanceId], float]:
        now = self._clock()
        identities = ((entry.key, entry.instance) for entry in entries if isinstance(entry, Endpoint))
        return {identity: known.get(identity, now) for identity in identities}

    def _touch(self, service: ServiceName) -> None:
        self._dirty[service] = None
        self._wake.set()

    def _touch_due(self) -> None:
        now = self._monotonic()
        for service in [service for service, due in self._due.items() if due <= now]:
            del self._due[service]
            self._touch(service)

    def _reports(self, name: ServiceName) -> Iterator[Report]:
        parts = self._parts[name]
        for place in sorted(parts, key=lambda place: (self._rank[place[0]], place[1])):
            part = parts[place]
            for entry in part.entries:
                if isinstance(entry, Endpoint):
                    since = part.since[entry.key, entry.instance]
                    yield Report(entry, Origin(*place, entry.instance, since))


@dataclass(frozen=True, slots=True)
class _SourceSink:
    """The `Sink` of one source: turns its reads into what the registry keeps."""

    registry: Registry
    source: SourceName

    def replace(
        self,
        scope: Scope,
        services: Mapping[ServiceName, frozenset[Entry]],
        *,
        complete: bool = True,
        removed: frozenset[InstanceId] = frozenset(),
    ) -> None:
        place = (self.source, scope)
        if complete:
            for name, entries in services.items():
                self.registry.put(place, name, entries)
            for name in self.registry.names(place) - services.keys():
                self.registry.discard(place, name)
            return
        known = self.registry.reported(self.source, scope)
        for name in known.keys() | services.keys():
            self.registry.put(place, name, overlay(known.get(name, _NOTHING), services.get(name, _NOTHING), removed))

    def update(self, scope: Scope, service: ServiceName, entries: frozenset[Entry]) -> None:
        self.registry.put((self.source, scope), service, entries)

    def remove(self, scope: Scope, service: ServiceName) -> None:
        self.registry.discard((self.source, scope), service)


def _kind(entry: Entry) -> Health | None:
    """What an entry is counted as: an endpoint by its health, one that is set aside as None."""
    return entry.health if isinstance(entry, Endpoint) else None


def overlay(known: frozenset[Entry], read: frozenset[Entry], removed: frozenset[InstanceId]) -> frozenset[Entry]:
    """What is known after a partial read: everything known, with what was read laid over it.

    An endpoint that was read replaces the known one of the same instance, address and port; whatever was read of an
    instance replaces its known set-aside entries. No endpoint goes but those of the instances that `removed` names.
    """
    read_instances = {entry.instance for entry in read}
    read_endpoints = {(entry.instance, entry.key) for entry in read if isinstance(entry, Endpoint)}

    def survives(entry: Entry) -> bool:
        if isinstance(entry, SetAside):
            return entry.instance not in read_instances
        return (entry.instance, entry.key) not in read_endpoints

    return frozenset(entry for entry in {*filter(survives, known), *read} if entry.instance not in removed)
