"""A YAML file as plain values that remember where they stand.

Reads the node graph, not the values that a YAML library would make of it: the position of every key and value is kept,
a key given twice is an error, and only the types of the YAML 1.2 core schema exist, so that `22:22` and `on` stay text.
https://yaml.org/spec/1.2.2/#103-core-schema
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from bridge.config.environment import expand
from bridge.config.problem import Path, Problem
from bridge.errors import ConfigError

MAX_VALUES = 200_000
"""Aliases let a few lines stand for billions of values; a real configuration is far below this."""

_TAGS = "tag:yaml.org,2002:"
_IMPLICIT = frozenset(_TAGS + kind for kind in ("null", "bool", "int", "float", "timestamp", "str", "merge", "value"))
_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,400}|0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class Position(NamedTuple):
    """A place in the file, both counted from 1 as editors do."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file, and where each part of it stands."""

    name: str
    value: object
    keys: Mapping[Path, Position]
    values: Mapping[Path, Position]
    problems: tuple[tuple[Position, Problem], ...]
    """What is wrong with the file whatever it is used for."""

    def position(self, path: Path, *, key: bool = False) -> Position:
        """Where a path stands; for one that is absent, where the nearest thing around it stands."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Position(1, 1))

    def error(self, problems: list[Problem]) -> ConfigError:
        """All problems, one per line and in the order of the file."""
        placed = {(self.position(problem.path, key=problem.key), problem) for problem in problems} | {*self.problems}
        ordered = sorted(placed, key=lambda item: (item[0], item[1].message))
        return ConfigError(
            "\n".join(f"{self.name}:{place.line}:{place.column}: {problem}" for place, problem in ordered)
        )


def parse(name: str, text: str, environ: Mapping[str, str]) -> Document:
    """Read one YAML document and expand the environment in its texts.

    Raises:
        ConfigError: it is not YAML; the message names file, line and column. Lesser problems are in the document.
    """
    reader = _Reader(environ)
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        value = reader.read(root, ()) if root else None
    except MarkedYAMLError as error:
        raise ConfigError(_syntax(name, error)) from error
    except ReaderError as error:
        line, column = text.count("\n", 0, error.position) + 1, error.position - text.rfind("\n", 0, error.position)
        raise ConfigError(f"{name}:{line}:{column}: character {chr(error.character)!r} is not allowed") from error
    except (YAMLError, ValueError) as error:
        raise ConfigError(f"{name}: not YAML: {error}") from error
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply") from None
    if reader.count > MAX_VALUES:
        raise ConfigError(f"{name}: more than {MAX_VALUES} values once its aliases are followed")
    return Document(name, value, reader.keys, reader.values, tuple(reader.problems))


def _syntax(name: str, error: MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    what = ", ".join(" ".join(part.split()) for part in (error.context, error.problem) if part)
    return f"{where}: not YAML: {what}"


class _Reader:
    """One pass over the node graph, which may share nodes and even contain itself."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._open: set[int] = set()
        self.count = 0
        self.keys: dict[Path, Position] = {}
        self.values: dict[Path, Position] = {}
        self.problems: list[tuple[Position, Problem]] = []

    def read(self, node: Node, path: Path) -> object:
        self.count += 1
        self.values[path] = _position(node.start_mark)
        if node.value == "" and path in self.keys:
            self.values[path] = self.keys[path]  # a value left out stands, for YAML, wherever the next thing does
        if self.count > MAX_VALUES:
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            self._found(node, path, "an alias must not stand within what it names")
            return None
        self._open.add(id(node))
        value = self._collection(node, path)
        self._open.discard(id(node))
        return value

    def _collection(self, node: Node, path: Path) -> object:
        if node.tag not in (_TAGS + "map", _TAGS + "seq"):
            self._found(node, path, f"the tag {node.tag} is not supported")
        if isinstance(node, SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._mapping(node, path)

    def _mapping(self, node: Node, path: Path) -> dict[str, object]:
        content: dict[str, object] = {}
        for key, item in node.value:
            if not isinstance(key, ScalarNode):
                self._found(key, path, "a key must be text")
                continue
            if key.tag == _TAGS + "merge":
                self._found(key, path, "merge keys (<<) are no part of YAML 1.2; write the keys out")
                continue
            inner = (*path, str(key.value))
            if key.value in content:
                first = self.keys[inner]
                self._found(key, inner, f"the key is given twice, first in line {first.line}")
                continue
            self.keys[inner] = _position(key.start_mark)
            content[key.value] = self.read(item, inner)
        return content

    def _scalar(self, node: ScalarNode, path: Path) -> object:
        if node.tag not in _IMPLICIT:
            self._found(node, path, f"the tag {node.tag} is not supported")
            return None
        value = _plain(node.value) if node.style is None and node.tag != _TAGS + "str" else node.value
        if not isinstance(value, str):
            return value
        try:
            return expand(value, self._environ)
        except ValueError as error:
            self._found(node, path, str(error))
            return value

    def _found(self, node: Node, path: Path, message: str) -> None:
        self.problems.append((_position(node.start_mark), Problem(path, message)))


def _position(mark: StringMark) -> Position:
    return Position(mark.line + 1, mark.column + 1)


def _plain(text: str) -> object:
    """What a text without quotes stands for."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text) or _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1) if _SPECIAL.fullmatch(text) else text)
    return text
