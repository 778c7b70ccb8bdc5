"""How the reports of several sources about one service become one set of endpoints.

A policy is a pure function from the reports, in the order of the sources in the configuration, to what is served.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bridge.model import (
    Endpoint,
    EndpointKey,
    Health,
    InstanceId,
    Scope,
    ServiceName,
    SourceName,
    UpstreamProtocol,
)


class Standing(StrEnum):
    """What the word of a source rests on."""

    REPORTED = "reported"
    """It is in what was last read."""
    HELD = "held"
    """It is missing in what was last read, and the guard does not believe that it is gone."""
    RESTORED = "restored"
    """It is known from an earlier process; there was no read since."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who says that an endpoint exists, and since when."""

    source: SourceName
    scope: Scope
    instance: InstanceId
    since: float
    """Unix time at which this source first reported this endpoint for this service, without a gap since."""
    standing: Standing = Standing.REPORTED


@dataclass(frozen=True, slots=True)
class Report:
    """One endpoint as one source reports it."""

    endpoint: Endpoint
    origin: Origin


@dataclass(frozen=True, slots=True)
class ServedEndpoint:
    """An endpoint as it is to be served, and everybody who reported it; the first origin's word counts."""

    endpoint: Endpoint
    origins: tuple[Origin, ...]
    priority: int = 0
    reported: Health | None = None
    """What the source says of its health, where an operator's word counts and not the source's; else None."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service as it is to be served: the merged view of all sources."""

    name: ServiceName
    endpoints: tuple[ServedEndpoint, ...] = ()
    """Sorted by (address, port), each key once."""
    protocol: UpstreamProtocol | None = None
    """What the endpoints last agreed on; None while none of them ever said."""
    disputed: frozenset[UpstreamProtocol] = frozenset()
    """The protocols that endpoints ask for while they disagree."""


class Policy(StrEnum):
    """The merge policies an operator can choose from."""

    UNION = "union"


MergePolicy = Callable[[Sequence[Report]], tuple[ServedEndpoint, ...]]

# Within one source the healthiest report of an address wins: a crashed registration that was replaced by a new one on
# the same port must not take traffic away from it.
_PREFERENCE = {
    health: rank
    for rank, health in enumerate((Health.HEALTHY, Health.UNKNOWN, Health.DEGRADED, Health.UNHEALTHY, Health.DRAINING))
}


def union(reports: Sequence[Report]) -> tuple[ServedEndpoint, ...]:
    """Every endpoint of every source, each address and port once; the first source in the configuration wins.

    Args:
        reports: grouped by source, sources in the order of the configuration.
    """
    rank: dict[SourceName, int] = {}
    for report in reports:
        rank.setdefault(report.origin.source, len(rank))
    by_key: dict[EndpointKey, list[Report]] = {}
    for report in reports:
        by_key.setdefault(report.endpoint.key, []).append(report)
    return tuple(_served(by_key[key], rank) for key in sorted(by_key))


def _served(reports: list[Report], rank: Mapping[SourceName, int]) -> ServedEndpoint:
    if len(reports) > 1:
        reports = sorted(
            reports,
            key=lambda report: (
                rank[report.origin.source],
                _PREFERENCE[report.endpoint.health],
                report.origin.scope,
                report.origin.instance,
                _text(report.endpoint),
            ),
        )
    return ServedEndpoint(reports[0].endpoint, tuple(report.origin for report in reports))


def _text(endpoint: Endpoint) -> str:
    """Orders what nothing else does: a source that says two things of one instance must not be served by chance."""
    return repr((endpoint.weight, endpoint.locality, endpoint.metadata, endpoint.protocol))


POLICIES: Mapping[Policy, MergePolicy] = {Policy.UNION: union}
