"""The policy `weighted`: each source has its share of the requests, however many endpoints it has."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.merge.model import TAKING, Outcome, Policy, Report, Ruling, ServedEndpoint, Share
from bridge.merge.precedence import by_address, ranks
from bridge.model import EndpointKey, Health, SourceName

_ALL = 3 << 30
"""What the weights of the endpoints that take the requests of a priority add up to; so large that rounding to whole
numbers is no matter, and small enough for the sum of all weights to stay below 2³²."""

_FEW = _ALL >> 8
"""The same for degraded endpoints beside healthy ones. Envoy picks among the degraded alone, as far as too few are
healthy, and among all in a panic only, where these must hardly count."""

_CLASSES = (TAKING, frozenset({Health.DEGRADED}), frozenset({Health.UNHEALTHY}), frozenset({Health.DRAINING}))

Weights = Mapping[SourceName, int]


@dataclass(frozen=True, slots=True)
class Weighted:
    """Scales the weights of endpoints so that each source has its share (a `MergePolicy`).

    Shares are among the sources that have a healthy endpoint (`HEALTHY`, `UNKNOWN`): the part of the others is theirs.
    A weight of 0, also that of a source that has none in the configuration, makes the source's endpoints drain. An
    address that several sources report belongs to the first of them whose weight is not 0.
    """

    weights: tuple[tuple[SourceName, int], ...]

    def __call__(self, reports: Sequence[Report], _before: Ruling | None = None, _now: float = 0.0) -> Outcome:
        """The endpoints of all sources, weighted."""
        rank, weights = ranks(reports), dict(self.weights)
        of_all = {source: weights.get(source, 0) for source in (*weights, *rank)}
        order = {source: place + len(rank) * (not of_all[source]) for source, place in rank.items()}
        endpoints = [_drained(each, of_all) for each in by_address(reports, order)]
        counting = {each.origins[0].source for each in endpoints if each.endpoint.health in TAKING}
        shares = tuple(Share(source, weight, weight > 0 and source in counting) for source, weight in of_all.items())
        return Outcome(weigh(endpoints, shares), Ruling(Policy.WEIGHTED, shares=shares))


def weigh(endpoints: Sequence[ServedEndpoint], shares: Iterable[Share]) -> tuple[ServedEndpoint, ...]:
    """The endpoints with weights that give each source its share, in each priority by itself.

    Within a source, endpoints keep the proportions of their own weights. Endpoints that Envoy picks in a panic only,
    beside others that take requests, get next to nothing: the shares hold then too.
    """
    weights = {share.source: share.weight for share in shares}
    found: dict[EndpointKey, int] = {}
    for priority in {each.priority for each in endpoints}:
        found.update(_scaled([each for each in endpoints if each.priority == priority], weights))
    return tuple(replace(each, weight=found[each.endpoint.key]) for each in endpoints)


def _drained(served: ServedEndpoint, weights: Weights) -> ServedEndpoint:
    if weights[served.origins[0].source]:
        return served
    return replace(served, endpoint=replace(served.endpoint, health=Health.DRAINING))


def _scaled(endpoints: Sequence[ServedEndpoint], weights: Weights) -> dict[EndpointKey, int]:
    found: dict[EndpointKey, int] = {}
    for healths in _CLASSES:
        members = [each for each in endpoints if each.endpoint.health in healths]
        total = _ALL if not found else _FEW if Health.DEGRADED in healths else 0
        found.update(_spread(members, weights, total))
    return found


def _spread(endpoints: Sequence[ServedEndpoint], weights: Weights, total: int) -> dict[EndpointKey, int]:
    """The total divided among endpoints, by the weights of their sources and then by their own; to none nothing."""
    own: dict[SourceName, int] = {}
    for each in endpoints:
        source = each.origins[0].source
        own[source] = own.get(source, 0) + each.endpoint.weight
    whole = sum(weights[source] for source in own) or 1
    return {
        each.endpoint.key: max(1, round(total * weights[source] * each.endpoint.weight / (whole * own[source])))
        for each in endpoints
        for source in [each.origins[0].source]
    }
