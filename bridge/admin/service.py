"""`/api/v1/services/NAME`: everything about one service, its endpoints some at a time."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridge.admin import query
from bridge.admin.document import EndpointDocument, SetAsideDocument, endpoint, set_aside
from bridge.admin.ruling import MergeDocument, merge
from bridge.admin.summary import disputed
from bridge.history import Age
from bridge.merge import ServedEndpoint, Service
from bridge.model import EndpointKey
from bridge.operator import parse_key
from bridge.registry import ReportedSetAside

LIMIT = 500
"""How many endpoints are shown at most; what follows is asked for with `after`."""


@dataclass(frozen=True, slots=True)
class ServiceDocument:
    """`/api/v1/services/NAME`."""

    name: str
    protocol: str | None
    disputed: tuple[str, ...]
    merge: MergeDocument
    """Of all endpoints."""
    total: int
    """How many endpoints it has."""
    endpoints: tuple[EndpointDocument, ...]
    """Those that are asked for, by address and port."""
    after: str | None
    """What to ask for to have the next ones; null where these are the last."""
    set_aside: tuple[SetAsideDocument, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """One service at one moment; nothing in it changes."""

    service: Service
    set_aside: Sequence[ReportedSetAside]
    ages: Mapping[EndpointKey, Age]
    now: float
    """Seconds on the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which of its endpoints are asked for."""

    after: EndpointKey | None = None
    limit: int = LIMIT


def parse(parameters: Sequence[tuple[str, str]]) -> Query:
    """What a query says.

    Raises:
        WrongQueryError: something is not understood; the message names it, and what there is instead.
    """
    given = query.given(parameters, ("after", "limit"))
    after = parse_key(given["after"]) if "after" in given else None
    if "after" in given and after is None:
        raise query.WrongQueryError(f"after: {given['after'][: query.SHOWN]!r} is not the `after` of an answer")
    return Query(after, query.number(given, "limit", 1, LIMIT) or LIMIT)


def found(known: Known, asked: Query) -> ServiceDocument:
    """The service with the endpoints that are asked for; work for a thread."""
    endpoints = known.service.endpoints
    first = bisect_right(endpoints, asked.after, key=_key) if asked.after else 0
    end = first + asked.limit
    return document(known, endpoints[first:end], str(_key(endpoints[end - 1])) if end < len(endpoints) else None)


def document(known: Known, shown: Iterable[ServedEndpoint], after: str | None = None) -> ServiceDocument:
    """Everything about a service, with those of its endpoints."""
    service = known.service
    return ServiceDocument(
        name=service.name,
        protocol=service.protocol.value if service.protocol else None,
        disputed=disputed(service),
        merge=merge(service, known.now),
        total=len(service.endpoints),
        endpoints=tuple(endpoint(each, known.ages.get(each.endpoint.key)) for each in shown),
        after=after,
        set_aside=tuple(map(set_aside, known.set_aside)),
    )


def _key(served: ServedEndpoint) -> EndpointKey:
    return served.endpoint.key
