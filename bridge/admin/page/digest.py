"""What lists and pictures need to know of each service, worked out once for as long as the service stays the same."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bridge.merge import Service, Standing
from bridge.model import Health, ServiceName

HEALTHS = tuple(health.value for health in Health)


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
        return self.of(Health.HEALTHY.value) + self.of(Health.UNKNOWN.value)

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
    counts = Counter(served.endpoint.health.value for served in service.endpoints)
    return Tally(tuple(counts[health] for health in HEALTHS))


@dataclass(frozen=True, slots=True)
class Digest:
    """A service in a few numbers."""

    name: ServiceName
    tally: Tally
    by_source: Mapping[str, Tally]
    """Of the endpoints that are served on the word of each source."""
    sources: frozenset[str]
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
    by_source: dict[str, Counter[str]] = {}
    standings: Counter[Standing] = Counter()
    for served in service.endpoints:
        first = served.origins[0]
        by_source.setdefault(first.source, Counter())[served.endpoint.health.value] += 1
        standings[first.standing] += 1
    tallies = {source: Tally(tuple(counts[health] for health in HEALTHS)) for source, counts in by_source.items()}
    reporters = [{origin.source for origin in served.origins} for served in service.endpoints]
    return Digest(
        name=service.name,
        tally=together(tallies.values()),
        by_source=tallies,
        sources=frozenset().union(*reporters),
        zones=frozenset(served.endpoint.locality.zone for served in service.endpoints if served.endpoint.locality.zone),
        held=standings[Standing.HELD],
        restored=standings[Standing.RESTORED],
        drained=sum(served.reported is not None for served in service.endpoints),
        shared=sum(len(each) > 1 for each in reporters),
    )
