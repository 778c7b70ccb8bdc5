"""Single values as they stand on the wire, turned into what protobuf's JSON has for them.

https://protobuf.dev/programming-guides/json
"""

import base64
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import betterproto2

from bridge.resources.wire import number_at, parsed

_ZIGZAG = {betterproto2.TYPE_SINT32, betterproto2.TYPE_SINT64}
_SIGNED = {betterproto2.TYPE_INT32, betterproto2.TYPE_INT64, betterproto2.TYPE_ENUM}
_AS_TEXT = {
    betterproto2.TYPE_INT64,
    betterproto2.TYPE_SINT64,
    betterproto2.TYPE_SFIXED64,
    betterproto2.TYPE_UINT64,
    betterproto2.TYPE_FIXED64,
}
"""Numbers of 64 bits, for which the numbers of many readers of JSON are too small."""
_FIXED = {
    betterproto2.TYPE_FLOAT: struct.Struct("<f"),
    betterproto2.TYPE_DOUBLE: struct.Struct("<d"),
    betterproto2.TYPE_FIXED32: struct.Struct("<I"),
    betterproto2.TYPE_SFIXED32: struct.Struct("<i"),
    betterproto2.TYPE_FIXED64: struct.Struct("<Q"),
    betterproto2.TYPE_SFIXED64: struct.Struct("<q"),
}


def literal(proto_type: str, value: int | bytes) -> object:
    """A bool, number, text, or bytes in base64."""
    if proto_type == betterproto2.TYPE_BOOL:
        return bool(value)
    if proto_type == betterproto2.TYPE_BYTES:
        return base64.b64encode(bytes(value)).decode()
    if proto_type == betterproto2.TYPE_STRING:
        return bytes(value).decode()
    found = number(proto_type, value)
    return str(found) if proto_type in _AS_TEXT else found


def number(proto_type: str, value: int | bytes) -> float:
    """A number: a whole one unless the type is float or double."""
    if isinstance(value, bytes):
        found: float = _FIXED[proto_type].unpack(value)[0]
        return found
    if proto_type in _ZIGZAG:
        return (value >> 1) ^ -(value & 1)
    return value - (1 << 64) if proto_type in _SIGNED and value >> 63 else value


def absent(proto_type: str) -> int | bytes:
    """What stands for a value that is not on the wire: the default of its type."""
    if proto_type in (betterproto2.TYPE_STRING, betterproto2.TYPE_BYTES, betterproto2.TYPE_MESSAGE):
        return b""
    return bytes(_FIXED[proto_type].size) if proto_type in _FIXED else 0


def unpacked(proto_type: str, value: int | bytes) -> Iterator[int | bytes]:
    """The elements in one field of a list: several numbers may share it."""
    single = proto_type in (betterproto2.TYPE_STRING, betterproto2.TYPE_BYTES, betterproto2.TYPE_MESSAGE)
    if single or isinstance(value, int):
        yield value
    elif proto_type in _FIXED:
        size = _FIXED[proto_type].size
        yield from (value[start : start + size] for start in range(0, len(value), size))
    else:
        position = 0
        while position < len(value):
            element, position = number_at(value, position)
            yield element


def duration(data: bytes) -> str:
    """A `google.protobuf.Duration`: seconds, and an `s`."""
    seconds, nanos = _time(data)
    total = seconds * 1_000_000_000 + nanos
    whole, fraction = divmod(abs(total), 1_000_000_000)
    digits = f"{whole}.{fraction:09}".rstrip("0").rstrip(".")
    return f"{'-' if total < 0 else ''}{digits}s"


def timestamp(data: bytes) -> str:
    """A `google.protobuf.Timestamp`, to the microsecond."""
    seconds, nanos = _time(data)
    moment = datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds, microseconds=nanos // 1000)
    return moment.isoformat().replace("+00:00", "Z")


def _time(data: bytes) -> tuple[int, int]:
    found = {field: value for field, value in parsed(data) if isinstance(value, int)}
    seconds, nanos = (number(betterproto2.TYPE_INT64, found.get(field, 0)) for field in (1, 2))
    return int(seconds), int(nanos)
