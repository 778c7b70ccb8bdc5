"""The configuration reference says what the schema says, for every adapter that is installed."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from bridge import plugins
from bridge.config import json_schema, load

Schema = Mapping[str, "Schema | str | list[Schema]"]

EXAMPLES = {"consul.yaml", "file.yaml", "two-datacenters.yaml"}
ENVIRON = {"CONSUL_HOST": "consul.example.com"}


@dataclass(frozen=True)
class Key:
    """A key as the page or the schema has it."""

    default: str
    choices: frozenset[str]


Sections = dict[str, dict[str, Key]]
Place = tuple[str, str]
"""A section, and a key in it."""


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs/configuration.md").read_text(encoding="utf-8")


def test_the_page_has_every_key_and_no_other(page: str) -> None:
    documented, real = _documented(page), _real(cast("Schema", json_schema(plugins.discover())))

    assert {name: set(keys) for name, keys in documented.items()} == {name: set(keys) for name, keys in real.items()}


def test_the_page_has_the_right_defaults_and_choices(page: str) -> None:
    documented, real = _documented(page), _real(cast("Schema", json_schema(plugins.discover())))

    assert documented == real


def test_every_key_has_a_description() -> None:
    missing = [path for path, key in _keys(cast("Schema", json_schema(plugins.discover()))) if not _described(key)]

    assert missing == []


def test_every_example_is_a_configuration(repository: Path) -> None:
    folder = repository / "examples"

    configurations = [load(folder / name, ENVIRON, plugins.discover()) for name in sorted(EXAMPLES)]

    assert {path.name for path in folder.iterdir()} == EXAMPLES | {"endpoints.yaml"}
    assert all(configuration.sources for configuration in configurations)


def test_every_snippet_of_the_page_is_a_configuration(page: str, tmp_path: Path) -> None:
    snippets = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "bridge.yaml"

    for snippet in snippets:
        path.write_text(snippet, encoding="utf-8")
        load(path, ENVIRON, plugins.discover())

    assert snippets


def _documented(page: str) -> Sections:
    """Every table of the page, by the code in the heading above it."""
    sections: Sections = {}
    heading = ""
    for line in page.splitlines():
        if line.startswith("#"):
            heading = " ".join(re.findall(r"`([^`]+)`", line))
        elif row := re.match(r"\| `(\w+)` \| (.*?) \| (.*?) ?\|", line):
            name, kind, default = row.groups()
            choices = frozenset(re.findall(r"`([^`]+)`", kind))
            sections.setdefault(heading, {})[name] = Key(default.strip("` "), choices)
    return sections


def _real(schema: Schema) -> Sections:
    sections: Sections = {}
    for (section, name), key in _keys(schema):
        keys = sections.setdefault(section, {})
        others = keys[name].choices if name in keys else frozenset()  # each adapter has its own `type`
        keys[name] = Key(_default(key), others | _choices(_resolved(key, schema)))
    return sections


def _keys(schema: Schema) -> Iterator[tuple[Place, Schema]]:
    """Every key of the file with the section it stands in; the keys of every source once for each type."""
    yield from _section(schema, schema, "", "")
    for reference in cast("list[Schema]", _at(schema, "properties", "sources", "items")["oneOf"]):
        source = _resolved(reference, schema)
        suffix = f" type: {_at(source, 'properties', 'type')['const']}"
        for (section, name), key in _section(source, schema, "sources[]", suffix):
            common = section == f"sources[]{suffix}" and name in plugins.RESERVED
            yield ("sources[]" if common else section, name), key


def _section(part: Schema, schema: Schema, at: str, suffix: str) -> Iterator[tuple[Place, Schema]]:
    required = cast("list[str]", part.get("required", []))
    for name, key in cast("Mapping[str, Schema]", part.get("properties", {})).items():
        yield (at + suffix, name), {**key, "required": "yes" if name in required else ""}
        inner = f"{at}.{name}".removeprefix(".")
        yield from _section(_resolved(key, schema), schema, inner, suffix)
        if "items" in key and "oneOf" not in _at(key, "items"):
            yield from _section(_resolved(_at(key, "items"), schema), schema, f"{inner}[]", suffix)


def _resolved(part: Schema, schema: Schema) -> Schema:
    choices = cast("list[Schema]", part.get("anyOf", []))
    part = next((choice for choice in choices if "$ref" in choice), part)
    if "$ref" not in part:
        return part
    return _at(schema, "$defs", str(part["$ref"]).removeprefix("#/$defs/"))


def _at(part: Schema, *path: str) -> Schema:
    for name in path:
        part = cast("Schema", part[name])
    return part


def _default(key: Schema) -> str:
    if key["required"]:
        return "required"
    default: object = key.get("default")
    if default is None:
        return ""
    return default if isinstance(default, str) else json.dumps(default)


def _choices(part: Schema) -> frozenset[str]:
    return frozenset(cast("list[str]", part.get("enum", [])) or ([str(part["const"])] if "const" in part else []))


def _described(key: Schema) -> bool:
    return "description" in key or "$ref" in key
