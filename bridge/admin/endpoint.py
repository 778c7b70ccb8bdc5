"""`/api/v1/endpoints`: the endpoints of all services, those that are asked for, some at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bridge.admin import document, query
from bridge.admin.view import View
from bridge.history import Age
from bridge.merge import Policy, ServedEndpoint, Service, Standing
from bridge.model import Endpoint, EndpointKey, Health, ServiceName, SourceName
from bridge.operator import Drain, parse_key
from bridge.problem import nearest

LIMIT = 500
"""How many are shown at most; what follows is asked for with `after`."""

_PARAMETERS = ("service", "source", "zone", "health", "after", "limit")

_Place = tuple[str, EndpointKey]


@dataclass(frozen=True, slots=True)
class ListedEndpoint:
    """An endpoint of a service, and what is behind its health."""

    service: str
    endpoint: document.EndpointDocument
    why: str
    """Why it is not healthy, as far as that is known, and what else is odd about it; empty where there is nothing."""


@dataclass(frozen=True, slots=True)
class EndpointsDocument:
    """`/api/v1/endpoints`, by service, address and port."""

    endpoints: tuple[ListedEndpoint, ...]
    after: str | None
    """What to ask for to have the next page; null on the last one."""
    set_aside: int
    """Entries of the service that is asked for, or of all, that cannot be served; `/api/v1/explain` says why."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which endpoints are asked for; an empty text asks for all."""

    service: str = ""
    source: str = ""
    zone: str = ""
    health: str = ""
    after: _Place | None = None
    limit: int = LIMIT

    def matches(self, served: ServedEndpoint) -> bool:
        """Whether an endpoint is asked for, whatever its service."""
        return (
            self.health in ("", served.endpoint.health.value)
            and self.zone in ("", served.endpoint.locality.zone)
            and (not self.source or any(origin.source == self.source for origin in served.origins))
        )


@dataclass(frozen=True, slots=True)
class Known:
    """What is looked through, at one moment; nothing in it changes."""

    services: Mapping[ServiceName, Service]
    sources: frozenset[str]
    drains: Mapping[str, Drain]
    """By what is drained."""
    ages: Mapping[ServiceName, Mapping[EndpointKey, Age]]
    set_aside: Mapping[ServiceName, Mapping[SourceName, int]]


def observe(view: View) -> Known:
    """The endpoints of this moment, without working anything out. On the event loop only."""
    services = dict(view.knowledge.services())
    return Known(
        services=services,
        sources=frozenset(listed.name for listed in view.sources()),
        drains={str(drain.target): drain for drain in view.operation.drains()},
        ages={name: view.history.of(name) for name in services},
        set_aside=view.knowledge.set_aside_counts(),
    )


def parse(parameters: Sequence[tuple[str, str]], known: Known) -> Query:
    """What a query says; work for a thread.

    Args:
        parameters: names and values, as they came.
        known: what there is.

    Raises:
        WrongQueryError: something is not understood; the message names it, and what there is instead.
        NotThereError: there is no such service.
    """
    given = query.given(parameters, _PARAMETERS)
    service = given.get("service", "")
    if "service" in given and service not in known.services:
        hint = nearest(service, known.services)
        raise query.NotThereError(f"there is no service {service[: query.SHOWN]!r}{hint}")
    zones = {each.endpoint.locality.zone for found in known.services.values() for each in found.endpoints} - {""}
    return Query(
        service=service,
        source=query.choice(given, "source", known.sources),
        zone=query.choice(given, "zone", zones),
        health=query.choice(given, "health", [health.value for health in Health]),
        after=_after(given),
        limit=query.number(given, "limit", 1, LIMIT) or LIMIT,
    )


def found(known: Known, asked: Query) -> EndpointsDocument:
    """The endpoints that are asked for; work for a thread."""
    shown: list[ListedEndpoint] = []
    last: _Place | None = None
    parts = [known.set_aside.get(ServiceName(asked.service), {})] if asked.service else known.set_aside.values()
    aside = sum(sum(by_source.values()) for by_source in parts)
    for service, served in _following(known, asked):
        if len(shown) == asked.limit:
            return EndpointsDocument(tuple(shown), _written(last) if last else None, aside)
        last = (service.name, served.endpoint.key)
        age = known.ages[service.name].get(served.endpoint.key)
        why = "; ".join(_why(served, service, known))
        shown.append(ListedEndpoint(service.name, document.endpoint(served, age), why))
    return EndpointsDocument(tuple(shown), None, aside)


def _following(known: Known, asked: Query) -> Iterator[tuple[Service, ServedEndpoint]]:
    """Those that match, from where the last answer ended."""
    names = [ServiceName(asked.service)] if asked.service else sorted(known.services)
    for name in names:
        if asked.after and name < asked.after[0]:
            continue
        for served in known.services[name].endpoints:
            if not (asked.after and (name, served.endpoint.key) <= asked.after) and asked.matches(served):
                yield known.services[name], served


def _why(served: ServedEndpoint, service: Service, known: Known) -> Iterator[str]:
    endpoint, origin = served.endpoint, served.origins[0]
    weights = {share.source: share.weight for share in service.ruling.shares}
    if served.reported is not None:
        yield f"drained {_drained(endpoint, service, known)}"
    if service.ruling.policy is Policy.WEIGHTED and not weights.get(origin.role, 0):
        yield f"{origin.source} has a weight of 0, which drains it"
    elif endpoint.health is Health.UNKNOWN:
        yield f"{origin.source} does not say how it is"
    elif endpoint.health is not Health.HEALTHY and served.reported is None:
        yield f"{origin.source} says so (`xds-bridge explain` asks it why)"
    if origin.standing is Standing.HELD:
        yield f"{origin.source} no longer reports it, and the guard holds it"
    if origin.standing is Standing.RESTORED:
        yield f"known from before the restart; {origin.source} has not been read since"


def _drained(endpoint: Endpoint, service: Service, known: Known) -> str:
    drain = known.drains.get(str(endpoint.key)) or known.drains.get(service.name)
    return f"until {datetime.fromtimestamp(drain.until, UTC):%H:%M:%S} UTC by {drain.by}" if drain else "by an operator"


def _after(given: Mapping[str, str]) -> _Place | None:
    if "after" not in given:
        return None
    address, separator, service = given["after"].partition(" ")
    key = parse_key(address)
    if key is None or not separator:
        raise query.WrongQueryError(f"after: {given['after'][: query.SHOWN]!r} is not the `after` of an answer")
    return service, key


def _written(place: _Place) -> str:
    return f"{place[1]} {place[0]}"
