"""Single values as protobuf's JSON writes them: numbers in their range, enums, bytes, durations, times."""

import base64
import binascii
import datetime as dt
import math
import re

import betterproto2
from envoy_data_plane.google import protobuf

from bridge.problem import Path, TemplateError, kind, nearest

_BITS = {
    betterproto2.TYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    betterproto2.TYPE_SINT32: (-(1 << 31), (1 << 31) - 1),
    betterproto2.TYPE_SFIXED32: (-(1 << 31), (1 << 31) - 1),
    betterproto2.TYPE_UINT32: (0, (1 << 32) - 1),
    betterproto2.TYPE_FIXED32: (0, (1 << 32) - 1),
    betterproto2.TYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    betterproto2.TYPE_SINT64: (-(1 << 63), (1 << 63) - 1),
    betterproto2.TYPE_SFIXED64: (-(1 << 63), (1 << 63) - 1),
    betterproto2.TYPE_UINT64: (0, (1 << 64) - 1),
    betterproto2.TYPE_FIXED64: (0, (1 << 64) - 1),
}
_FLOAT_MAX = 3.4028234663852886e38
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,6}))?s")


def scalar(proto_type: str, value: object, path: Path) -> object:
    """A bool, number, text or bytes.

    Raises:
        TemplateError: another type, or out of its range.
    """
    if proto_type in _BITS:
        return integer(proto_type, value, path)
    if proto_type in (betterproto2.TYPE_FLOAT, betterproto2.TYPE_DOUBLE):
        largest = _FLOAT_MAX if proto_type == betterproto2.TYPE_FLOAT else math.inf
        return number(typed(value, (int, float), "a number", path), path, largest)
    if proto_type == betterproto2.TYPE_BOOL:
        return typed(value, (bool,), "true or false", path)
    text = typed(value, (str,), "text", path)
    return _decoded(str(text), path) if proto_type == betterproto2.TYPE_BYTES else text


def typed(value: object, allowed: tuple[type, ...], expected: str, path: Path) -> object:
    """The value, if it is of an allowed type; a bool is no number.

    Raises:
        TemplateError: it is not.
    """
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise TemplateError(path, f"must be {expected}, not {kind(value)}")
    return value


def number(value: object, path: Path, largest: float = math.inf) -> float:
    """A number as JSON has it, which knows neither infinity nor what is close to it.

    Raises:
        TemplateError: it is too large, or none at all (`.inf`, `.nan`).
    """
    assert isinstance(value, int | float)  # noqa: S101 (its callers have seen to it; narrows the type)
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result) or abs(result) > largest:
        raise TemplateError(path, "is out of the range of numbers")
    return result


def integer(proto_type: str, value: object, path: Path) -> int:
    """A whole number, also as text, which is how protobuf's JSON writes 64 bits.

    Raises:
        TemplateError: another type, or out of its range.
    """
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,20}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TemplateError(path, f"must be a whole number, not {kind(value)}")
    lowest, highest = _BITS[proto_type]
    if not lowest <= value <= highest:
        raise TemplateError(path, f"{value} is not between {lowest} and {highest}")
    return value


def member(enum: type[betterproto2.Enum], value: object, path: Path) -> betterproto2.Enum:
    """The member of an enum with this name or number.

    Raises:
        TemplateError: there is none.
    """
    members = {known.proto_name or known.name: known for known in enum}
    for name, known in members.items():
        if value == name or (type(value) is int and value == known):
            return known
    hint = nearest(str(value).upper(), members) or f"; there are {', '.join(members)}"
    raise TemplateError(path, f"{value!r} is not one of its values{hint}")


def wrapped(wrapper: type[betterproto2.Message], proto_type: str, value: object, path: Path) -> object:
    """The value of a field whose message type is only a wrapper, as the generated classes hold it.

    Raises:
        TemplateError: another type, or out of its range.
    """
    if wrapper is protobuf.Duration:
        return _duration(value, path)
    if wrapper is protobuf.Timestamp:
        return _timestamp(value, path)
    return scalar(proto_type, value, path)


def _decoded(text: str, path: Path) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise TemplateError(path, "must be bytes in base64") from None


def _duration(value: object, path: Path) -> dt.timedelta:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise TemplateError(path, f"{value!r} is not a duration; Envoy takes seconds, such as 1s or 0.25s")
    sign, whole, fraction = found.groups()
    microseconds = int(whole) * 1_000_000 + int((fraction or "").ljust(6, "0"))
    return dt.timedelta(microseconds=-microseconds if sign else microseconds)


def _timestamp(value: object, path: Path) -> dt.datetime:
    problem = TemplateError(path, f"{value!r} is not a time, such as 2026-01-31T12:00:00Z")
    try:
        time = dt.datetime.fromisoformat(str(value))
    except ValueError:
        raise problem from None
    if time.tzinfo is None:
        raise problem
    return time
