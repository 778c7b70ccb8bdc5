"""What lists and pictures need to know of each service, worked out once for as long as the service stays the same.

Beside the pages and not in them, because `/api/v1/services` needs the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridge.merge import Service, Standing
from bridge.model import Health, ServiceName, SourceName

HEALTHS = tuple(health.value for health in Health)

_EACH = tuple(Health)
_HEALTHY, _UNKNOWN = _EACH.index(Health.HEALTHY), _EACH.index(Health.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Tally:
    """Endpoints counted by health, in the order of `Health`."""

    counts: tuple[int, ...] = (0,) * len(HEALTHS)

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts)

    @property
    def healthy(self) -> int:
        """Those that Envoy counts as healthy: what nobody knows of is."""
        return self.counts[_HEALTHY] + self.counts[_UNKNOWN]

    def of(self, health: str) -> int:
        """Those of one health."""
        return self.counts[HEALTHS.index(health)]

    def parts(self) -> list[tuple[str, int]]:
        """Each health of which there is one, with how many."""
        return [(health, count) for health, count in zip(HEALTHS, self.counts, strict=True) if count]


def together(tallies: Iterable[Tally]) -> Tally:
    """All of them as one."""
    columns = zip(Tally().counts, *(tally.counts for tally in tallies), strict=True)
    return Tally(tuple(map(sum, columns)))


def tally(service: Service) -> Tally:
    """The endpoints of a service."""
    return _tallied([served.endpoint.health for served in service.endpoints])


@dataclass(frozen=True, slots=True)
class Digest:
    """A service in a few numbers."""

    name: ServiceName
    tally: Tally
    by_source: Mapping[SourceName, Tally]
    """Of the endpoints that are served on the word of each source."""
    sources: frozenset[SourceName]
    """Everybody who reports an endpoint that is served."""
    zones: frozenset[str]
    held: int
    restored: int
    drained: int
    shared: int
    """Addresses that several sources report."""


class Digests:
    """Remembers what was worked out of services; those are immutable, so the same object has the same digest."""

    def __init__(self) -> None:
        self._known: Mapping[ServiceName, tuple[Service, Digest]] = {}

    def of(self, services: Iterable[Service]) -> list[Digest]:
        """The digest of each service, by name. For any thread: what is remembered is replaced as a whole."""
        before, known = self._known, {}
        for service in services:
            found = before.get(service.name)
            known[service.name] = found if found and found[0] is service else (service, digest(service))
        self._known = known
        return [known[name][1] for name in sorted(known)]


def digest(service: Service) -> Digest:
    """A service in a few numbers."""
    # In one go and without a Counter, because the first page after a start needs this of every service.
    by_source: dict[SourceName, list[Health]] = {}
    standings: list[Standing] = []
    sources: set[SourceName] = set()
    zones: set[str] = set()
    drained = shared = 0
    for served in service.endpoints:
        first, *others = served.origins
        by_source.setdefault(first.source, []).append(served.endpoint.health)
        standings.append(first.standing)
        sources.add(first.source)
        zones.add(served.endpoint.locality.zone)
        drained += served.reported is not None
        if others:
            reporters = {origin.source for origin in served.origins}
            sources |= reporters
            shared += len(reporters) > 1
    tallies = {source: _tallied(healths) for source, healths in by_source.items()}
    return Digest(
        name=service.name,
        tally=next(iter(tallies.values())) if len(tallies) == 1 else together(tallies.values()),
        by_source=tallies,
        sources=frozenset(sources),
        zones=frozenset(zones - {""}),
        held=standings.count(Standing.HELD),
        restored=standings.count(Standing.RESTORED),
        drained=drained,
        shared=shared,
    )


def _tallied(healths: Sequence[Health]) -> Tally:
    return Tally(tuple(map(healths.count, _EACH)))
