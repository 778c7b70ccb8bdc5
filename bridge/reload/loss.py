"""What a reload would take from the Envoys, and what of it is too much: pure functions, before anything is changed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bridge.config import ALL, GuardConfig, ViewRule
from bridge.model import EndpointKey, ServiceName, SourceName
from bridge.reload.forecast import Forecast, Known, Served
from bridge.views import chosen, everybody, heir, selected
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


class Limits(NamedTuple):
    """How much may go without a question."""

    max_loss: float
    """Share of the clusters or endpoints of a source or of a view."""
    min_endpoints: int
    """A source with fewer may go whole, if every view keeps enough."""


class Rules(NamedTuple):
    """Who sees what."""

    rules: Sequence[ViewRule]
    required: bool
    """Whether a client that none is for sees nothing."""


def stricter(one: GuardConfig, other: GuardConfig) -> Limits:
    """What both agree to: a configuration is no judge of what it takes itself."""
    return Limits(min(one.max_loss, other.max_loss), min(one.min_endpoints, other.min_endpoints))


def excessive(sources: Iterable[Loss], views: Iterable[Loss], limits: Limits) -> list[Loss]:
    """The losses that are too much. However small a view is, it counts: that is all that its Envoys have."""
    large = [loss for loss in sources if loss.all_endpoints >= limits.min_endpoints]
    return [loss for loss in (*large, *views) if loss.exceeds(limits.max_loss)]


def contributions(known: Iterable[Known]) -> dict[SourceName, Contribution]:
    """What each source says, put together from what each of its scopes says of each service."""
    services: dict[SourceName, set[ServiceName]] = {}
    endpoints: dict[SourceName, set[tuple[ServiceName, EndpointKey]]] = {}
    for (source, _), service, part in known:
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


def of_views(forecast: Forecast, old: Rules, new: Rules, clients: Iterable[Client]) -> Iterator[Loss]:
    """What the Envoys of each view would lose: by the rules themselves, and for each of those that are there."""
    for position, globs in sorted(_moves(old, new, clients), key=str):
        name, before = "default", ALL
        if position is not None:
            name, before = f"views[{position}]", old.rules[position].services
        seen, left = _seen(forecast.before, before), _seen(forecast.after, globs)
        lost = {service: keys - left.get(service, frozenset()) for service, keys in seen.items()}
        gone = seen.keys() - left.keys()
        yield Loss(
            f"the view {name}",
            len(gone),
            len(seen),
            sum(map(len, lost.values())),
            sum(map(len, seen.values())),
            tuple(
                f"{service} ({len(lost[service])}{'' if service in gone else f' of {len(seen[service])}'} endpoints)"
                for service in sorted(seen)
                if service in gone or lost[service]
            ),
        )


def _moves(old: Rules, new: Rules, clients: Iterable[Client]) -> set[tuple[int | None, tuple[str, ...]]]:
    """From which view to the sight of which services there is a way.

    Envoys need not be there to count: they reconnect, or ask by REST. One that no rule is for may fall under a new rule
    only if it is for everybody, as far as is known of it.
    """
    moves: set[tuple[int | None, tuple[str, ...]]] = set()
    matches = [rule.match for rule in old.rules]
    for position, match in enumerate(matches):
        if not any(other == match or everybody(other) for other in matches[:position]):  # or it is for nobody
            moves.add((position, _globs(new, heir(new.rules, match))))
    if not old.required and not any(map(everybody, matches)):
        moves.add((None, _globs(new, heir(new.rules, None))))
    for client in clients:
        moves.add((chosen(old.rules, client), _globs(new, chosen(new.rules, client))))
    return moves


def _globs(rules: Rules, position: int | None) -> tuple[str, ...]:
    if position is not None:
        return rules.rules[position].services
    return () if rules.required else ALL


def _seen(served: Served, globs: Sequence[str]) -> Served:
    return {service: keys for service, keys in served.items() if selected(globs, service)}
