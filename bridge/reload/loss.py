"""What a reload would take from the Envoys: counted before anything is changed, by pure functions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bridge.config import ALL, ViewMatch, ViewRule
from bridge.merge import Service
from bridge.model import EndpointKey, ServiceName, SourceName
from bridge.registry import Part
from bridge.views import chosen, selected
from xds import Client

NAMED = 20
"""Lines of what is lost that are told; the others are counted."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What would be lost of a source or of a view."""

    of: str
    """Which, for people."""
    clusters: int
    all_clusters: int
    endpoints: int
    all_endpoints: int
    named: tuple[str, ...]
    """What is lost, sorted."""

    def exceeds(self, share: float) -> bool:
        """Whether more than a share of the clusters or of the endpoints would go."""
        return self.clusters > share * self.all_clusters or self.endpoints > share * self.all_endpoints

    def lines(self) -> Iterator[str]:
        """The loss as an operator reads it."""
        clusters, endpoints = f"{self.clusters} of {self.all_clusters}", f"{self.endpoints} of {self.all_endpoints}"
        yield f"{self.of} would lose {clusters} clusters and {endpoints} endpoints:"
        for name in self.named[:NAMED]:
            yield f"  {name}"
        if len(self.named) > NAMED:
            yield f"  … and {len(self.named) - NAMED} more"


class Contribution(NamedTuple):
    """What a source says, whatever others say."""

    services: frozenset[ServiceName]
    endpoints: frozenset[tuple[ServiceName, EndpointKey]]


class Rules(NamedTuple):
    """Who sees what."""

    rules: Sequence[ViewRule]
    required: bool
    """Whether a client that none is for sees nothing."""


def contributions(parts: Iterable[tuple[SourceName, ServiceName, Part]]) -> dict[SourceName, Contribution]:
    """What each source says, put together from what each of its scopes says of each service."""
    services: dict[SourceName, set[ServiceName]] = {}
    endpoints: dict[SourceName, set[tuple[ServiceName, EndpointKey]]] = {}
    for source, service, part in parts:
        services.setdefault(source, set()).add(service)
        found = endpoints.setdefault(source, set())
        found.update((service, endpoint.key) for endpoint, _, _ in part.endpoints())
    return {name: Contribution(frozenset(services[name]), frozenset(endpoints[name])) for name in services}


def of_sources(
    known: Mapping[SourceName, Contribution], removed: Iterable[SourceName], remaining: Iterable[SourceName]
) -> list[Loss]:
    """What the end of each source would take that no remaining one reports."""
    stay = [known[name] for name in remaining if name in known]
    services = frozenset[ServiceName]().union(*(each.services for each in stay))
    endpoints = frozenset[tuple[ServiceName, EndpointKey]]().union(*(each.endpoints for each in stay))
    losses = []
    for name in removed:
        has = known.get(name, Contribution(frozenset(), frozenset()))
        gone, lost = has.services - services, has.endpoints - endpoints
        named = [f"{service} {key}" for service, key in lost]
        named += [f"{service} (the cluster)" for service in gone - {service for service, _ in lost}]
        losses.append(
            Loss(
                f'source "{name}"',
                len(gone),
                len(has.services),
                len(lost),
                len(has.endpoints),
                tuple(sorted(named)),
            )
        )
    return losses


def of_views(
    services: Mapping[ServiceName, Service], old: Rules, new: Rules, clients: Iterable[Client]
) -> Iterator[Loss]:
    """What the Envoys of each view would lose: by the rules themselves, and for each of those that are there."""
    for position, globs in sorted(_moves(old, new, clients), key=str):
        name, before = "default", ALL
        if position is not None:
            name, before = f"views[{position}]", old.rules[position].services
        seen = {service: found for service, found in services.items() if selected(before, service)}
        lost = {service: found for service, found in seen.items() if not selected(globs, service)}
        yield Loss(
            f"the view {name}",
            len(lost),
            len(seen),
            _endpoints(lost),
            _endpoints(seen),
            tuple(sorted(f"{service} ({len(found.endpoints)} endpoints)" for service, found in lost.items())),
        )


def _moves(old: Rules, new: Rules, clients: Iterable[Client]) -> set[tuple[int | None, tuple[str, ...]]]:
    """From which view to the sight of which services there is a way."""
    moves: set[tuple[int | None, tuple[str, ...]]] = set()
    for position, rule in enumerate(old.rules):
        heirs = (number for number, other in enumerate(new.rules) if other.match == rule.match)
        anybody = (number for number, other in enumerate(new.rules) if other.match == ViewMatch())
        moves.add((position, _globs(new, next(heirs, next(anybody, None)))))
    for client in clients:
        moves.add((chosen(old.rules, client), _globs(new, chosen(new.rules, client))))
    return moves


def _globs(rules: Rules, position: int | None) -> tuple[str, ...]:
    if position is not None:
        return rules.rules[position].services
    return () if rules.required else ALL


def _endpoints(services: Mapping[ServiceName, Service]) -> int:
    return sum(len(service.endpoints) for service in services.values())
