"""The `Sink` of one source: turns its reads into what the registry keeps."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from bridge.model import Endpoint, Entry, InstanceId, Scope, ServiceName, SetAside, SourceName
from bridge.registry.part import NOTHING

Place = tuple[SourceName, Scope]

Said = Mapping[Scope, Mapping[ServiceName, frozenset[Entry]]]
"""What a source says: by scope, what it says of each service that it names there."""

NOBODY: frozenset[InstanceId] = frozenset()


class Keeping(Protocol):
    """What a sink needs of the registry."""

    def put(
        self,
        place: Place,
        service: ServiceName,
        entries: frozenset[Entry],
        *,
        complete: bool = True,
        ended: Collection[InstanceId] = NOBODY,
    ) -> None:
        """Keep what a place says about a service."""

    def discard(self, place: Place, service: ServiceName, ended: Collection[InstanceId] = NOBODY) -> None:
        """Have a place no longer name a service."""

    def end(self, place: Place, service: ServiceName, ended: Collection[InstanceId]) -> None:
        """Let go of instances that have ended, of a service that a place no longer names."""

    def names(self, place: Place) -> frozenset[ServiceName]:
        """The services that a place last named."""

    def reported(self, source: SourceName, scope: Scope) -> Mapping[ServiceName, frozenset[Entry]]:
        """What a place last said."""

    def doubt(self, source: SourceName, scope: Scope | None, reason: str, *, lost: bool) -> None:
        """Whether absences in what a source says mean nothing."""


@dataclass(frozen=True, slots=True)
class SourceSink:
    """Where one source puts what it reads; see `Sink`."""

    registry: Keeping
    source: SourceName

    def replace(
        self,
        scope: Scope,
        services: Mapping[ServiceName, frozenset[Entry]],
        *,
        complete: bool = True,
        removed: frozenset[InstanceId] = NOBODY,
    ) -> None:
        """Take one read of a scope."""
        place = (self.source, scope)
        if complete:
            for name, entries in services.items():
                self.registry.put(place, name, entries, ended=removed)
            for name in self.registry.names(place) - services.keys():
                self.registry.discard(place, name, removed)
            return
        known = self.registry.reported(self.source, scope)
        for name in self.registry.names(place) | services.keys():
            if name not in known and name not in services:
                self.registry.end(place, name, removed)
                continue
            entries = overlay(known.get(name, NOTHING), services.get(name, NOTHING), removed)
            self.registry.put(place, name, entries, complete=False, ended=removed)

    def update(self, scope: Scope, service: ServiceName, entries: frozenset[Entry]) -> None:
        """Take all entries of one service of a scope."""
        self.registry.put((self.source, scope), service, entries)

    def remove(self, scope: Scope, service: ServiceName) -> None:
        """Take that a service of a scope no longer exists."""
        self.registry.discard((self.source, scope), service)

    def doubt(self, scope: Scope | None, reason: str, *, lost: bool = False) -> None:
        """Take that absences mean nothing for now, or that they do again."""
        self.registry.doubt(self.source, scope, reason, lost=lost)


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
