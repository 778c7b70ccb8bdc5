"""Laying one piece of native Envoy configuration over another, by the rules of its message types."""

from collections.abc import Mapping

from envoy_data_plane.google import protobuf

from bridge.resources.schema import Field, MessageType, any_type, fields


def overlaid(message: MessageType, under: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """Two valid descriptions of a message laid over each other, key by key.

    Messages and maps are merged; lists and single values are replaced; `null` takes a key out; a member of a `oneof`
    replaces the other members; a typed configuration is merged with one of the same `@type` and replaces another.
    """
    known, result = fields(message), dict(under)
    for key, value in over.items():
        if value is not None:
            for rival in _rivals(known[key], known):
                result.pop(rival, None)
        result[key] = _value(known[key], result.get(key), value)
    return result


def _rivals(field: Field, known: Mapping[str, Field]) -> list[str]:
    if field.oneof is None:
        return []
    return [other.name for other in known.values() if other.oneof == field.oneof and other.name != field.name]


def _value(field: Field, under: object, over: object) -> object:
    if field.repeated or not isinstance(under, Mapping) or not isinstance(over, Mapping):
        return over
    if field.map_key is None:
        return _message(field.value.message, under, over)
    return {**under, **{key: _entry(field, under.get(key), value) for key, value in over.items()}}


def _entry(field: Field, under: object, over: object) -> object:
    if not isinstance(under, Mapping) or not isinstance(over, Mapping):
        return over
    return _message(field.value.message, under, over)


def _message(
    message: MessageType | None, under: Mapping[str, object], over: Mapping[str, object]
) -> Mapping[str, object]:
    if message is None or message in (protobuf.Struct, protobuf.Value):
        return {**under, **over}
    if message is not protobuf.Any:
        return overlaid(message, under, over)
    if under.get("@type") != over.get("@type"):
        return over
    return {**overlaid(any_type(over, ()), _untyped(under), _untyped(over)), "@type": over["@type"]}


def _untyped(typed: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in typed.items() if key != "@type"}
