"""The JSON Schema of the configuration file, for editors and for whoever generates the file."""

from collections.abc import Iterator, Mapping
from typing import Never

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from bridge.adapter import DURATION_PATTERN, AdapterType
from bridge.config.address import Address
from bridge.config.model import Config, SourceKeys
from bridge.config.share import SHARE_PATTERN, share_text
from bridge.config.size import SIZE_PATTERN, size_text

Schema = dict[str, object]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(plugins: Mapping[str, AdapterType[Never]]) -> Schema:
    """The schema of the whole file, with the keys of each adapter under the `type` it goes by.

    Raises:
        ConfigError: an installed adapter cannot be used.
    """
    schema = _of(Config)
    definitions = _mapping(schema, "$defs")
    sources = []
    for name in plugins:
        definitions[f"source.{name}"] = _source(name, plugins[name], definitions)
        sources.append({"$ref": f"#/$defs/source.{name}"})
    listed = _mapping(_mapping(schema, "properties"), "sources")
    listed["items"] = {"oneOf": sources, "discriminator": {"propertyName": "type"}}
    return {"$schema": _DIALECT, **schema, "title": "xds-bridge"}


def _source(name: str, adapter: AdapterType[Never], definitions: Schema) -> Schema:
    common, own = _of(SourceKeys), _of(adapter.Config, prefix=f"source.{name}.")
    definitions.update(_mapping(own, "$defs"))
    del own["$defs"]
    properties = {**_mapping(common, "properties"), **_mapping(own, "properties")}
    kind = {**_mapping(properties, "type"), "const": name}
    required = [*_list(common, "required"), *_list(own, "required")]
    return {**own, "properties": {**properties, "type": kind}, "required": required}


class _Generator(GenerateJsonSchema):
    """Writes defaults as an operator would: addresses as text."""

    def encode_default(self, dft: object) -> object:
        return str(dft) if isinstance(dft, Address) else super().encode_default(dft)


def _of(model: type[BaseModel], prefix: str = "") -> Schema:
    schema: Schema = model.model_json_schema(
        schema_generator=_Generator, ref_template=f"#/$defs/{prefix}{{model}}", mode="validation"
    )
    schema["$defs"] = {prefix + name: part for name, part in _mapping(schema, "$defs").items()}
    for part in _objects(schema):
        if "$ref" in part and isinstance(part.get("default"), dict):
            del part["default"]  # a section's default is that of its keys
        if _is_duration(part) and isinstance(default := part.get("default"), float):
            part["default"] = duration_text(default)
        if part.get("pattern") == SIZE_PATTERN and isinstance(size := part.get("default"), int):
            part["default"] = size_text(size)
        if part.get("pattern") == SHARE_PATTERN and isinstance(share := part.get("default"), float):
            part["default"] = share_text(share)
    return schema


def duration_text(seconds: float) -> str:
    """The shortest way to write a duration in the configuration."""
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds * 1000:g}ms" if seconds else "0s"


def _is_duration(part: Schema) -> bool:
    choices = part.get("anyOf", [part])  # an optional duration is text or null
    return isinstance(choices, list) and any(choice.get("pattern") == DURATION_PATTERN for choice in choices)


def _objects(value: object) -> Iterator[Schema]:
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _objects(item)


def _mapping(schema: Schema, key: str) -> Schema:
    value = schema.setdefault(key, {})
    assert isinstance(value, dict)  # noqa: S101 (JSON Schema says so; narrows the type)
    return value


def _list(schema: Schema, key: str) -> list[object]:
    value = schema.get(key, [])
    assert isinstance(value, list)  # noqa: S101 (JSON Schema says so; narrows the type)
    return value
