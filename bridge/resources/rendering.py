"""Resources as protobuf's JSON, for whoever does not read protobuf.

The generated classes are asked for the shape of a message, once, and not for its content: reading an assignment of ten
endpoints into them and out again takes 20 ms, walking over its bytes a hundredth of that. Fields are spelled as Envoy
documents them; the other spelling of JSON, `connectTimeout`, is derived from these names, and every reader takes both.
https://protobuf.dev/programming-guides/json
"""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence

import betterproto2
from envoy_data_plane.google import protobuf

from bridge.resources.literal import absent, duration, literal, number, timestamp, unpacked
from bridge.resources.schema import Field, MessageType, ValueType, fields
from bridge.resources.type_url import UnknownTypeError, message_type
from bridge.resources.wire import parsed
from xds import Resource

_Raw = int | bytes
_Json = dict[str, object]


class Renderer:
    """Renders resources that we encoded. It remembers the shape of each type of message that it met."""

    def __init__(self) -> None:
        self._shapes: dict[MessageType, Mapping[int, Field]] = {}
        self._special: Mapping[MessageType, Callable[[bytes], object]] = {
            protobuf.Any: self._any,
            protobuf.Struct: self._struct,
            protobuf.Value: self._value,
            protobuf.ListValue: self._list,
            protobuf.Duration: duration,
            protobuf.Timestamp: timestamp,
        }

    def render(self, type_url: str, resource: Resource) -> str:
        """A resource as an `Any`: an object with its `@type` and its fields."""
        content = {"@type": type_url, **self._fields(message_type(type_url), resource.body)}
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def _fields(self, message: MessageType, data: bytes) -> _Json:
        shape, found = self._shape(message), dict[int, list[_Raw]]()
        for number_, value in parsed(data):
            found.setdefault(number_, []).append(value)
        return {
            field.name: self._content(field, found[field.number]) for field in shape.values() if field.number in found
        }

    def _shape(self, message: MessageType) -> Mapping[int, Field]:
        shape = self._shapes.get(message)
        if shape is None:
            shape = self._shapes[message] = {field.number: field for field in fields(message).values()}
        return shape

    def _content(self, field: Field, found: Sequence[_Raw]) -> object:
        kind = field.value
        if field.map_key is not None:
            return dict(self._entry(field.map_key, kind, _bytes(each)) for each in found)
        if field.repeated:
            return [self._single(kind, item) for each in found for item in unpacked(kind.proto_type, each)]
        if kind.proto_type == betterproto2.TYPE_MESSAGE:
            return self._single(kind, b"".join(map(_bytes, found)))  # given in parts, which are merged
        return self._single(kind, found[-1])

    def _entry(self, key_type: str, kind: ValueType, data: bytes) -> tuple[str, object]:
        found = dict(parsed(data))
        key = literal(key_type, found.get(1, absent(key_type)))
        text = str(key).lower() if isinstance(key, bool) else str(key)
        return text, self._single(kind, found.get(2, absent(kind.proto_type)))

    def _single(self, kind: ValueType, value: _Raw) -> object:
        if kind.proto_type == betterproto2.TYPE_MESSAGE:
            message = kind.wrapper or kind.python
            if special := self._special.get(message):
                return special(_bytes(value))
            return self._wrapped(message, _bytes(value)) if kind.wrapper else self._fields(message, _bytes(value))
        if kind.proto_type == betterproto2.TYPE_ENUM:
            return _member(kind.python, int(number(kind.proto_type, value)))
        return literal(kind.proto_type, value)

    def _wrapped(self, wrapper: MessageType, data: bytes) -> object:
        """The value of a message that has one, such as `UInt32Value`."""
        kind = self._shape(wrapper)[1].value
        return self._single(kind, dict(parsed(data)).get(1, absent(kind.proto_type)))

    def _any(self, data: bytes) -> _Json:
        found = dict(parsed(data))
        url, content = _bytes(found.get(1, b"")).decode(), _bytes(found.get(2, b""))
        try:
            message = message_type(url)
        except UnknownTypeError:  # of another control plane: our own templates are checked
            return {"@type": url, "value": b64encode(content).decode()}
        return {"@type": url, **self._fields(message, content)}

    def _struct(self, data: bytes) -> _Json:
        return dict(self._entry(betterproto2.TYPE_STRING, _ANY_VALUE, _bytes(each)) for _, each in parsed(data))

    def _value(self, data: bytes) -> object:
        (field, value), *_ = parsed(data)
        match field:
            case 2 | 3 | 4:
                return literal(_SCALARS[field], value)
            case 5:
                return self._struct(_bytes(value))
            case 6:
                return self._list(_bytes(value))
        return None

    def _list(self, data: bytes) -> list[object]:
        return [self._value(_bytes(each)) for _, each in parsed(data)]


_ANY_VALUE = ValueType(betterproto2.TYPE_MESSAGE, protobuf.Value, None)
_SCALARS = {
    2: betterproto2.TYPE_DOUBLE,
    3: betterproto2.TYPE_STRING,
    4: betterproto2.TYPE_BOOL,
}  # of google.protobuf.Value


def _bytes(value: _Raw) -> bytes:
    assert isinstance(value, bytes)  # noqa: S101 (messages are; narrows the type)
    return value


def _member(enum: type, value: int) -> object:
    """The name of a member; its number where the enum does not have it."""
    for known in enum.__members__.values() if issubclass(enum, betterproto2.Enum) else ():
        if known == value:
            return known.proto_name or known.name
    return value
