"""What goes into a merge and what comes out of it, as values."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bridge.model import Endpoint, Health, InstanceId, Scope, ServiceName, SourceName, UpstreamProtocol

TAKING = frozenset({Health.HEALTHY, Health.UNKNOWN})
"""What Envoy counts as healthy: `UNKNOWN` too."""

AVAILABLE = TAKING | {Health.DEGRADED}
"""What Envoy sends requests to before it panics."""


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
    stands_for: SourceName | None = None
    """The source in whose place it counts, where that is another one."""

    @property
    def role(self) -> SourceName:
        """The source that policies take it for."""
        return self.stands_for or self.source


@dataclass(frozen=True, slots=True)
class Report:
    """One endpoint as one source reports it."""

    endpoint: Endpoint
    origin: Origin
    reported: Health | None = None
    """What the source says of its health, where an operator's word counts and not the source's; else None."""


@dataclass(frozen=True, slots=True)
class ServedEndpoint:
    """An endpoint as it is to be served, and everybody who reported it; the first origin's word counts."""

    endpoint: Endpoint
    origins: tuple[Origin, ...]
    priority: int = 0
    weight: int | None = None
    """The weight to be served in place of its own, where the policy sets shares; 1 to 2³² - 1."""
    reported: Health | None = None
    """As in the report whose word counts."""


class Policy(StrEnum):
    """The merge policies an operator can choose from."""

    UNION = "union"
    FAILOVER = "failover"
    WEIGHTED = "weighted"
    FIRST = "first"


@dataclass(frozen=True, slots=True)
class Share:
    """The part of the requests that the operator wants a source to have."""

    source: SourceName
    weight: int
    """As configured; 0 for a source that reports the service and is not in the configuration's `weights`."""
    counts: bool
    """Whether it is in force. If not, the source has no endpoint that takes requests, and the others have its part."""

    @property
    def in_force(self) -> int:
        """The weight that counts now."""
        return self.weight if self.counts else 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A source of which one alone is served."""

    source: SourceName
    endpoints: int
    """Addresses that it reports."""
    available: int
    """Of these, how many are healthy, degraded or of unknown health."""


@dataclass(frozen=True, slots=True)
class Return:
    """A source that goes before the one that is served, is available again, and has to stay so for a while."""

    source: SourceName
    due: float
    """When it is served, on the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a policy decided about a service, as far as its endpoints do not show it."""

    policy: Policy
    shares: tuple[Share, ...] = ()
    """Of `weighted`: those of the configuration in its order, then those of other sources that report the service."""
    candidates: tuple[Candidate, ...] = ()
    """Of `first`: the sources that report an endpoint, in their precedence."""
    chosen: SourceName | None = None
    """Of `first`: the one that is served; None while there is none."""
    returning: tuple[Return, ...] = ()
    """Of `first`: sources that will be served in place of the chosen one."""

    @property
    def due(self) -> float | None:
        """When it has to be decided anew although nothing changes, on the monotonic clock; None for never."""
        return min((each.due for each in self.returning), default=None)

    @property
    def heard(self) -> tuple[SourceName, ...]:
        """Of `weighted` and `first`: the sources that requests go to."""
        chosen = () if self.chosen is None else (self.chosen,)
        return (*(share.source for share in self.shares if share.counts), *chosen)

    @property
    def diverted(self) -> bool:
        """Whether requests go elsewhere than the operator would have them when all is well."""
        counting = {share.counts for share in self.shares if share.weight}
        return len(counting) > 1 or (bool(self.candidates) and self.chosen != self.candidates[0].source)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy makes of the reports."""

    endpoints: tuple[ServedEndpoint, ...]
    """Sorted by (address, port), each key once."""
    ruling: Ruling


@dataclass(frozen=True, slots=True)
class Vote:
    """That a source asks for a protocol, at one address of a service or more."""

    protocol: UpstreamProtocol
    source: SourceName


@dataclass(frozen=True, slots=True)
class Service:
    """A service as it is to be served: the merged view of all sources."""

    name: ServiceName
    endpoints: tuple[ServedEndpoint, ...] = ()
    """Sorted by (address, port), each key once."""
    protocol: UpstreamProtocol | None = None
    """What the endpoints last agreed on; None while none of them ever said."""
    votes: frozenset[Vote] = frozenset()
    """Who asks for which protocol, while they disagree."""
    ruling: Ruling = Ruling(Policy.UNION)
    """By which policy, and what it decided."""

    @property
    def disputed(self) -> frozenset[UpstreamProtocol]:
        """The protocols that endpoints ask for while they disagree."""
        return frozenset(vote.protocol for vote in self.votes)


class MergePolicy(Protocol):
    """What is served of the reports about one service. Pure: the same arguments give the same outcome."""

    def __call__(self, reports: Sequence[Report], before: Ruling | None = None, now: float = 0.0, /) -> Outcome:
        """Merge.

        Args:
            reports: grouped by source, sources in the order of the configuration.
            before: what was decided the last time; None the first time.
            now: seconds on the monotonic clock.
        """
