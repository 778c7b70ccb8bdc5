"""The configuration reference says what the schema says, and what the pages show can be copied."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner

from bridge import plugins
from bridge.cli import app
from bridge.config import json_schema, load
from bridge.errors import ConfigError

Schema = Mapping[str, "Schema | str | list[Schema]"]

EXAMPLES = {
    *("consul.yaml", "ec2.yaml", "ecs.yaml", "file.yaml", "migration.yaml"),
    *("tls.yaml", "two-datacenters.yaml", "views.yaml"),
}
ENVIRON = {
    "CONSUL_HOST": "consul.example.com",
    # What the modules of Terraform give.
    "AWS_REGION": "eu-west-1",
    "API_BUDGET": "2.5",
    "QUEUE_TASKS": "https://sqs.eu-west-1.amazonaws.com/123456789012/xds-bridge-1-tasks",
}


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

    assert {path.name for path in folder.iterdir() if path.is_file()} == EXAMPLES | {"endpoints.yaml"}
    assert all(configuration.sources for configuration in configurations)


@pytest.fixture(scope="module")
def pages(repository: Path) -> dict[str, str]:
    """Everything a person is given to copy from, by the name of the file."""
    paths = [repository / "README.md", *sorted((repository / "docs").glob("**/*.md"))]
    return {str(path.relative_to(repository)): path.read_text(encoding="utf-8") for path in paths}


def test_every_configuration_of_a_page_is_one(pages: Mapping[str, str], tmp_path: Path) -> None:
    path, refused, loaded = tmp_path / "bridge.yaml", [], []

    for name, text in pages.items():
        for snippet in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
            path.write_text(snippet, encoding="utf-8")
            if "sources:" not in snippet:
                continue
            try:
                loaded.append(load(path, ENVIRON, plugins.discover()))
            except ConfigError as error:
                refused.append(f"{name}: {error}")

    assert refused == []
    assert len(loaded) >= 2


def test_every_command_of_a_page_can_be_typed(pages: Mapping[str, str]) -> None:
    commands = {(name, line) for name, text in pages.items() for line in _commands(text)}

    refused = [f"{name}: {line}: {fault}" for name, line in sorted(commands) if (fault := _refusal(line))]

    assert refused == []
    assert {line.split()[1] for _, line in commands} >= {"run", "check", "schema", "bootstrap"}


@pytest.mark.parametrize(
    "line",
    [
        "xds-bridge chek",
        "xds-bridge check --lvie",
        "xds-bridge bootstrap --node-id a",
        "xds-bridge bootstrap --node-id a --cluster b --listener web=0.0.0.0:8080 --route web=/=web",
        "xds-bridge bootstrap --node-id a --cluster b --route web",
    ],
)
def test_a_command_that_cannot_be_typed_is_found(line: str) -> None:
    assert _refusal(line)


def _commands(page: str) -> Iterator[str]:
    """Every call of xds-bridge in a block of code, after a prompt or indented, without its comment."""
    for line in page.replace("\\\n", " ").splitlines():
        if found := re.match(r"(?:\$ |    )(xds-bridge .*)", line):
            yield " ".join(re.sub(r"\s#.*", "", found[1]).split())


def _refusal(line: str) -> str:
    """What the command line says against a call; empty when it takes it."""
    words = shlex.split(line.partition(" >")[0])[1:]
    # A bootstrap is only printed. Of the others the help is asked for: all options are read before it is given.
    outcome = CliRunner().invoke(app, words if words[0] == "bootstrap" else [*words, "--help"])
    return outcome.output if outcome.exit_code else ""


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
