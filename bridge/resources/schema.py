"""Native Envoy configuration, as it is written in YAML, turned into messages of envoy-data-plane.

Stricter than betterproto2's own `from_dict`, which coerces types, loses digits of durations, does not find
`consecutive_5xx` and cannot say where a mistake is. Maps are sorted, so that equal content has equal bytes.
"""

import dataclasses
import re
import sys
import typing
import warnings
from collections.abc import Callable, Iterable, Mapping

import betterproto2
import pydantic
from envoy_data_plane.google import protobuf
from envoy_data_plane.message_pool import default_message_pool

from bridge.problem import Path, TemplateError, kind, nearest
from bridge.resources.scalar import integer, member, number, scalar, typed, wrapped
from bridge.resources.type_url import UnknownTypeError, message_type

MessageType = type[betterproto2.Message]


@dataclasses.dataclass(frozen=True, slots=True)
class ValueType:
    """What a single value is: its protobuf type, and its class for a message or an enum."""

    proto_type: str
    python: type
    wrapper: MessageType | None
    """A well-known type such as `Duration` or `UInt32Value`, held unwrapped in the generated class."""

    @property
    def message(self) -> MessageType | None:
        """The message type, unless it is a scalar, an enum or a wrapped scalar."""
        if self.wrapper is None and issubclass(self.python, betterproto2.Message):
            return self.python
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One field of a message type."""

    number: int
    name: str
    """As Envoy's documentation spells it."""
    attribute: str
    """As the generated class spells it: a Python keyword has an underscore at its end."""
    value: ValueType
    """Of the field, of the items of a list, or of the values of a map."""
    repeated: bool
    map_key: str | None
    """The protobuf type of the keys of a map."""
    oneof: str | None


def fields(message: MessageType) -> dict[str, Field]:
    """The fields of a message type by the names that Envoy documents."""
    hints = typing.get_type_hints(message, vars(sys.modules[message.__module__]))
    generated = dataclasses.fields(message)  # type: ignore[arg-type]  # every generated message is a dataclass
    return {field.name: field for field in (_field(field, hints[field.name]) for field in generated)}


def build(message: MessageType, value: object, path: Path) -> betterproto2.Message:
    """The message that a piece of configuration describes.

    Raises:
        TemplateError: an unknown key, a wrong type, a value out of range, or two members of one `oneof`.
    """
    if special := _SPECIAL.get(message):
        return special(value, path)
    known, given = fields(message), mapping(value, path)
    for key in given:
        if key not in known:
            raise TemplateError((*path, key), f"{message_name(message)} has no such field{nearest(key, known)}")
    _refuse_two_of_a_oneof([known[key] for key in given], path)
    content = {known[key].attribute: _content(known[key], item, (*path, key)) for key, item in given.items()}
    return _construct(message, content, path)


def encode(message: betterproto2.Message) -> bytes:
    """The encoded message; equal messages made by `build` have equal bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a deprecated field is Envoy's to judge
        return bytes(message)


def mapping(value: object, path: Path) -> dict[str, object]:
    """The keys of a message or a map that are set; `null` is "not set", as in protobuf's JSON.

    Raises:
        TemplateError: it is no mapping, or has a key that is no text.
    """
    return {key: item for key, item in _entries(value, path).items() if item is not None}


def message_name(message: MessageType) -> str:
    """The name of a message type in Envoy's documentation, without its package."""
    url = default_message_pool.type_to_url.get(message, message.__name__)
    return re.sub(r".*?([A-Z])", r"\1", url, count=1)


def any_type(value: Mapping[str, object], path: Path) -> MessageType:
    """The type that the `@type` of a typed configuration names.

    Raises:
        TemplateError: there is no `@type`, or Envoy has no such type.
    """
    url = value.get("@type")
    if url is None:
        raise TemplateError(path, "needs the key @type, which names the type of this configuration")
    if not isinstance(url, str):
        raise TemplateError((*path, "@type"), f"must be text, not {kind(url)}")
    try:
        return message_type(url)
    except UnknownTypeError as error:
        reason = f"{url!r} is not a type that Envoy knows{nearest(url, error.candidates)}"
        raise TemplateError((*path, "@type"), reason) from None


