"""Log events are constants, and the page of log events names every one of them and no other."""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.log_page import documented, undocumented

NO_EVENTS = {
    *("audit.jsonl", "state.json", "bridge.yaml"),  # files
    *("bridge.adapters", "aws.queues"),  # an entry-point group, a key of what sources share
    *("xds.debounce", "xds.tls"),  # keys of the configuration
    *("config.html", "service.html", "services.html"),  # templates of the status page
}
"""Texts in the code that look like events."""

NAMING = {"debug": 0, "info": 0, "warning": 0, "error": 0, "exception": 0, "critical": 0, "noticed": 0, "log": 1}
"""Which argument of a call of these methods names the event."""

_FORM = re.compile(r"[a-z0-9]+\.[a-z][a-z_]+")


@pytest.fixture(scope="module")
def trees(repository: Path) -> dict[str, ast.Module]:
    paths = [path for package in ("bridge", "adapters") for path in (repository / package).rglob("*.py")]
    return {str(path.relative_to(repository)): ast.parse(path.read_bytes()) for path in paths}


def test_every_event_is_a_constant(trees: dict[str, ast.Module]) -> None:
    composed = [
        f"{path}:{event.lineno}"
        for path, tree in trees.items()
        for event in _named(tree)
        if not all(isinstance(part, ast.Constant | ast.Name) for part in _alternatives(event))
    ]

    assert composed == []


def test_the_page_has_every_event_and_no_other(trees: dict[str, ast.Module]) -> None:
    called = {text for tree in trees.values() for event in _named(tree) for text in _texts(event)}
    areas = {name.partition(".")[0] for name in documented().keys() | called}
    texts = {text for tree in trees.values() for text in _texts(tree) if _FORM.fullmatch(text)}
    events = called | {text for text in texts if text.partition(".")[0] in areas} - NO_EVENTS

    assert sorted(events) == sorted(documented())
    assert texts >= NO_EVENTS


def test_the_page_has_the_level_and_the_fields_of_every_call(trees: dict[str, ast.Module]) -> None:
    """What a call composes while it runs is held against the page by every bridge of the tests."""
    faults, said = [], defaultdict[str, set[str]](set)
    composed: set[str] = set()
    for path, tree in trees.items():
        for call, level, name in _calls(tree):
            fields, whole = _fields(call)
            if level not in documented()[name].levels:
                faults.append(f"{path}:{call.lineno}: {name} is not logged as {level} on the page")
            faults += [
                f"{path}:{call.lineno}: {name} has no {field} there" for field in fields - documented()[name].fields
            ]
            said[name] |= fields
            composed |= set() if whole else {name}
    faults += [
        f"{name}: nothing says {field}"
        for name in said.keys() - composed
        for field in documented()[name].fields - said[name]
    ]

    assert faults == []
    assert len(said.keys() - composed) > 20, "most calls say their fields in place"


def test_xds_does_not_log(repository: Path) -> None:
    logging = [path for path in (repository / "xds").rglob("*.py") if "logging" in path.read_text(encoding="utf-8")]

    assert logging == []


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"event": "source.went"}, "source.went"),
        ({"level": "error"}, "source.trusted: level error"),
        ({"token": "x"}, "source.trusted: field token"),
    ],
)
def test_a_line_that_is_not_on_the_page_is_found(changed: dict[str, str], fault: str) -> None:
    line = {"time": "", "level": "info", "logger": "bridge.registry", "event": "source.trusted", "source": "dc1"}

    assert undocumented(json.dumps(line)) == []
    assert undocumented(json.dumps({**line, **changed})) == [fault]


def _named(tree: ast.Module) -> Iterator[ast.expr]:
    """What names the event, of each call that logs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in NAMING:
            owner, place = node.func.value, NAMING[node.func.attr]
            ours = node.func.attr == "noticed" or (isinstance(owner, ast.Name) and owner.id in ("log", "logger"))
            if ours and len(node.args) > place:
                yield node.args[place]


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str, str]]:
    """Each call of a logger that says its level and its event in place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            owner, level, event = node.func.value, node.func.attr, node.args[0]
            ours = isinstance(owner, ast.Name) and owner.id in ("log", "logger") and NAMING.get(level) == 0
            if ours and isinstance(event, ast.Constant):
                yield node, "error" if level == "exception" else level, str(event.value)


def _fields(call: ast.Call) -> tuple[set[str], bool]:
    """The fields that a call says in place, and whether that is all of them."""
    extra = next((each.value for each in call.keywords if each.arg == "extra"), ast.Dict([], []))
    if not isinstance(extra, ast.Dict):
        return set(), False
    keys = {key.value for key in extra.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    return keys, len(keys) == len(extra.keys)


def _alternatives(event: ast.expr) -> tuple[ast.expr, ...]:
    return (event.body, event.orelse) if isinstance(event, ast.IfExp) else (event,)


def _texts(tree: ast.AST) -> Iterator[str]:
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
