"""`/api/v1/events`: what the audit trail remembers, and which of it is asked for. Times are Unix seconds."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from bridge.admin import query
from bridge.audit import REMEMBERED, Action, Event, Numbered, Remembered
from bridge.operator import parse_key
from bridge.problem import nearest

LIMIT = 100
"""How many are shown when nobody says."""

_CHANGES = frozenset({Action.ADDED, Action.CHANGED, Action.REMOVED})
_PARAMETERS = ("service", "source", "endpoint", "after", "limit")
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
        WrongQueryError: something is not understood; the message names it, and what there is instead.
    """
    given = query.given(parameters, _PARAMETERS)
    source = query.choice(given, "source", sources)
    service = given.get("service", "")
    if service not in ("", *services) and "after" not in given:  # who follows a service may do so before it is there
        hint = nearest(service, services)
        raise query.WrongQueryError(f"service: neither served nor remembered is {service[: query.SHOWN]!r}{hint}")
    return Query(
        service=service,
        source=source,
        endpoint=_endpoint(given),
        after=query.number(given, "after", 0, None),
        limit=query.number(given, "limit", 1, REMEMBERED) or LIMIT,
    )


def document(remembered: Remembered, asked: Query) -> EventsDocument:
    """The events that are asked for."""
    if asked.after is None:
        found = remembered.latest(asked.matches, asked.limit)
    else:
        found = remembered.after(asked.after, asked.matches, asked.limit)
    cut = asked.after is not None and len(found) == asked.limit
    return EventsDocument(
        trail=remembered.trail,
        first=remembered.first,
        after=found[-1].number if cut else remembered.last,
        events=documents(found),
    )


def last_change(remembered: Remembered) -> EventDocument | None:
    """The latest event by which what is served became another; None before the first."""
    found = remembered.latest(lambda each: each.action in _CHANGES, 1)
    return shown(found[0]) if found else None


def documents(events: Iterable[Numbered]) -> tuple[EventDocument, ...]:
    """Events as they are shown."""
    return tuple(map(shown, events))


def shown(numbered: Numbered) -> EventDocument:
    """One event."""
    event = numbered.event
    return EventDocument(numbered.number, **{field: getattr(event, field) for field in _FIELDS})


def _endpoint(given: Mapping[str, str]) -> str:
    text = given.get("endpoint", "")
    key = parse_key(text)
    if text and key is None:
        raise query.WrongQueryError(
            f"endpoint: {text[: query.SHOWN]!r} is not written as IP:PORT, such as 10.0.0.7:8080 or [fd00::7]:80"
        )
    return str(key or "")
