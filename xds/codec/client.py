"""The other side of the codec: requests to bytes and responses from bytes, for a client.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/discovery/v3/discovery.proto
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from xds.codec.wire import bytes_field, framed, listed_text, number_bytes, string, varint
from xds.codec.wire import field as field_at
from xds.node import Node

_WRAPPER = "envoy.service.discovery.v3.Resource"
"""What State of the World may have around a resource, to give it a time to live."""

_EDS = 3
"""`Cluster.DiscoveryType`."""

_Value = int | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A response, alike for both variants."""

    type_url: str
    version: str
    nonce: str
    resources: Mapping[str, bytes]
    """Encoded, by name."""
    removed: frozenset[str] = frozenset()
    """Delta only."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of each resource, by name; Delta only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request says about the response before it; empty in the first request of a type."""

    version: str = ""
    """State of the World only."""
    nonce: str = ""


def encode_request(type_url: str, names: Iterable[str], node: Node | None, answer: Answer) -> bytes:
    """A `DiscoveryRequest` that accepts what it answers."""
    parts = [string(1, answer.version), _node(2, node), *(listed_text(3, name) for name in sorted(names))]
    return b"".join([*parts, string(4, type_url), string(5, answer.nonce)])


def encode_delta_request(
    type_url: str, subscribe: Iterable[str], unsubscribe: Iterable[str], node: Node | None, answer: Answer
) -> bytes:
    """A `DeltaDiscoveryRequest` that accepts what it answers."""
    parts = [_node(1, node), string(2, type_url), *(listed_text(3, name) for name in sorted(subscribe))]
    parts += [listed_text(4, name) for name in sorted(unsubscribe)]
    return b"".join([*parts, string(6, answer.nonce)])


def decode_response(data: bytes) -> Received:
    """The `DiscoveryResponse` encoded in `data`; its resources go by their first field, which is their name.

    Raises:
        InvalidRequest: it is none.
    """
    found = _found(data)
    bodies = [_unwrapped(each) for each in _messages(found.get(2))]
    return Received(
        type_url=_text(found.get(4)),
        version=_text(found.get(1)),
        nonce=_text(found.get(5)),
        resources={_text(_found(body).get(1)): body for body in bodies},
    )


def decode_delta_response(data: bytes) -> Received:
    """The `DeltaDiscoveryResponse` encoded in `data`.

    Raises:
        InvalidRequest: it is none.
    """
    found = _found(data)
    resources = [_found(each) for each in _messages(found.get(2))]
    return Received(
        type_url=_text(found.get(4)),
        version=_text(found.get(1)),
        nonce=_text(found.get(5)),
        resources={_text(each.get(3)): _wrapped(each) for each in resources},
        removed=frozenset(each.decode(errors="replace") for each in _messages(found.get(6))),
        versions={_text(each.get(3)): _text(each.get(1)) for each in resources},
    )


def awaited_assignment(name: str, cluster: bytes) -> str | None:
    """The name of the assignment that a client of a cluster asks for; None where it has no use for one.

    Raises:
        InvalidRequest: it is no `Cluster`.
    """
    found = _found(cluster)
    if found.get(2, [0])[-1] != _EDS:
        return None
    config = b"".join(_messages(found.get(3)))
    return _text(_found(config).get(2)) or name


def _node(number: int, node: Node | None) -> bytes:
    if node is None:
        return b""
    place = node.locality
    locality = string(1, place.region) + string(2, place.zone) + string(3, place.sub_zone)
    entries = (framed(1, string(1, key), *framed(2, string(3, value))) for key, value in node.metadata)
    metadata = b"".join(b"".join(entry) for entry in entries)
    parts = string(1, node.id), string(2, node.cluster), bytes_field(3, metadata), bytes_field(4, locality)
    return b"".join(framed(number, *parts, string(6, "xds-bridge")))


def _wrapped(resource: Mapping[int, Sequence[_Value]]) -> bytes:
    """The body in the `Any` of a `Resource`."""
    return _bytes(_found(b"".join(_messages(resource.get(2)))).get(2))


def _unwrapped(any_: bytes) -> bytes:
    found = _found(any_)
    if _text(found.get(1)).endswith(_WRAPPER):
        return _wrapped(_found(_bytes(found.get(2))))
    return _bytes(found.get(2))


def _found(data: bytes) -> dict[int, list[_Value]]:
    """The values of each field of a message, by number: whole numbers for varints, else bytes."""
    found: dict[int, list[_Value]] = {}
    for number, value in _fields(data):
        found.setdefault(number, []).append(value)
    return found


def _fields(data: bytes) -> Iterator[tuple[int, _Value]]:
    position = 0
    while position < len(data):
        head, start, end = field_at(data, position)
        if head & 7:
            yield head >> 3, data[start:end]
        else:
            yield head >> 3, varint(data, position + len(number_bytes(head)))[0]
        position = end


def _messages(values: Sequence[_Value] | None) -> Iterator[bytes]:
    return (value for value in values or () if isinstance(value, bytes))


def _bytes(values: Sequence[_Value] | None) -> bytes:
    return next(_messages(list(reversed(values or ()))), b"")


def _text(values: Sequence[_Value] | None) -> str:
    return _bytes(values).decode(errors="replace")
