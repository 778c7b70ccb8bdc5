"""All parts of all sources, with what is counted of them; every change of one goes through here."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from bridge.clock import Clock, Moment
from bridge.merge import Report, Service
from bridge.model import EndpointKey, Entry, InstanceId, Scope, ServiceName, SetAside, SourceName
from bridge.registry.causes import Causes
from bridge.registry.moves import Keeper, Moves
from bridge.registry.part import NOTHING, Identity, Kept, Part
from bridge.registry.scribe import Scribe
from bridge.registry.sink import NOBODY, Place
from bridge.registry.source import Source

MOVED = "it was missing, and its address appeared in another service"


@dataclass(frozen=True, slots=True)
class ReportedSetAside:
    """An entry that cannot be served, and who reported it."""

    source: SourceName
    scope: Scope
    entry: SetAside


class Parts:
    """Keeps what each scope of each source says about each service."""

    def __init__(self, sources: Mapping[SourceName, Source], clocks: Clock, scribe: Scribe) -> None:
        """Start empty.

        Args:
            sources: who may say something; each keeps its counts.
            clocks: when it is said.
            scribe: writes down what happens.
        """
        self.sources = sources
        self.clocks = clocks
        self.scribe = scribe
        self.touched: dict[ServiceName, None] = {}
        """Services of which something has changed, in the order in which it did; for the registry to take."""
        self.unjudged: dict[SourceName, None] = {}
        """Sources of which something has changed since their losses were judged."""
        self.causes = Causes()
        self._parts: dict[ServiceName, dict[Place, Part]] = {}
        self._moves = Moves()

    def __contains__(self, service: ServiceName) -> bool:
        return service in self._parts

    def all(self) -> Iterator[tuple[Place, ServiceName, Part]]:
        """Every part."""
        return ((place, service, part) for service, parts in self._parts.items() for place, part in parts.items())

    def copies(self, services: int) -> Iterator[list[tuple[Place, ServiceName, Part]]]:
        """Copies of every part, of so many services at a time; anything may change between two of these."""
        names = list(self._parts)
        for start in range(0, len(names), services):
            parts = ((name, self._parts.get(name, {})) for name in names[start : start + services])
            yield [(place, name, part.snapshot()) for name, places in parts for place, part in places.items()]

    def known(self, place: Place, service: ServiceName) -> bool:
        """Whether there is a part."""
        return place in self._parts.get(service, {})

    def services(self, place: Place) -> frozenset[ServiceName]:
        """The services that a scope of a source names, or of which something is kept."""
        source, scope = place
        return frozenset(self.sources[source].scopes.get(scope, ()))

    def named(self, place: Place) -> Iterator[ServiceName]:
        """The services that a scope of a source names."""
        source, scope = place
        return (name for name in self.sources[source].scopes.get(scope, ()) if self._parts[name][place].named)

    def entries(self, place: Place, service: ServiceName) -> frozenset[Entry]:
        """What a scope of a source last said about a service that it names."""
        return self._parts[service][place].entries

    def reports(self, service: ServiceName) -> Iterator[Report]:
        """All that is to be served of a service, sources in the order of the configuration."""
        return (report for place, part in self._ordered(service) for report in part.reports(*place))

    def unserved(self, service: Service) -> Callable[[], list[Report]]:
        """How to find, in another thread, what is reported at this moment and is not in a service."""
        said = [(place, part.snapshot()) for place, part in self._ordered(service.name)]

        def find() -> list[Report]:
            served = {(each.endpoint.address, each.endpoint.port) for each in service.endpoints}
            return [report for place, part in said for report in part.without(served).reports(*place)]

        return find

    def at(self, key: EndpointKey) -> Iterator[ServiceName]:
        """The services of which somebody reports an endpoint with this address and port, served or not."""
        for service, parts in self._parts.items():
            if any(endpoint.key == key for part in parts.values() for endpoint, _, _ in part.endpoints()):
                yield service

    def set_aside(self, service: ServiceName) -> tuple[ReportedSetAside, ...]:
        """The entries of a service that cannot be served, with who reported them and why."""
        found = [
            ReportedSetAside(source, scope, entry)
            for (source, scope), part in self._parts.get(service, {}).items()
            for entry in part.entries
            if isinstance(entry, SetAside)
        ]
        return tuple(sorted(found, key=lambda each: (each.source, each.scope, each.entry.instance, each.entry.reason)))

    def set_aside_counts(self) -> Mapping[ServiceName, Mapping[SourceName, int]]:
        """How many entries of each service cannot be served, by source; looks only where a source has any."""
        counts: dict[ServiceName, dict[SourceName, int]] = {}
        for source in self.sources.values():
            for (_, scope), service in self._of(source) if source.statistics.set_aside else ():
                entries = self._parts[service][source.name, scope].entries
                if count := sum(isinstance(entry, SetAside) for entry in entries):
                    of_service = counts.setdefault(service, {})
                    of_service[source.name] = of_service.get(source.name, 0) + count
        return counts

    def keepers(self, source: Source) -> list[Keeper]:
        """The parts of a source that keep something."""
        return [((source.name, scope), service) for scope, service in source.keeping]

    def kept_in(self, keeper: Keeper) -> Mapping[Identity, Kept]:
        """The endpoints of a part that are served although its last read does not show them."""
        place, service = keeper
        return self._parts[service][place].kept

    def kept(self, source: Source) -> Iterator[tuple[Keeper, Kept]]:
        """Every endpoint of a source that is served although its last read does not show it."""
        for keeper in self.keepers(source):
            for kept in self.kept_in(keeper).values():
                yield keeper, kept

    def put(
        self,
        place: Place,
        service: ServiceName,
        entries: frozenset[Entry],
        ended: Collection[InstanceId],
        *,
        complete: bool,
    ) -> None:
        """Keep what a scope of a source says about a service."""
        source, scope = place
        self.sources[source].untold.discard((scope, service))
        part = self._parts.get(service, {}).get(place)
        if part is None:
            part = self.join(place, service, Part())
        elif part.entries == entries and part.named and part.settled(ended, complete=complete):
            return
        part.named = True
        self._take((place, service), entries, ended, complete=complete)

    def discard(self, place: Place, service: ServiceName, ended: Collection[InstanceId] = NOBODY) -> None:
        """Have a scope no longer name a service."""
        part = self._parts.get(service, {}).get(place)
        if part is None or (not part.named and part.settled(ended, complete=True)):
            return
        part.named = False
        self._take((place, service), NOTHING, ended, complete=True)

    def end(self, place: Place, service: ServiceName, ended: Collection[InstanceId]) -> None:
        """Let go of what has ended of a service that a scope of a source no longer names."""
        part = self._parts.get(service, {}).get(place)
        if part is not None and not part.settled(ended, complete=False):
            self._take((place, service), part.entries, ended, complete=False)

    def join(self, place: Place, service: ServiceName, part: Part) -> Part:
        """Have one more part."""
        source, scope = place
        self._parts.setdefault(service, {})[place] = part
        self.sources[source].join(scope, service)
        return part

    def suspend(self, source: Source) -> None:
        """Keep what a source says until it has been read anew."""
        source.suspend(self.clocks.now())
        for keeper in self._of(source):
            (_, scope), service = keeper
            with self.changing(keeper) as part:
                part.suspend()
            if part.named:
                source.untold.add((scope, service))

    def forget(self, source: Source, why: str) -> None:
        """Have nothing of a source any more."""
        for keeper in self._of(source):
            with self.changing(keeper) as part:
                gone = part.forget()
            self.scribe.removed(keeper, gone, why)
        self.unjudged.pop(source.name, None)

    def touch_all(self) -> None:
        """Have every service merged anew, and every loss judged anew."""
        self.touched.update(dict.fromkeys(self._parts))
        self.unjudged.update(dict.fromkeys(self.sources))

    def _of(self, source: Source) -> list[Keeper]:
        return [((source.name, scope), service) for scope, names in source.scopes.items() for service in sorted(names)]

    def drop(self, source: Source, goes: Callable[[Keeper, Kept], bool], why: str, *, excused: bool = False) -> int:
        """Stop keeping some endpoints of a source; returns how many.

        Args:
            source: whose.
            goes: whether an endpoint that is kept there is one of them.
            why: for the trail.
            excused: whether they do not count as lost.
        """
        return self._drop(self.keepers(source), goes, why, excused=excused)

    def _drop(
        self, keepers: Collection[Keeper], goes: Callable[[Keeper, Kept], bool], why: str, *, excused: bool
    ) -> int:
        """The same, in some parts."""
        total = 0
        for keeper in sorted(each for each in keepers if any(goes(each, kept) for kept in self.kept_in(each).values())):
            with self.changing(keeper) as part:
                dropped = part.drop(partial(goes, keeper))
            if excused:
                self.sources[keeper[0][0]].excuse(dropped)
            self.scribe.removed(keeper, [kept.endpoint for kept in dropped], why)
            total += len(dropped)
        return total

    def drop_moved(self, source: Source) -> None:
        """Stop keeping endpoints whose address was given to somebody else meanwhile, who has it still."""

        def moved(keeper: Keeper, kept: Kept) -> bool:
            owner = self._moves.owner(keeper, kept)
            if owner is None:
                return False
            place, service = owner
            part = self._parts.get(service, {}).get(place)
            return part is not None and any(key == kept.endpoint.key for key, _ in part.since)

        self._drop(self._moves.suspects(source.name), moved, MOVED, excused=True)

    @contextmanager
    def changing(self, keeper: Keeper) -> Iterator[Part]:
        """Change a part: its counts are kept, its service is merged anew, and what went missing of it is judged."""
        place, service = keeper
        (name, scope), part = place, self._parts[service][place]
        source = self.sources[name]
        source.discount(scope, service, part)
        self._moves.unkeep(keeper, part)
        yield part
        source.count(scope, service, part)
        self._moves.keep(keeper, part)
        self.touched[service] = None
        self.unjudged[name] = None
        if not part.named and not part.kept:
            source.leave(scope, service)
            del self._parts[service][place]
            if not self._parts[service]:
                del self._parts[service]

    def _take(
        self, keeper: Keeper, entries: frozenset[Entry], ended: Collection[InstanceId], *, complete: bool
    ) -> None:
        now = self.clocks.now()
        self.causes.note(keeper[1], keeper[0][0], now.monotonic)
        with self.changing(keeper) as part:
            known, kept = part.entries, part.kept
            before = {key for key, _ in (*part.since, *kept)}
            gone = part.take(entries, ended, now, complete=complete)
            arrived = {key for key, _ in part.since} - before
        self.scribe.read(keeper, known, kept, entries, complete=complete)
        self.scribe.removed(keeper, [kept.endpoint for kept in gone.ended], "the source named it as ended")
        self.scribe.removed(keeper, gone.replaced, "another instance has its address now")
        if gone.ended:
            self._excuse(keeper, gone.ended, now)
        for other in self._moves.arrive(keeper, arrived, now):
            (owner, _), kept_for = other
            here = kept_for == keeper[1]  # in another scope of the same source, so it is served all the same
            with self.changing(other) as part:
                dropped = part.drop(
                    lambda kept, here=here: (here or kept.missing is not None) and kept.endpoint.key in arrived  # type: ignore[misc]
                )
            self.scribe.removed(other, [kept.endpoint for kept in dropped], MOVED)
            self.sources[owner].excuse(dropped)

    def _ordered(self, service: ServiceName) -> list[tuple[Place, Part]]:
        """Its parts, sources in the order of the configuration."""
        parts = self._parts.get(service, {})
        return sorted(parts.items(), key=lambda found: (self.sources[found[0][0]].rank, found[0][1]))

    def _excuse(self, keeper: Keeper, ended: Collection[Kept], now: Moment) -> None:
        """Do not count as lost what has ended; and nor a service of which that was all."""
        place, service = keeper
        source = self.sources[place[0]]
        source.excuse(ended, now)
        part = self._parts.get(service, {}).get(place)
        if part is None or not (part.since or part.kept):
            source.guard.excuse_service()
