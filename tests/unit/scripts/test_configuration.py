"""The reference of the configuration says what the schema says."""

import pytest

from bridge import plugins
from bridge.config import json_schema
from scripts import configuration
from scripts.configuration import HEADER, Schema

SCHEMA: Schema = {
    "properties": {
        "port": {"type": "integer", "default": 80, "description": "Where it\nlistens."},
        "tls": {"anyOf": [{"$ref": "#/$defs/Tls"}, {"type": "null"}]},
        "sources": {"type": "array", "items": {"oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]}},
    },
    "required": ["sources"],
    "$defs": {
        "Tls": {
            "type": "object",
            "description": "Certificates.",
            "properties": {
                "names": {"type": "array", "items": {"type": "string", "x-kind": "glob"}, "default": []},
                "versions": {"type": "array", "items": {"$ref": "#/$defs/Version"}},
            },
        },
        "Version": {"enum": ["1.2", "1.3"], "type": "string"},
        "a": {"properties": {"type": {"type": "string", "const": "a"}}, "required": ["type"]},
        "b": {"properties": {"type": {"type": "string", "const": "b"}, "of_b": {"type": "boolean"}}},
    },
}

PAGE = f"""# All
{HEADER}
## The `tls` of it
{HEADER}| `old` | text | | Gone |

What a person wrote.

| another | table |
|---|---|
## `sources[]`
{HEADER}
## `sources[]` of `type: b`
{HEADER}"""


def test_the_page_is_what_the_schema_says() -> None:
    page = configuration.PAGE.read_text(encoding="utf-8")

    assert configuration.written(page, json_schema(plugins.discover())) == page, (
        "write it anew: python -m scripts.configuration"
    )


def test_every_key_has_a_meaning_and_a_name_of_its_own() -> None:
    keys = configuration.keys(json_schema(plugins.discover()))

    assert [(key.section, key.name) for key in keys if not key.meaning] == []
    assert len({(key.section, key.name) for key in keys}) == len(keys) > 100


def test_tables_are_those_of_the_schema_and_all_else_stays() -> None:
    page = configuration.written(PAGE, SCHEMA)

    assert page == PAGE.replace("| `old` | text | | Gone |\n", "").replace(
        f"# All\n{HEADER}",
        f"# All\n{HEADER}"
        "| `port` | number | `80` | Where it listens |\n"
        "| `tls` | [section](#the-tls-of-it) | | Certificates |\n"
        "| `sources` | [list](#sources) | required | |\n",
    ).replace(
        f"## The `tls` of it\n{HEADER}",
        f"## The `tls` of it\n{HEADER}"
        "| `names` | list of globs | `[]` | |\n"
        "| `versions` | list of `1.2`, `1.3` | | |\n",
    ).replace(f"## `sources[]`\n{HEADER}", f"## `sources[]`\n{HEADER}| `type` | `a`, `b` | required | |\n").replace(
        f"## `sources[]` of `type: b`\n{HEADER}", f"## `sources[]` of `type: b`\n{HEADER}| `of_b` | boolean | | |\n"
    )


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        (PAGE.replace(f"## The `tls` of it\n{HEADER}", "## The `tls` of it\n"), r"without one table: \['tls'\]"),
        (f"{PAGE}\n## `tsl`\n{HEADER}", r"without a section: \['tsl'\]"),
        (f"{PAGE}\n## `tls`\n{HEADER}", "sections without one table"),
    ],
)
def test_a_page_that_is_not_of_the_schema_is_refused(page: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        configuration.written(page, SCHEMA)
