"""Bytes to requests and responses to bytes: the only place that knows protobuf's wire format.

An Envoy sends 61 KB of node description with its first request, by default with every request. Scanning for the few
fields that matter costs microseconds where a message library takes milliseconds; for the same reason a resource is
never decoded: it is framed as it is. https://protobuf.dev/programming-guides/encoding
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from xds.message import DeltaRequest, InvalidRequest, Request
from xds.node import Node
from xds.resource import Resource
from xds.subscription import NameSets

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT = 10


def _tag(number: int) -> int:
    return number << 3 | _BYTES


# DiscoveryRequest
_VERSION, _NODE, _NAMES, _TYPE_URL, _NONCE, _ERROR, _LOCATORS = map(_tag, (1, 2, 3, 4, 5, 6, 7))
# DeltaDiscoveryRequest
_DELTA_NODE, _DELTA_TYPE_URL, _SUBSCRIBE, _UNSUBSCRIBE, _INITIAL, _DELTA_NONCE, _DELTA_ERROR = map(_tag, range(1, 8))
_SUBSCRIBE_LOCATORS, _UNSUBSCRIBE_LOCATORS = map(_tag, (8, 9))
# The first two fields of Node, of a map's entry and of ResourceLocator; Status has its message in the second.
_FIRST, _SECOND = map(_tag, (1, 2))


class RequestDecoder:
    """Decodes the State-of-the-World requests of one stream.

    It remembers the names of the last request, because each acknowledgement restates all of them: comparing the
    encoded block is ten times cheaper than reading a thousand names again. Of the block only a digest is kept: each
    client has an order of its own, and a block per client would outweigh the rest of a stream's state.
    """

    def __init__(self, sets: NameSets) -> None:
        self._sets = sets
        self._length, self._digest = 0, b""
        self._names: frozenset[str] = frozenset()

    def decode(self, data: bytes) -> Request:
        """The request encoded in `data`.

        Raises:
            InvalidRequest: it is not the encoding of a `DiscoveryRequest`.
        """
        found: dict[int, bytes] = {}
        names: frozenset[str] = frozenset()
        scattered: set[str] = set()
        position = 0
        while position < len(data):
            tag, start, end = _field(data, position)
            if tag == _NAMES and not names:
                names, end = self._block_of_names(data, position, end)
            elif tag == _NAMES:  # any order of fields is valid, though nobody writes it
                scattered.add(_text(data[start:end]))
            elif tag == _LOCATORS:
                scattered.update(_located(data[start:end]))
            else:
                found[tag] = data[start:end]
            position = end
        return Request(
            type_url=_text(found.get(_TYPE_URL, b"")),
            names=self._sets.share(names | scattered) if scattered else names,
            version=_text(found.get(_VERSION, b"")),
            nonce=_text(found.get(_NONCE, b"")),
            error=_error(found.get(_ERROR)),
            node=_node(found.get(_NODE)),
        )

    def _block_of_names(self, data: bytes, position: int, end: int) -> tuple[frozenset[str], int]:
        """The names in a row from `position` on, and where the row ends; `end` is the end of the first."""
        known = position + self._length
        ends_there = known >= len(data) or data[known] != _NAMES
        if self._length and ends_there and _digest(data[position:known]) == self._digest:
            return self._names, known
        names, start = [], position
        tag, first = _NAMES, position
        while tag == _NAMES:
            _, first, end = _field(data, position)
            names.append(_text(data[first:end]))
            position = end
            tag = data[position] if position < len(data) else -1
        self._length, self._digest = position - start, _digest(data[start:position])
        self._names = self._sets.share(names)
        return self._names, position


class DeltaRequestDecoder:
    """Decodes the incremental requests of one stream."""

    def __init__(self, sets: NameSets) -> None:
        self._sets = sets

    def decode(self, data: bytes) -> DeltaRequest:
        """The request encoded in `data`.

        Raises:
            InvalidRequest: it is not the encoding of a `DeltaDiscoveryRequest`.
        """
        found: dict[int, bytes] = {}
        lists: dict[int, list[str]] = {_SUBSCRIBE: [], _UNSUBSCRIBE: []}
        versions: dict[str, str] = {}
        position = 0
        while position < len(data):
            tag, start, end = _field(data, position)
            if tag in lists:
                lists[tag].append(_text(data[start:end]))
            elif tag in (_SUBSCRIBE_LOCATORS, _UNSUBSCRIBE_LOCATORS):
                lists[_SUBSCRIBE if tag == _SUBSCRIBE_LOCATORS else _UNSUBSCRIBE] += _located(data[start:end])
            elif tag == _INITIAL:
                versions.update(_pair(data[start:end]))
            else:
                found[tag] = data[start:end]
            position = end
        return DeltaRequest(
            type_url=_text(found.get(_DELTA_TYPE_URL, b"")),
            subscribe=self._sets.share(lists[_SUBSCRIBE]),
            unsubscribe=self._sets.share(lists[_UNSUBSCRIBE]),
            initial_versions=versions,
            nonce=_text(found.get(_DELTA_NONCE, b"")),
            error=_error(found.get(_DELTA_ERROR)),
            node=_node(found.get(_DELTA_NODE)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What surrounds the resources of a response, alike in both variants."""

    type_url: str
    version: str
    nonce: str
    control_plane: str = ""
    """`control_plane.identifier`, which Envoy shows in its statistics."""


