"""The sources in the order of the configuration: who wins an address, and the policies that need no more than that."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bridge.merge.model import Outcome, Policy, Report, Ruling, ServedEndpoint
from bridge.model import Endpoint, EndpointKey, Health, SourceName

# Within one source the healthiest report of an address wins: a crashed registration that was replaced by a new one on
# the same port must not take traffic away from it.
_PREFERENCE = {
    health: rank
    for rank, health in enumerate((Health.HEALTHY, Health.UNKNOWN, Health.DEGRADED, Health.UNHEALTHY, Health.DRAINING))
}
_UNION, _FAILOVER = Ruling(Policy.UNION), Ruling(Policy.FAILOVER)


def ranks(reports: Sequence[Report]) -> dict[SourceName, int]:
    """The sources that report something, each with its place among them."""
    found: dict[SourceName, int] = {}
    for report in reports:
        found.setdefault(report.origin.role, len(found))
    return found


def by_address(reports: Sequence[Report], rank: Mapping[SourceName, int]) -> tuple[ServedEndpoint, ...]:
    """Each address and port once, sorted; the source with the lowest rank wins, and all others are remembered."""
    found: dict[EndpointKey, list[Report]] = {}
    for report in reports:
        found.setdefault(report.endpoint.key, []).append(report)
    return tuple(_served(found[key], rank) for key in sorted(found))


def union(reports: Sequence[Report], _before: Ruling | None = None, _now: float = 0.0) -> Outcome:
    """Every endpoint of every source; of one address the first source in the configuration wins (a `MergePolicy`)."""
    return Outcome(by_address(reports, ranks(reports)), _UNION)


def failover(reports: Sequence[Report], _before: Ruling | None = None, _now: float = 0.0) -> Outcome:
    """As `union`, and the place of an endpoint's source is its priority in Envoy (a `MergePolicy`).

    Envoy goes over to the next priority as far as the endpoints of one are not healthy.
    https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
    """
    rank = ranks(reports)
    merged = by_address(reports, rank)
    return Outcome(tuple(replace(each, priority=rank[each.origins[0].role]) for each in merged), _FAILOVER)


def _served(reports: list[Report], rank: Mapping[SourceName, int]) -> ServedEndpoint:
    if len(reports) > 1:
        reports = sorted(
            reports,
            key=lambda report: (
                rank[report.origin.role],
                _PREFERENCE[report.endpoint.health],
                report.origin.scope,
                report.origin.instance,
                _text(report.endpoint),
            ),
        )
    first = reports[0]
    return ServedEndpoint(first.endpoint, tuple(report.origin for report in reports), reported=first.reported)


def _text(endpoint: Endpoint) -> str:
    """Orders what nothing else does: a source that says two things of one instance must not be served by chance."""
    return repr((endpoint.weight, endpoint.locality, endpoint.metadata, endpoint.protocol))
