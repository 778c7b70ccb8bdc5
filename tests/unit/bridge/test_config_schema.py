from collections.abc import Mapping
from typing import cast

import pytest

from bridge.adapter import AdapterConfig, AdapterContext, Duration
from bridge.config import Address, Config, SourceKeys, json_schema
from bridge.config.schema import duration_text

Schema = Mapping[str, "Schema"]


class Folder(AdapterConfig):
    depth: int = 1


class DiskConfig(AdapterConfig):
    path: str
    """Where the disk is."""
    interval: Duration = 90.0
    patience: Duration | None = 0.5
    mirror: Address = Address("::1", 0)
    folder: Folder = Folder()


class DiskAdapter:
    Config = DiskConfig

    def __init__(self, config: DiskConfig) -> None:
        self.config = config

    async def run(self, context: AdapterContext) -> None:
        raise NotImplementedError


class TapeConfig(AdapterConfig):
    reel: int


class TapeAdapter:
    Config = TapeConfig

    def __init__(self, config: TapeConfig) -> None:
        self.config = config

    async def run(self, context: AdapterContext) -> None:
        raise NotImplementedError


class LogConfig(AdapterConfig):
    colour: str = "red"


class LogSourceConfig(AdapterConfig):
    log: LogConfig = LogConfig()


class LogAdapter:
    Config = LogSourceConfig

    def __init__(self, config: LogSourceConfig) -> None:
        self.config = config

    async def run(self, context: AdapterContext) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def schema() -> Schema:
    return cast("Schema", json_schema({"disk": DiskAdapter, "tape": TapeAdapter}))


def test_it_is_a_schema_of_the_2020_12_dialect(schema: Schema) -> None:
    assert cast("str", schema["$schema"]) == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["properties"]) == set(Config.model_fields)
    assert list(schema["required"]) == ["sources"]


def test_every_reference_leads_somewhere(schema: Schema) -> None:
    references = [str(part["$ref"]) for part in _objects(schema) if "$ref" in part]

    assert references
    assert {reference.removeprefix("#/$defs/") for reference in references} == set(schema["$defs"])


def test_unknown_keys_are_wrong_wherever_the_keys_are_ours(schema: Schema) -> None:
    open_objects = [
        part for part in _objects(schema) if "properties" in part and part.get("additionalProperties") is not False
    ]

    assert open_objects == []


def test_a_source_has_the_common_keys_and_those_of_its_type(schema: Schema) -> None:
    items = schema["properties"]["sources"]["items"]
    disk, tape = schema["$defs"]["source.disk"], schema["$defs"]["source.tape"]

    assert [str(choice["$ref"]) for choice in cast("list[Schema]", items["oneOf"])] == [
        "#/$defs/source.disk",
        "#/$defs/source.tape",
    ]
    assert str(items["discriminator"]["propertyName"]) == "type"
    assert set(disk["properties"]) == {*SourceKeys.model_fields, "path", "interval", "patience", "mirror", "folder"}
    assert set(tape["properties"]) == {*SourceKeys.model_fields, "reel"}
    assert [str(part["properties"]["type"]["const"]) for part in (disk, tape)] == ["disk", "tape"]
    assert list(disk["required"]) == ["name", "type", "path"]


def test_descriptions_are_the_docstrings(schema: Schema) -> None:
    path = schema["$defs"]["source.disk"]["properties"]["path"]

    assert str(path["description"]) == "Where the disk is."


def test_defaults_are_spelled_as_in_the_file(schema: Schema) -> None:
    disk = schema["$defs"]["source.disk"]["properties"]

    assert str(disk["interval"]["default"]) == "90s"
    assert str(disk["patience"]["default"]) == "500ms"
    assert str(disk["mirror"]["default"]) == "[::1]:0"
    assert "default" not in disk["folder"]


def test_an_adapter_cannot_replace_a_section_of_ours() -> None:
    schema = cast("Schema", json_schema({"logging": LogAdapter}))

    assert set(schema["$defs"]["LogConfig"]["properties"]) == {"format", "level"}
    assert set(schema["$defs"]["source.logging.LogConfig"]["properties"]) == {"colour"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (0.025, "25ms"), (1.5, "1500ms"), (1.0, "1s"), (90.0, "90s"), (300.0, "5m"), (7200.0, "2h")],
)
def test_durations_are_written_in_their_largest_unit(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def _objects(value: object) -> list[Mapping[str, object]]:
    if isinstance(value, list):
        return [found for item in value for found in _objects(item)]
    if not isinstance(value, dict):
        return []
    return [value, *(found for item in value.values() for found in _objects(item))]
