"""From the bytes of an assignment back to its endpoints, for people who compare them with what an Envoy has."""

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.model import EndpointKey
from bridge.resources.wire import parsed
from xds import Resource

_HEALTH = {0: "unknown", 1: "healthy", 2: "unhealthy", 3: "draining", 5: "degraded"}

_Fields = dict[int, int | bytes]


@dataclass(frozen=True, slots=True)
class Assigned:
    """An endpoint as Envoy is told of it."""

    endpoint: str
    """Address and port."""
    health: str
    weight: int
    priority: int
    region: str
    zone: str
    sub_zone: str


def assigned(assignment: Resource) -> tuple[Assigned, ...]:
    """The endpoints of an assignment that we encoded, in its order."""
    groups = [content for field, content in parsed(assignment.body) if field == 2 and isinstance(content, bytes)]
    return tuple(each for group in groups for each in _endpoints(group))


def _endpoints(group: bytes) -> Iterator[Assigned]:
    fields = list(parsed(group))
    single = dict(fields)
    place, priority = _message(single, 1), _number(single, 5, 0)
    region, zone, sub_zone = (_text(place, field) for field in (1, 2, 3))
    for field, content in fields:
        if field == 2 and isinstance(content, bytes):
            found = dict(parsed(content))
            yield Assigned(
                endpoint=str(_key(_message(_message(_message(found, 1), 1), 1))),
                health=_HEALTH[_number(found, 2, 0)],
                weight=_number(_message(found, 4), 1, 0) if 4 in found else 1,
                priority=priority,
                region=region,
                zone=zone,
                sub_zone=sub_zone,
            )


def _key(socket_address: _Fields) -> EndpointKey:
    return EndpointKey(_text(socket_address, 2), _number(socket_address, 3, 0))


def _message(fields: _Fields, number: int) -> _Fields:
    return dict(parsed(_bytes(fields, number)))


def _text(fields: _Fields, number: int) -> str:
    return _bytes(fields, number).decode()


def _bytes(fields: _Fields, number: int) -> bytes:
    value = fields.get(number, b"")
    assert isinstance(value, bytes)  # noqa: S101 (we encoded it; narrows the type)
    return value


def _number(fields: _Fields, number: int, absent: int) -> int:
    value = fields.get(number, absent)
    assert isinstance(value, int)  # noqa: S101 (we encoded it; narrows the type)
    return value