def encode_response(envelope: Envelope, resources: Iterable[Resource]) -> bytes:
    """A `DiscoveryResponse`."""
    url = _string(1, envelope.type_url)
    chunks = [_string(1, envelope.version)]
    for resource in resources:
        chunks += _framed(2, url, _bytes_field(2, resource.body))
    chunks += [_string(4, envelope.type_url), _string(5, envelope.nonce), _control_plane(6, envelope)]
    return b"".join(chunks)


def encode_delta_response(envelope: Envelope, resources: Iterable[Resource], removed: Sequence[str]) -> bytes:
    """A `DeltaDiscoveryResponse`."""
    url = _string(1, envelope.type_url)
    chunks = [_string(1, envelope.version)]
    for resource in resources:
        wrapped = _framed(2, url, _bytes_field(2, resource.body))
        chunks += _framed(2, _string(3, resource.name), _string(1, resource.version), *wrapped)
    chunks.append(_string(4, envelope.type_url))
    chunks += [_framed_text(6, name) for name in removed]
    chunks += [_string(5, envelope.nonce), _control_plane(7, envelope)]
    return b"".join(chunks)


def _digest(block: bytes) -> bytes:
    return blake2b(block, digest_size=16).digest()


def _field(data: bytes, position: int) -> tuple[int, int, int]:
    """Tag of the field at `position`, and where its value starts and ends; of a varint, the value has no bytes."""
    tag, start = _varint(data, position)
    wire = tag & 7
    if tag >> 3 == 0:
        raise InvalidRequest("the request is not a valid protobuf message: field number 0")
    if wire == _BYTES:
        length, start = _varint(data, start)
        end = start + length
    elif wire == _VARINT:
        end = start = _varint(data, start)[1]
    elif wire in _FIXED_SIZES:
        end = start + _FIXED_SIZES[wire]
    else:
        raise InvalidRequest(f"the request is not a valid protobuf message: wire type {wire}")
    if end > len(data):
        raise InvalidRequest("the request is not a valid protobuf message: it ends within a field")
    return tag, start, end


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at `position` and the position after it."""
    if position < len(data) and data[position] < 0x80:  # nearly all of them
        return data[position], position + 1
    value = shift = 0
    for byte in data[position : position + _LONGEST_VARINT]:
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise InvalidRequest(
        "the request is not a valid protobuf message: it ends within a number, or the number is too long"
    )


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("the request holds text that is not UTF-8") from None


def _error(status: bytes | None) -> str | None:
    """Message of a `google.rpc.Status`, decoded leniently: Envoy quotes in it what it could not understand."""
    if status is None:
        return None
    return _first_two(status)[1].decode(errors="replace")


def _node(node: bytes | None) -> Node | None:
    if node is None:
        return None
    identity, cluster = _first_two(node)
    return Node(_text(identity), _text(cluster))


def _pair(entry: bytes) -> tuple[tuple[str, str]]:
    key, value = _first_two(entry)
    return ((_text(key), _text(value)),)


def _located(locator: bytes) -> tuple[str, ...]:
    """The name in a `ResourceLocator`; one with parameters asks for something that nobody implements."""
    name, parameters = _first_two(locator)
    return () if parameters else (_text(name),)


def _first_two(data: bytes) -> tuple[bytes, bytes]:
    """Values of the fields 1 and 2 of a message. Stops once it has both: of a node the rest is long."""
    found: dict[int, bytes] = {}
    position = 0
    while position < len(data) and len(found) < 2:
        tag, start, end = _field(data, position)
        if tag in (_FIRST, _SECOND):
            found[tag] = data[start:end]
        position = end
    return found.get(_FIRST, b""), found.get(_SECOND, b"")


def _number(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _framed(number: int, *chunks: bytes) -> list[bytes]:
    """A field that holds a message made of `chunks`, themselves left alone: bodies are long and shared."""
    return [bytes((_tag(number),)), _number(sum(map(len, chunks))), *chunks]


def _bytes_field(number: int, value: bytes) -> bytes:
    return bytes((_tag(number),)) + _number(len(value)) + value if value else b""


def _string(number: int, text: str) -> bytes:
    return _bytes_field(number, text.encode())


def _framed_text(number: int, text: str) -> bytes:
    """An element of a repeated field, which unlike a field of its own is written even when empty."""
    return b"".join(_framed(number, text.encode()))


def _control_plane(number: int, envelope: Envelope) -> bytes:
    identifier = _string(1, envelope.control_plane)
    return b"".join(_framed(number, identifier)) if identifier else b""
