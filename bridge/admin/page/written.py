"""The configuration as a person wrote it, without what is secret: a pure function.

References such as `${NAME}` and paths of files stay as they stand in the file, since what they stand for is not there.
"""

import re
from collections.abc import Iterator, Mapping

from bridge.redaction import REDACTED, names_secret, redacted

_FILE = re.compile(r"(_file|_path|_directory)$|^(private_key|certificate|client_ca)$")
"""Keys whose value is a path: that is no secret, what is in the file is."""

_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


def lines(value: object, key: str = "", indent: int = 0) -> Iterator[str]:
    """A configuration in the form of YAML, line by line."""
    space = "  " * indent
    if isinstance(value, Mapping) and value:
        for name, each in _without_pairs(value).items():
            yield from _entry(f"{space}{name}:", str(name), each, indent + 1)
    elif isinstance(value, list | tuple) and value:
        for each in value:
            yield from _item(space, key, each, indent)
    else:
        yield f"{space}{_scalar(key, value)}"


def _without_pairs(value: Mapping[str, object]) -> Mapping[str, object]:
    """A mapping that names something secret and has it beside the name, such as a header, without it."""
    named = any(isinstance(value.get(key), str) and names_secret(str(value[key])) for key in ("key", "name"))
    if not named:
        return value
    return {key: REDACTED if "value" in str(key) else each for key, each in value.items()}


def _entry(head: str, key: str, value: object, indent: int) -> Iterator[str]:
    if _hidden(key, value):
        yield f"{head} {REDACTED}"
    elif isinstance(value, Mapping | list | tuple) and value:
        yield head
        yield from lines(value, key, indent)
    else:
        yield f"{head} {_scalar(key, value)}"


def _item(space: str, key: str, value: object, indent: int) -> Iterator[str]:
    inside = list(lines(value, key, indent + 1))
    yield f"{space}- {inside[0].lstrip()}"
    yield from inside[1:]


def _hidden(key: str, value: object) -> bool:
    if not names_secret(key) or _FILE.search(key) or value is None or isinstance(value, bool):
        return False
    return not (isinstance(value, str) and _REFERENCE.fullmatch(value))


def _scalar(key: str, value: object) -> str:
    if _hidden(key, value):
        return REDACTED
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping | list | tuple):
        return "{}" if isinstance(value, Mapping) else "[]"
    return _text(value) if isinstance(value, str) else str(value)


def _text(text: str) -> str:
    text = redacted(text)
    plain = re.fullmatch(r"[A-Za-z0-9_./${}@‹›][^\n#]*(?<![\s:])", text) and ": " not in text
    return text if plain and text.lower() not in ("null", "true", "false", "yes", "no", "on", "off") else _quoted(text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
