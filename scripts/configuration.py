"""Writes the tables of keys in `docs/configuration.md` of the schema: `python -m scripts.configuration`.

What stands around the tables is written by hand. A table is that of the section which the heading above it names, such
as "## `xds`", or "## `sources[]` of `type: consul`"; without a name, it is the top of the file.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from bridge import plugins
from bridge.adapter import DURATION_PATTERN
from bridge.config import json_schema
from bridge.config.address import ADDRESS_PATTERN
from bridge.config.share import SHARE_PATTERN
from bridge.config.size import SIZE_PATTERN

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"

HEADER = "| key | type | default | meaning |\n|---|---|---|---|\n"

_TABLE = re.compile(re.escape(HEADER) + r"(\|.*\n)*")
_HEADING = re.compile(r"^#+ (.*)\n", re.MULTILINE)
_TYPES = {"boolean": "boolean", "integer": "number", "number": "number", "object": "section", "string": "text"}
_PATTERNS: Mapping[object, str] = {
    ADDRESS_PATTERN: "address",
    DURATION_PATTERN: "duration",
    SHARE_PATTERN: "share",
    SIZE_PATTERN: "size",
    "path": "path",
}
_PLURALS = {"glob": "globs", "list of text": "lists of text", "number": "numbers", "URL": "URLs"}

Schema = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the file."""

    section: str
    """Where it stands, as headings name it: `xds.tls`, `sources[].tls type: consul`; empty at the top of the file."""
    name: str
    kind: str
    """What is written there, for people."""
    inner: str
    """The section that is written there; empty for a plain value."""
    default: str
    meaning: str


def written(page: str, schema: Schema) -> str:
    """The page with its tables as the schema has them.

    Raises:
        ValueError: the page lacks a section of the schema, or has one that there is not.
    """
    places = {name: _anchor(heading[1]) for heading in _HEADING.finditer(page) if (name := _section(heading[1]))}
    tables: dict[str, str] = {}
    for key in keys(schema):
        tables[key.section] = tables.get(key.section, HEADER) + _row(key, places)
    parts, found, end = [], [], 0
    for table in _TABLE.finditer(page):
        *_, heading = _HEADING.finditer(page, 0, table.start())
        found.append(_section(heading[1]))
        parts += [page[end : table.start()], tables.get(found[-1], "")]
        end = table.end()
    if sorted(found) != sorted(tables):
        lacking, unknown = sorted(tables.keys() - set(found)), sorted(set(found) - tables.keys())
        raise ValueError(f"{PAGE.name}: sections without one table: {lacking}; tables without a section: {unknown}")
    return "".join([*parts, page[end:]])


def keys(schema: Schema) -> list[Key]:
    """Every key of the file; what all sources have in common once, in `sources[]`."""
    found: dict[tuple[str, str], Key] = {}
    for key in _Walk(schema).all():
        former = found.setdefault((key.section, key.name), key)
        if former != key:  # each adapter has its own `type`
            found[key.section, key.name] = replace(former, kind=f"{former.kind}, {key.kind}")
    return list(found.values())


def _section(heading: str) -> str:
    return " ".join(re.findall(r"`([^`]+)`", heading))


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-")


def _row(key: Key, places: Mapping[str, str]) -> str:
    kind = f"[{key.kind}](#{places[key.inner]})" if key.inner in places else key.kind
    cells = [f"`{key.name}`", kind, key.default, key.meaning.removesuffix(".")]
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|\n"


class _Walk:
    """A walk through the schema of the file."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def all(self) -> Iterator[Key]:
        """Every key with the section it stands in; those of every source once for each type."""
        yield from self._below(self._schema, "", "")
        for reference in _list(_at(self._schema, "properties", "sources", "items")["oneOf"]):
            source = self._resolved(reference)
            suffix = f" type: {_at(source, 'properties', 'type')['const']}"
            for key in self._below(source, "sources[]", suffix):
                common = key.section == f"sources[]{suffix}" and key.name in plugins.RESERVED
                yield replace(key, section="sources[]") if common else key

    def _below(self, section: Schema, at: str, suffix: str) -> Iterator[Key]:
        """The keys of a section, each followed by those of the section that is written there."""
        for name, key in cast("Mapping[str, Schema]", section["properties"]).items():
            place, value = f"{at}.{name}".removeprefix("."), self._resolved(key)
            if "items" in value:
                place, inner = f"{place}[]", self._resolved(_at(value, "items"))
            else:
                inner = value
            nested = "properties" in inner
            yield Key(
                section=at + suffix,
                name=name,
                kind=self._kind(key),
                inner=place + suffix if nested or "oneOf" in inner else "",
                default="required" if name in cast("list[str]", section.get("required", [])) else _default(key),
                meaning=" ".join(str(key.get("description", value.get("description", ""))).split()),
            )
            if nested:
                yield from self._below(inner, place, suffix)

    def _kind(self, key: Schema) -> str:
        if choices := [choice for choice in _list(key.get("anyOf", [])) if choice.get("type") != "null"]:
            return ", or ".join(self._kind(choice) for choice in choices)
        part = self._resolved(key)
        if values := part.get("enum") or ([part["const"]] if "const" in part else []):
            return ", ".join(f"`{value}`" for value in cast("Sequence[str]", values))
        if part["type"] == "array":
            return self._several("list", part["items"])
        if part["type"] == "object" and "properties" not in part:
            return self._several("mapping", part["additionalProperties"])
        return _plain(part)

    def _several(self, kind: str, item: object) -> str:
        """A list or a mapping, with what is in it where that is not a section or anything."""
        if item is True or "oneOf" in cast("Schema", item):
            return kind
        each = self._kind(cast("Schema", item))
        return kind if each == "section" else f"{kind} of {_PLURALS.get(each, each)}"

    def _resolved(self, part: Schema) -> Schema:
        """What a part stands for; of one that may be left out, what it is otherwise."""
        part = next((choice for choice in _list(part.get("anyOf", [])) if "$ref" in choice), part)
        if "$ref" not in part:
            return part
        return _at(self._schema, "$defs", str(part["$ref"]).removeprefix("#/$defs/"))


def _plain(part: Schema) -> str:
    """What a value is called: by what the schema says for this page, by what it has to look like, or by its type."""
    kind = part.get("x-kind") or _PATTERNS.get(part.get("pattern", part.get("format")))
    return str(kind or _TYPES[str(part["type"])])


def _default(key: Schema) -> str:
    default = key.get("default")
    if default in (None, {}):
        return ""
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _at(part: Schema, *path: str) -> Schema:
    for name in path:
        part = cast("Schema", part[name])
    return part


def _list(value: object) -> list[Schema]:
    return cast("list[Schema]", value)


def main() -> None:
    """Write the tables anew."""
    schema = json_schema(plugins.discover())
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), schema), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(PAGE.parent.parent)}: {len(keys(schema))} keys", file=sys.stderr)


if __name__ == "__main__":
    main()
