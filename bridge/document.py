"""A YAML file as plain values that remember where they stand: for the configuration, and for adapters that read files.

Only the types of the YAML 1.2 core schema exist, so that `22:22`, `on` and `2026-01-31` stay text; a key given twice,
a merge key and a tag are mistakes. https://yaml.org/spec/1.2.2/#103-core-schema
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)
from ruamel.yaml.reader import ReaderError

from bridge.problem import Path, Problem

MAX_ALIASED = 200_000
"""Aliases let a few lines stand for billions of values; no real file comes near this."""

MAX_DEPTH = 64
"""Nothing that is written for Envoy or for us is nested as deep, and code that follows a document may recurse."""

_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_TAGS = "tag:yaml.org,2002:"
_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,400}|0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}", re.ASCII)
_FLOAT = re.compile(r"(?=.{1,400}$)[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class UnreadableError(ValueError):
    """It is no YAML, or more than we read; the message says what, with file, line and column."""


class _RefusalError(MarkedYAMLError):
    """What is YAML, and yet more than we read."""


class Position(NamedTuple):
    """A place in the file, both counted from 1 as editors do."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file, and where each part of it stands."""

    name: str
    value: object
    """Made of dict, list, str, int, float, bool and None. The keys of mappings are text."""
    keys: Mapping[Path, Position]
    values: Mapping[Path, Position]
    problems: tuple[tuple[Position, Problem], ...]
    """What is wrong with the file whatever it is used for; such a part is not in `value`, or is None."""

    def position(self, path: Path, *, key: bool = False) -> Position:
        """Where a path stands; for one that is absent, where the nearest thing around it stands."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Position(1, 1))

    def report(self, problems: Iterable[Problem] = ()) -> str:
        """These problems and the document's own, one per line, each with its place, in the order of the file.

        Of a value that could not be read, such as one with a variable that is not set, nothing else is said.
        """
        unread = {problem.path for _, problem in self.problems if not problem.key}
        others = [problem for problem in problems if problem.key or problem.path not in unread]
        placed = {(self.position(problem.path, key=problem.key), problem) for problem in others} | {*self.problems}
        ordered = sorted(placed, key=lambda item: (item[0], item[1].message))
        return "\n".join(f"{_place(self.name, *place)}: {problem}" for place, problem in ordered)


def parse(name: str, text: str, read_text: Callable[[str], str] = str) -> Document:
    """Read one YAML document. Lesser problems are in the document.

    Args:
        name: of the file, for messages.
        text: its content.
        read_text: what a text in it stands for; a ValueError that it raises becomes a problem of the document.

    Raises:
        UnreadableError: see there.
    """
    try:
        stream = _stream(text)
        reader = _Reader(stream, read_text)
        value = reader.read()
    except MarkedYAMLError as error:
        raise UnreadableError(_syntax(name, error)) from error
    except ReaderError as error:
        line, column = text.count("\n", 0, error.position) + 1, error.position - text.rfind("\n", 0, error.position)
        message = f"character {chr(error.character)!r} is not allowed"
        raise UnreadableError(f"{_place(name, line, column)}: {message}") from error
    except (YAMLError, ValueError, LookupError) as error:  # such as a `\U` escape beyond Unicode
        raise UnreadableError(f"{name}: not YAML: {error}") from error
    return Document(name, value, reader.keys, reader.values, tuple(reader.problems))


def _syntax(name: str, error: MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = _place(name, mark.line + 1, mark.column + 1) if mark else name
    what = ", ".join(" ".join(part.split()) for part in (error.context, error.problem) if part)
    return f"{where}: {what}" if isinstance(error, _RefusalError) else f"{where}: not YAML: {what}"


def _place(name: str, line: int, column: int) -> str:
    return f"{name}:{line}:{column}"


@dataclass(slots=True)
class _Stream:
    """The nodes of a document one after the other, a collection between its start and its end."""

    nodes: list[Event] = field(default_factory=list)
    targets: dict[int, int] = field(default_factory=dict)
    """What an alias names, both as indexes of `nodes`."""
    anchors: dict[str, int] = field(default_factory=dict)
    """What a name stands for at this point of the document; it may be given again."""

    def add(self, event: NodeEvent | CollectionEndEvent) -> None:
        if isinstance(event, AliasEvent):
            if event.anchor not in self.anchors:
                raise _mistake(event, f"nothing above is called {event.anchor!r}")
            self.targets[len(self.nodes)] = self.anchors[event.anchor]
        elif isinstance(event, NodeEvent) and event.anchor is not None:
            self.anchors[event.anchor] = len(self.nodes)
        self.nodes.append(event)


def _stream(text: str) -> _Stream:
    """The events of the one document, which take less time than to let the library compose nodes of them."""
    stream, documents, depth = _Stream(), 0, 0
    for event in YAML(typ="safe", pure=True).parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:  # here already: the library needs half a minute for a long line of brackets
            raise _mistake(event, _TOO_DEEP)
        documents += isinstance(event, DocumentStartEvent)
        if documents > 1:
            raise _mistake(event, "there is a second document; one file is one document")
        if isinstance(event, NodeEvent | CollectionEndEvent):
            stream.add(event)
    return stream


class _Reader:
    """One pass over the nodes, with a detour for each alias."""

    def __init__(self, stream: _Stream, read_text: Callable[[str], str]) -> None:
        self._nodes, self._targets, self._read_text = stream.nodes, stream.targets, read_text
        self._next = 0
        self._open: set[int] = set()
        self._detours = 0
        self._aliased = 0
        self.keys: dict[Path, Position] = {}
        self.values: dict[Path, Position] = {}
        self.problems: list[tuple[Position, Problem]] = []

    def read(self) -> object:
        return self._node(()) if self._nodes else None

    def _node(self, path: Path) -> object:
        at = self._next
        event = self._nodes[at]
        self._next += 1
        self._limit(event, path)
        self.values[path] = _position(event.start_mark)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, AliasEvent):
            return self._alias(at, path)
        assert isinstance(event, CollectionStartEvent)  # noqa: S101 (whoever reads a collection stops before its end)
        self._open.add(at)
        value = self._collection(event, path)
        self._open.discard(at)
        return value

    def _limit(self, event: Event, path: Path) -> None:
        if len(path) > MAX_DEPTH:  # once more: aliases stand for what may be deep itself
            raise _mistake(event, _TOO_DEEP)
        self._aliased += self._detours > 0
        if self._aliased > MAX_ALIASED:
            raise _mistake(event, f"aliases stand for more than {MAX_ALIASED} values")

    def _alias(self, at: int, path: Path) -> object:
        target = self._targets[at]
        if target in self._open:
            self._found(self._nodes[at], path, "an alias must not stand within what it names")
            return None
        back, here = self._next, self.values[path]
        self._next = target
        self._detours += 1
        value = self._node(path)
        self._detours -= 1
        self._next = back
        self.values[path] = here
        return value

    def _collection(self, event: CollectionStartEvent, path: Path) -> object:
        is_mapping = isinstance(event, MappingStartEvent)
        self._check_tag(event, path, "map" if is_mapping else "seq")
        value = self._mapping(path) if is_mapping else self._sequence(path)
        self._next += 1  # its end
        return value

    def _sequence(self, path: Path) -> list[object]:
        items: list[object] = []
        while not isinstance(self._nodes[self._next], CollectionEndEvent):
            items.append(self._node((*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, object]:
        content: dict[str, object] = {}
        while not isinstance(self._nodes[self._next], CollectionEndEvent):
            key = self._key(path)
            if key is None:
                self._skip()
            else:
                content[key] = self._node((*path, key))
        return content

    def _key(self, path: Path) -> str | None:
        """The next key; None for one whose value is not to be read."""
        event = self._nodes[self._next]
        self._skip()
        if fault := _fault(event):
            self._found(event, path, fault)
            return None
        assert isinstance(event, ScalarEvent)  # noqa: S101 (nothing else is without fault)
        key = str(event.value)
        inner = (*path, key)
        if inner in self.keys:
            self._found(event, inner, f"the key is given twice, first in line {self.keys[inner].line}", key=True)
            return None
        self.keys[inner] = _position(event.start_mark)
        return key

    def _skip(self) -> None:
        depth = 0
        while True:
            event = self._nodes[self._next]
            self._next += 1
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if depth == 0:
                return

    def _scalar(self, event: ScalarEvent, path: Path) -> object:
        if event.value == "" and path in self.keys:
            self.values[path] = self.keys[path]  # a value left out stands, for YAML, wherever the next thing does
        if not self._check_tag(event, path, "str"):
            return None
        value = _plain(event.value) if event.style is None and event.tag is None else str(event.value)
        if not isinstance(value, str):
            return value
        try:
            return self._read_text(value)
        except ValueError as error:
            self._found(event, path, str(error))
            return value

    def _check_tag(self, event: ScalarEvent | CollectionStartEvent, path: Path, allowed: str) -> bool:
        if event.tag is None or str(event.tag) == _TAGS + allowed:
            return True
        self._found(event, path, f"the tag {event.tag} is not supported")
        return False

    def _found(self, event: Event, path: Path, message: str, *, key: bool = False) -> None:
        self.problems.append((_position(event.start_mark), Problem(path, message, key)))


def _fault(key: object) -> str:
    """Why a node cannot be a key; empty when it can."""
    if not isinstance(key, ScalarEvent) or key.tag not in (None, _TAGS + "str"):
        return "a key must be text"
    if key.value == "<<" and key.style is None:
        return "merge keys (<<) are no part of YAML 1.2; write the keys out"
    return ""


def _mistake(event: Event, message: str) -> _RefusalError:
    return _RefusalError(problem=message, problem_mark=event.start_mark)


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
