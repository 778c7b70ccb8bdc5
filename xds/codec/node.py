"""`core.v3.Node`, read once in the life of a stream: of its 61 KB, what tells one Envoy from another.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/base.proto#config-core-v3-node
"""

import struct

from xds.codec.wire import FIXED64, VARINT, field, fields, first_two, tag, text, varint
from xds.message import ExcessiveRequest
from xds.node import Locality, Node

_ID, _CLUSTER, _METADATA, _LOCALITY = map(tag, (1, 2, 3, 4))
_ENTRY = tag(1)  # Struct.fields
_REGION, _ZONE, _SUB_ZONE = map(tag, (1, 2, 3))
# google.protobuf.Value
_NUMBER, _TEXT, _SWITCH = 2 << 3 | FIXED64, tag(3), 4 << 3 | VARINT

_MAX_METADATA = 64
"""Entries of a node's metadata that are read: views are chosen by them, and a client can send any number."""
_LONGEST_TEXT = 1024
"""Bytes of an id, or of anything else that is kept of a node for as long as its stream is open."""


def decode_node(data: bytes) -> Node:
    """The node encoded in `data`.

    Raises:
        ExcessiveRequest: it says more of itself than can be kept.
        InvalidRequest: it is none.
    """
    wanted = (_ID, _CLUSTER, _METADATA, _LOCALITY)
    found = {number: value for number, value in fields(data) if number in wanted}
    return Node(
        id=_kept(found.get(_ID, b"")),
        cluster=_kept(found.get(_CLUSTER, b"")),
        locality=_locality(found.get(_LOCALITY, b"")),
        metadata=_metadata(found.get(_METADATA, b"")),
    )


def _kept(value: bytes) -> str:
    if len(value) > _LONGEST_TEXT:
        raise ExcessiveRequest(f"the node describes itself with a text of more than {_LONGEST_TEXT} bytes")
    return text(value)


def _locality(data: bytes) -> Locality:
    found = dict(fields(data))
    region, zone, sub_zone = (_kept(found.get(number, b"")) for number in (_REGION, _ZONE, _SUB_ZONE))
    return Locality(region=region, zone=zone, sub_zone=sub_zone)


def _metadata(data: bytes) -> tuple[tuple[str, str], ...]:
    entries: dict[str, str] = {}
    for number, entry in fields(data):
        if number == _ENTRY and len(entries) < _MAX_METADATA:
            key, value = first_two(entry)
            if (scalar := _scalar(value)) is not None:
                entries[text(key)] = scalar
    return tuple(sorted(entries.items()))


def _scalar(data: bytes) -> str | None:
    """A text, number or switch as JSON writes it, but for the quotes; None for anything else."""
    if not data:
        return None
    number, start, end = field(data, 0)
    if number == _TEXT:
        return text(data[start:end])
    if number == _NUMBER:
        (value,) = struct.unpack("<d", data[start:end])
        return str(int(value)) if value.is_integer() else str(value)
    if number == _SWITCH:
        return "true" if varint(data, 1)[0] else "false"
    return None
