"""`/api/v1/events`: what the audit trail remembers, and which of it is asked for. Times are Unix seconds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields

from bridge.audit import REMEMBERED, Event, Numbered, Remembered
from bridge.operator import parse_key
from bridge.problem import nearest

LIMIT = 100
"""How many are shown when nobody says."""

_PARAMETERS = ("service", "source", "endpoint", "after", "limit")
_SHOWN = 200
_FIELDS = tuple(field.name for field in fields(Event))


@dataclass(frozen=True, slots=True)
class EventDocument:
    """One thing that happened; a text is empty where it says nothing."""

    number: int
    """Its place in the trail."""
    at: float
    action: str
    why: str
    """Which read or which rule, or who gave the order."""
    source: str
    scope: str
    service: str
    endpoint: str
    """Address and port; as the source gave them when it is set aside."""
    instance: str


@dataclass(frozen=True, slots=True)
class EventsDocument:
    """`/api/v1/events`: newest last."""

    trail: str
    """Whose numbers these are: another text after a restart, when they begin anew."""
    first: int
    """The number of the oldest event that is remembered."""
    after: int
    """The `after` to ask with for what follows."""
    events: tuple[EventDocument, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """Which events are asked for; an empty text asks for all."""

    service: str = ""
    source: str = ""
    endpoint: str = ""
    after: int | None = None
    """None for the latest; else the first ones after this number."""
    limit: int = LIMIT

    def matches(self, event: Event) -> bool:
        """Whether an event is asked for, by what it is about."""
        return (
            self.service in ("", event.service)
            and self.source in ("", event.source)
            and self.endpoint in ("", event.endpoint)
        )


def parse(parameters: Sequence[tuple[str, str]], sources: Collection[str], services: Collection[str]) -> Query:
    """What a query says.

    Args:
        parameters: names and values, as they came.
        sources: the names of sources that there are, or that an event names.
        services: the names of services that there are, or that an event names.

    Raises:
        ValueError: something is not understood; the message names it, and what there is instead.
    """
    given: dict[str, str] = {}
    for name, value in parameters:
        if name not in _PARAMETERS:
            raise ValueError(f"there is no parameter {name[:_SHOWN]!r}; there are {', '.join(_PARAMETERS)}")
        if name in given:
            raise ValueError(f"{name}: is given twice")
        given[name] = value
    source = given.get("source", "")
    if source and source not in sources:
        raise ValueError(f"source: there is none called {source[:_SHOWN]!r}; there are {', '.join(sorted(sources))}")
    service = given.get("service", "")
    if service not in ("", *services) and "after" not in given:  # who follows a service may do so before it is there
        hint = nearest(service, services)
        raise ValueError(f"service: neither served nor remembered is {service[:_SHOWN]!r}{hint}")
    return Query(
        service=service,
        source=source,
        endpoint=_endpoint(given),
        after=_number(given, "after", 0, None),
        limit=_number(given, "limit", 1, REMEMBERED) or LIMIT,
    )


def document(remembered: Remembered, query: Query) -> EventsDocument:
    """The events that are asked for."""
    if query.after is None:
        found = remembered.latest(query.matches, query.limit)
    else:
        found = remembered.after(query.after, query.matches, query.limit)
    cut = query.after is not None and len(found) == query.limit
    return EventsDocument(
        trail=remembered.trail,
        first=remembered.first,
        after=found[-1].number if cut else remembered.last,
        events=tuple(map(shown, found)),
    )


def shown(numbered: Numbered) -> EventDocument:
    """One event."""
    event = numbered.event
    return EventDocument(numbered.number, **{field: getattr(event, field) for field in _FIELDS})


def _endpoint(given: Mapping[str, str]) -> str:
    text = given.get("endpoint", "")
    key = parse_key(text)
    if text and key is None:
        raise ValueError(
            f"endpoint: {text[:_SHOWN]!r} is not written as IP:PORT, such as 10.0.0.7:8080 or [fd00::7]:80"
        )
    return str(key or "")


def _number(given: Mapping[str, str], name: str, lowest: int, highest: int | None) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1
    if number < lowest or (highest is not None and number > highest):
        allowed = f"a number from {lowest} to {highest}" if highest is not None else "the number of an event, or 0"
        raise ValueError(f"{name}: {text[:_SHOWN]!r} is not {allowed}")
    return number
