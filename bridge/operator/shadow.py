"""What a source says while nobody listens: kept apart, so that what is served stays as it was, and told again later.

Not a registry of its own: that would merge, count and keep what is missing, and nobody would ask it for that.
"""

from collections.abc import Collection, Iterator, Mapping

from bridge.adapter import Sink
from bridge.model import Endpoint, Entry, InstanceId, Scope, ServiceName, SourceName
from bridge.registry import NOBODY, Place, Said


class Shadow:
    """Keeps what one source says, for its sink (`registry.SourceSink`), in the place of the registry."""

    def __init__(self, said: Said) -> None:
        """Begin with what the source last said: what follows may be changes alone."""
        self._said = {scope: dict(services) for scope, services in said.items()}
        self._dropped: dict[Scope, set[ServiceName]] = {}
        """Services that their scope has no longer named, though it may name them again."""
        self._before = {scope: frozenset(_instances(services)) for scope, services in said.items()}
        self._ended: dict[Scope, set[InstanceId]] = {}
        self._partial: set[tuple[Scope, ServiceName]] = set()
        """Services of which no read has told everything."""
        self._doubts: dict[Scope | None, tuple[str, bool]] = {}
        """Why absences mean nothing, and whether data seems to be lost; the latter also when that is over."""
        self._lost: dict[Scope, set[InstanceId]] = {}
        """Who was there when data seemed to be lost."""
        self._trusted: dict[Scope | None, None] = {}
        """Where they mean something again."""
        self.spoken = False
        """Whether the source has told of everything that it has."""

    @property
    def endpoints(self) -> int:
        """How many endpoints the source reports now."""
        entries = (entry for services in self._said.values() for found in services.values() for entry in found)
        return sum(isinstance(entry, Endpoint) for entry in entries)

    def put(
        self,
        place: Place,
        service: ServiceName,
        entries: frozenset[Entry],
        *,
        complete: bool = True,
        ended: Collection[InstanceId] = NOBODY,
    ) -> None:
        """Keep what a scope says about a service."""
        _, scope = place
        services = self._said.setdefault(scope, {})
        if complete:
            self._partial.discard((scope, service))
        elif service not in services:
            self._partial.add((scope, service))
        services[service] = entries
        self._end(scope, ended)
        for each in (scope, None):
            if each in self._trusted and each in self._doubts and not self._lacks(each):
                del self._doubts[each]

    def discard(self, place: Place, service: ServiceName, ended: Collection[InstanceId] = NOBODY) -> None:
        """Have a scope no longer name a service."""
        _, scope = place
        self._said.setdefault(scope, {}).pop(service, None)
        self._partial.discard((scope, service))
        self._dropped.setdefault(scope, set()).add(service)
        self._end(scope, ended)

    def end(self, place: Place, service: ServiceName, ended: Collection[InstanceId]) -> None:
        """Keep what has ended of a service that a scope does not name."""
        self._end(place[1], ended)

    def names(self, place: Place) -> frozenset[ServiceName]:
        """The services that a scope names."""
        return frozenset(self._said.get(place[1], ()))

    def reported(self, source: SourceName, scope: Scope) -> Mapping[ServiceName, frozenset[Entry]]:
        """What a scope says."""
        return dict(self._said.get(scope, {}))

    def doubt(self, source: SourceName, scope: Scope | None, reason: str, *, lost: bool) -> None:
        """Keep that absences mean nothing, or that they do again."""
        if lost:
            for each in self._said if scope is None else [scope]:
                there = self._before.get(each, NOBODY).union(_instances(self._said.get(each, {})))
                self._lost.setdefault(each, set()).update(there)
        if reason:
            self._doubts[scope] = (reason, lost or self._doubts.get(scope, ("", False))[1])
            self._trusted.pop(scope, None)
            return
        self._trusted[scope] = None
        if scope in self._doubts and not (self._doubts[scope][1] and self._lacks(scope)):
            del self._doubts[scope]

    def tell(self, sink: Sink) -> None:
        """Say all of it to somebody else, one read for each scope, and one more for what was never read completely.

        Doubts go before what they are about, and end after it: what came back is no longer missing then.
        """
        for scope, (reason, lost) in self._doubts.items():
            sink.doubt(scope, reason, lost=lost)
        for scope, services in self._said.items():
            self._tell(sink, scope, services)
        for scope in self._trusted:
            sink.doubt(scope, "")

    def _tell(self, sink: Sink, scope: Scope, services: Mapping[ServiceName, frozenset[Entry]]) -> None:
        if ended := frozenset(self._ended.get(scope, ())):
            sink.replace(scope, {}, complete=False, removed=ended)  # before the rest, for some may have come back
        partial = {name: found for name, found in services.items() if (scope, name) in self._partial}
        if not partial:
            sink.replace(scope, services)
            return
        # No read has told everything of the scope, so what else is known of it stays.
        for name in self._dropped.get(scope, set()) - (services.keys() - partial.keys()):
            sink.remove(scope, name)
        for name in services.keys() - partial.keys():
            sink.update(scope, name, services[name])
        sink.replace(scope, partial, complete=False)

    def _lacks(self, scope: Scope | None) -> bool:
        """Whether somebody is missing there who was there when data seemed to be lost."""
        scopes = self._lost if scope is None else [scope]
        return any(self._lost.get(each, set()) - set(_instances(self._said.get(each, {}))) for each in scopes)

    def _end(self, scope: Scope, ended: Collection[InstanceId]) -> None:
        """Remember who has ended: only of those that were there, for nobody else will be missed."""
        if known := self._before.get(scope, NOBODY).intersection(ended):
            self._ended.setdefault(scope, set()).update(known)


def _instances(services: Mapping[ServiceName, frozenset[Entry]]) -> Iterator[InstanceId]:
    return (entry.instance for entries in services.values() for entry in entries)
