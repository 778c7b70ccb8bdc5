"""The policy `weighted`: each source has its share of the requests, however many endpoints it has."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.merge.model import TAKING, Outcome, Policy, Report, Ruling, ServedEndpoint, Share
from bridge.merge.precedence import by_address, ranks
from bridge.model import Health, SourceName

_ALL = 3 << 30
"""What the weights of the endpoints that take the requests of a priority add up to; so large that rounding to whole
numbers is no matter, and small enough for the sum of all weights to stay below 2³²."""

_FEW = _ALL >> 8
"""The same for degraded endpoints beside healthy ones. Envoy picks among the degraded alone, as far as too few are
healthy, and among all in a panic only, where these must hardly count."""

_CLASS = {Health.HEALTHY: 0, Health.UNKNOWN: 0, Health.DEGRADED: 1, Health.UNHEALTHY: 2, Health.DRAINING: 3}
"""Who takes the requests: those of the lowest class that there is."""

Weights = Mapping[SourceName, int]


@dataclass(frozen=True, slots=True)
class Weighted:
    """Scales the weights of endpoints so that each source has its share (a `MergePolicy`).

    Shares are among the sources that have a healthy endpoint (`HEALTHY`, `UNKNOWN`): the part of the others is theirs.
    A weight of 0, also that of a source that has none in the configuration, makes the source's endpoints drain. An
    address that several sources report belongs to the first of them whose weight is not 0.
    """

    weights: tuple[tuple[SourceName, int], ...]
    leaving: tuple[tuple[SourceName, int], ...] = ()
    """Of sources that are about to go and have none in the configuration any more; for as long as they report."""

    def __call__(self, reports: Sequence[Report], _before: Ruling | None = None, _now: float = 0.0) -> Outcome:
        """The endpoints of all sources, weighted."""
        rank, weights, leaving = ranks(reports), dict(self.weights), dict(self.leaving)
        of_all = {source: weights.get(source, leaving.get(source, 0)) for source in (*weights, *rank)}
        order = {source: place + len(rank) * (not of_all[source]) for source, place in rank.items()}
        endpoints = [_drained(each, of_all) for each in by_address(reports, order)]
        counting = {each.origins[0].role for each in endpoints if each.endpoint.health in TAKING}
        shares = tuple(Share(source, weight, weight > 0 and source in counting) for source, weight in of_all.items())
        return Outcome(weigh(endpoints, shares), Ruling(Policy.WEIGHTED, shares=shares))


def weigh(endpoints: Sequence[ServedEndpoint], shares: Iterable[Share]) -> tuple[ServedEndpoint, ...]:
    """The endpoints with weights that give each source its share, in each priority by itself.

    Within a source, endpoints keep the proportions of their own weights. Endpoints that Envoy picks in a panic only,
    beside others that take requests, get next to nothing: the shares hold then too.
    """
    weights = {share.source: share.weight for share in shares}
    classes: dict[int, tuple[list[int], ...]] = {}
    for place, each in enumerate(endpoints):
        classes.setdefault(each.priority, ([], [], [], []))[_CLASS[each.endpoint.health]].append(place)
    found = [1] * len(endpoints)
    for of_priority in classes.values():
        takes = next(number for number, places in enumerate(of_priority) if places)
        _spread(_ALL, of_priority[takes], endpoints, weights, found)
        if takes < _CLASS[Health.DEGRADED]:
            _spread(_FEW, of_priority[_CLASS[Health.DEGRADED]], endpoints, weights, found)
    return tuple(
        ServedEndpoint(each.endpoint, each.origins, each.priority, weight, each.reported)
        for each, weight in zip(endpoints, found, strict=True)
    )


def _drained(served: ServedEndpoint, weights: Weights) -> ServedEndpoint:
    if weights[served.origins[0].role]:
        return served
    return replace(served, endpoint=replace(served.endpoint, health=Health.DRAINING))


def _spread(
    total: int, places: Sequence[int], endpoints: Sequence[ServedEndpoint], weights: Weights, found: list[int]
) -> None:
    """Divide the total among the endpoints at these places, by the weights of their sources and then by their own."""
    own: dict[SourceName, int] = {}
    for place in places:
        source = endpoints[place].origins[0].role
        own[source] = own.get(source, 0) + endpoints[place].endpoint.weight
    whole = sum(weights[source] for source in own)
    for place in places if whole else ():
        source = endpoints[place].origins[0].role
        part = total * weights[source] * endpoints[place].endpoint.weight
        found[place] = max(1, round(part / (whole * own[source])))
