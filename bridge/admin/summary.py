"""`/api/v1/services`: a line for each service, with who rules it and what is odd about it. Times are Unix seconds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bridge.admin.digest import HEALTHS, Digest, Digests
from bridge.admin.ruling import MergedSource, conflicts, decided_by, sources
from bridge.admin.view import View
from bridge.config import ServiceRule, UnmatchedGlob, ViewRule, first_match, unmatched
from bridge.merge import Service
from bridge.model import MAX_SERVICE_NAME, Endpoint, Health, ServiceName, SourceName


@dataclass(frozen=True, slots=True)
class Shared:
    """Addresses that several sources report; which they are is in `/api/v1/services/NAME`."""

    won: str
    lost: tuple[str, ...]
    endpoints: int
    example: str
    """The first of them."""
    decided_by: str
    """The rule, in words."""


@dataclass(frozen=True, slots=True)
class ServiceSummary:
    """One of `/api/v1/services`, sorted by name."""

    name: str
    endpoints: Mapping[str, int]
    """By health."""
    sources: tuple[str, ...]
    """Who reports an endpoint of it that is served."""
    policy: str
    """By which its sources are merged."""
    rule: str | None
    """The place in the configuration that says so, such as `services[0]`; null where none does and it is `union`."""
    match: str | None
    """The glob there."""
    diverted: bool
    merged: tuple[MergedSource, ...]
    """What the policy makes of each source."""
    shared: tuple[Shared, ...]
    """Conflicts about addresses."""
    protocol: str | None
    disputed: tuple[str, ...]
    """The protocols that its endpoints ask for while they disagree; `protocol` is what they last agreed on."""
    asked_by: Mapping[str, tuple[str, ...]]
    """Of each of these, the sources that ask for it."""
    paused: tuple[str, ...]
    """Those of its sources that an operator has paused."""
    held: int
    """Endpoints that their source no longer reports, and that the guard does not let go."""
    restored: int
    """Endpoints known from an earlier process, whose source has not been read since."""
    drained: int
    """Endpoints that get no new requests because an operator said so."""
    set_aside: int
    """Entries that cannot be served."""
    retained_until: float | None
    """When its cluster goes, which is empty because no source names it any more; null while one does."""


@dataclass(frozen=True, slots=True)
class RefusedDocument:
    """A service under a name that no cluster can have; nothing of it is served."""

    source: str
    scope: str
    name: str
    """The beginning of it, where it is too long."""
    reason: str


@dataclass(frozen=True, slots=True)
class ServicesDocument:
    """`/api/v1/services`."""

    services: tuple[ServiceSummary, ...]
    refused: tuple[RefusedDocument, ...]
    """By source, in the order of the configuration, scope and name."""
    unmatched: tuple[UnmatchedGlob, ...]
    """Globs of the configuration that no service matches."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is summed up, at one moment; nothing in it changes."""

    services: Sequence[Service]
    rules: Sequence[ServiceRule]
    views: Sequence[ViewRule]
    refused: tuple[RefusedDocument, ...]
    set_aside: Mapping[ServiceName, Mapping[SourceName, int]]
    retained: Mapping[ServiceName, float]
    paused: frozenset[SourceName]


_HEALTHS = tuple((health, health.value) for health in Health)


def observe(view: View) -> Known:
    """The services of this moment, without working much out. On the event loop only."""
    rules, knowledge = view.rules(), view.knowledge
    return Known(
        services=tuple(knowledge.services().values()),
        rules=rules.services,
        views=rules.views,
        refused=tuple(_refused(view)),
        set_aside=knowledge.set_aside_counts(),
        retained=knowledge.retained(),
        paused=frozenset(pause.source for pause in view.operation.pauses()),
    )


class Summaries:
    """Remembers the lines: services do not change, so the same object has the same line. For any thread.

    Args:
        digests: what others have worked out too.
    """

    def __init__(self, digests: Digests) -> None:
        self._digests = digests
        self._lines: Mapping[ServiceName, tuple[Service, object, ServiceSummary]] = {}

    def document(self, known: Known, now: float) -> ServicesDocument:
        """A line for each service; `now` is the time on the monotonic clock."""
        services = sorted(known.services, key=lambda service: service.name)
        idle = unmatched(known.rules, known.views, [service.name for service in services])
        before, lines = self._lines, {}
        for service, digest in zip(services, self._digests.of(services), strict=True):
            rest = (known.rules, known.paused, known.set_aside.get(service.name), known.retained.get(service.name))
            line = before.get(service.name)
            same = line and line[0] is service and line[1] == rest and not service.ruling.returning
            lines[service.name] = line if line and same else (service, rest, _summary(service, digest, known, now))
        self._lines = lines  # replaced as a whole
        return ServicesDocument(tuple(line[2] for line in lines.values()), known.refused, tuple(idle))


def document(known: Known, now: float) -> ServicesDocument:
    """A line for each service; `now` is the time on the monotonic clock."""
    return Summaries(Digests()).document(known, now)


def by_health(endpoints: Iterable[Endpoint]) -> Mapping[str, int]:
    """How many endpoints are of each health."""
    found = [endpoint.health for endpoint in endpoints]
    return {name: found.count(health) for health, name in _HEALTHS}


def disputed(service: Service) -> tuple[str, ...]:
    """The protocols that its endpoints do not agree on."""
    return tuple(sorted(protocol.value for protocol in service.disputed)) if service.votes else ()


def _refused(view: View) -> Iterator[RefusedDocument]:
    for listed in view.sources():
        for each in view.knowledge.refused(listed.name):
            yield RefusedDocument(listed.name, each.scope, each.name[:MAX_SERVICE_NAME], each.reason)


def _summary(service: Service, digest: Digest, known: Known, now: float) -> ServiceSummary:
    rule = first_match(known.rules, service.name)
    return ServiceSummary(
        name=service.name,
        endpoints=dict(zip(HEALTHS, digest.tally.counts, strict=True)),
        sources=tuple(sorted(digest.sources)),
        policy=service.ruling.policy.value,
        rule=None if rule is None else f"services[{rule}]",
        match=None if rule is None else known.rules[rule].match,
        diverted=service.ruling.diverted,
        merged=sources(service, digest, now),
        shared=tuple(_shared(service)) if digest.shared else (),
        protocol=service.protocol.value if service.protocol else None,
        disputed=disputed(service),
        asked_by=_asked_by(service),
        paused=tuple(sorted(digest.sources & known.paused)),
        held=digest.held,
        restored=digest.restored,
        drained=digest.drained,
        set_aside=sum(known.set_aside.get(service.name, {}).values()),
        retained_until=known.retained.get(service.name),
    )


def _asked_by(service: Service) -> Mapping[str, tuple[str, ...]]:
    return {
        protocol: tuple(sorted(vote.source for vote in service.votes if vote.protocol.value == protocol))
        for protocol in disputed(service)
    }


def _shared(service: Service) -> Iterator[Shared]:
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for each in conflicts(service):
        found.setdefault((each.won, each.lost), []).append(str(each.key))
    for (won, lost), keys in found.items():
        yield Shared(won, lost, len(keys), keys[0], decided_by(service.ruling.policy))