def _field(field: "dataclasses.Field[object]", hint: object) -> Field:
    meta = betterproto2.FieldMetadata.get(field)
    arguments = [argument for argument in typing.get_args(hint) if argument is not type(None)]
    value_meta = meta.map_meta[1] if meta.map_meta else meta
    return Field(
        number=meta.number,
        name=field.name.rstrip("_"),
        attribute=field.name,
        value=ValueType(
            proto_type=value_meta.proto_type,
            python=typing.cast("type", arguments[-1] if arguments else hint),
            wrapper=value_meta.unwrap() if value_meta.unwrap else None,
        ),
        repeated=bool(meta.repeated),
        map_key=meta.map_meta[0].proto_type if meta.map_meta else None,
        oneof=meta.group,
    )


def _entries(value: object, path: Path) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise TemplateError(path, f"must be a mapping, not {kind(value)}")
    for key in value:
        if not isinstance(key, str):
            raise TemplateError(path, f"the key {key!r} must be text")
    return dict(value)


def _refuse_two_of_a_oneof(given: Iterable[Field], path: Path) -> None:
    chosen: dict[str, str] = {}
    for field in given:
        if field.oneof is not None and (other := chosen.setdefault(field.oneof, field.name)) != field.name:
            raise TemplateError(path, f"only one of {other} and {field.name} can be set")


def _construct(message: MessageType, content: Mapping[str, object], path: Path) -> betterproto2.Message:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a deprecated field is Envoy's to judge
            return message(**content)
    except pydantic.ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        raise TemplateError((*path, *problem["loc"]), problem["msg"]) from None


def _content(field: Field, value: object, path: Path) -> object:
    if field.map_key is not None:
        entries = mapping(value, path)
        return {
            _map_key(field.map_key, key, path): _single(field.value, entries[key], (*path, key))
            for key in sorted(entries)
        }
    if field.repeated:
        items = typing.cast("list[object]", typed(value, (list, tuple), "a list", path))
        return [_single(field.value, item, (*path, index)) for index, item in enumerate(items)]
    return _single(field.value, value, path)


def _map_key(proto_type: str, key: str, path: Path) -> object:
    if proto_type == betterproto2.TYPE_STRING:
        return key
    if proto_type == betterproto2.TYPE_BOOL:
        return scalar(proto_type, {"true": True, "false": False}.get(key, key), (*path, key))
    return integer(proto_type, key, (*path, key))


def _single(expected: ValueType, value: object, path: Path) -> object:
    if expected.wrapper is not None:
        return wrapped(expected.wrapper, _wrapped_type(expected.wrapper), value, path)
    if expected.message is not None:
        return build(expected.message, value, path)
    if issubclass(expected.python, betterproto2.Enum):
        return member(expected.python, value, path)
    return scalar(expected.proto_type, value, path)


def _wrapped_type(wrapper: MessageType) -> str:
    value = fields(wrapper).get("value")
    return value.value.proto_type if value else betterproto2.TYPE_MESSAGE


def _any(value: object, path: Path) -> betterproto2.Message:
    given = mapping(value, path)
    message = any_type(given, path)
    if message in _SPECIAL or hasattr(message, "from_wrapped"):
        raise TemplateError((*path, "@type"), f"{message_name(message)} is not a configuration of its own")
    content = build(message, {key: item for key, item in given.items() if key != "@type"}, path)
    return protobuf.Any(type_url=str(given["@type"]), value=encode(content))


def _struct(value: object, path: Path) -> protobuf.Struct:
    entries = _entries(value, path)
    return protobuf.Struct(fields={key: _json(entries[key], (*path, key)) for key in sorted(entries)})


def _json(value: object, path: Path) -> protobuf.Value:
    match value:
        case Mapping():
            return protobuf.Value(struct_value=_struct(value, path))
        case list() | tuple():
            return protobuf.Value(list_value=_list(value, path))
        case None:
            return protobuf.Value(null_value=protobuf.NullValue.NULL_VALUE)
        case bool():
            return protobuf.Value(bool_value=value)
        case int() | float():
            return protobuf.Value(number_value=number(value, path))
    return protobuf.Value(string_value=str(typed(value, (str,), "a value of JSON", path)))


def _list(value: object, path: Path) -> protobuf.ListValue:
    items = typing.cast("list[object]", typed(value, (list, tuple), "a list", path))
    return protobuf.ListValue(values=[_json(item, (*path, index)) for index, item in enumerate(items)])


_SPECIAL: Mapping[MessageType, Callable[[object, Path], betterproto2.Message]] = {
    protobuf.Any: _any,
    protobuf.Struct: _struct,
    protobuf.Value: _json,
    protobuf.ListValue: _list,
}
