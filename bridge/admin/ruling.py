"""How the sources of a service were merged, for the HTTP API: who rules, who won, and who has which share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bridge.admin.digest import Digest, Tally, digest
from bridge.merge import Policy, Ruling, Service
from bridge.model import EndpointKey, SourceName

_WINNERS: Mapping[Policy, str] = MappingProxyType(
    {
        Policy.WEIGHTED: "the first source whose weight is not 0 wins an address",
        Policy.FIRST: "the source that is served wins an address",
    }
)


@dataclass(frozen=True, slots=True)
class MergedSource:
    """One of the sources of a service, and what the policy makes of it. What another policy would say is null."""

    source: str
    endpoints: int
    """Served on its word."""
    priority: int | None
    """`failover`: its priority in Envoy."""
    weight: int | None
    """`weighted`: as configured."""
    share: float | None
    """`weighted`: its part of the requests now, 0 to 1."""
    given_away: float | None
    """`weighted`: how much of the requests it should have had and others have, because it has no healthy endpoint."""
    available: int | None
    """`first`: how many of its endpoints could take requests, served or not."""
    chosen: bool | None
    """`first`: whether it is the one that is served."""
    returns_in: float | None
    """`first`: seconds until it is served in place of the chosen one, if it stays available."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """An address that several sources report."""

    address: str
    port: int
    won: str
    lost: tuple[str, ...]

    @property
    def key(self) -> EndpointKey:
        """The address and port."""
        return EndpointKey(self.address, self.port)


@dataclass(frozen=True, slots=True)
class MergeDocument:
    """How the reports of several sources became one service."""

    policy: str
    diverted: bool
    """Whether a source gave its share away (`weighted`), or another than the first source is served (`first`)."""
    sources: tuple[MergedSource, ...]
    conflicts: tuple[Conflict, ...]
    """By address and port."""
    decided_by: str
    """The rule by which somebody wins an address, in words."""


def merge(service: Service, now: float) -> MergeDocument:
    """How a service was merged; `now` is the time on the monotonic clock."""
    ruling = service.ruling
    return MergeDocument(
        policy=ruling.policy.value,
        diverted=ruling.diverted,
        sources=sources(service, digest(service), now),
        conflicts=tuple(conflicts(service)),
        decided_by=decided_by(ruling.policy),
    )


def sources(service: Service, digest: Digest, now: float) -> tuple[MergedSource, ...]:
    """What the policy makes of each source; `now` is the time on the monotonic clock."""
    return tuple(_source(each, service, digest, now) for each in _sources(service, digest))


def conflicts(service: Service) -> Iterator[Conflict]:
    """The addresses that several sources report."""
    for each in service.endpoints:
        if len(each.origins) < 2:  # nearly always
            continue
        won, *others = dict.fromkeys(origin.source for origin in each.origins)
        if others:
            yield Conflict(each.endpoint.address, each.endpoint.port, won, tuple(others))


def decided_by(policy: Policy) -> str:
    """Who wins an address that several sources report."""
    return _WINNERS.get(policy, "the source that stands first in the configuration wins an address")


def _sources(service: Service, digest: Digest) -> list[SourceName]:
    """In the order of the ruling where it has one, else by name."""
    ruling = service.ruling
    ruled = [*(share.source for share in ruling.shares), *(each.source for each in ruling.candidates)]
    return [*ruled, *sorted(digest.sources - {*ruled})]


def _source(source: SourceName, service: Service, digest: Digest, now: float) -> MergedSource:
    ruling = service.ruling
    ranked = service.endpoints if ruling.policy is Policy.FAILOVER else ()
    weight, share, given_away = _share(source, ruling)
    return MergedSource(
        source=source,
        endpoints=digest.by_source.get(source, Tally()).total,
        priority=next((each.priority for each in ranked if each.origins[0].source == source), None),
        weight=weight,
        share=share,
        given_away=given_away,
        available=next((each.available for each in ruling.candidates if each.source == source), None),
        chosen=source == ruling.chosen if ruling.candidates else None,
        returns_in=next((max(0.0, each.due - now) for each in ruling.returning if each.source == source), None),
    )


def _share(source: SourceName, ruling: Ruling) -> tuple[int | None, float | None, float | None]:
    """Its weight, its share in force, and the share it gave away."""
    own = next((share for share in ruling.shares if share.source == source), None)
    if own is None:
        return None, None, None
    configured = sum(share.weight for share in ruling.shares)
    in_force = sum(share.in_force for share in ruling.shares)
    return own.weight, own.in_force / (in_force or 1), (own.weight - own.in_force) / configured
