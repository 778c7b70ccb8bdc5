"""Values read by a model, and what is wrong with them in words for the operator: pydantic without its vocabulary."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bridge.errors import ConfigError
from bridge.problem import Path, Problem, nearest, shown

ModelT = TypeVar("ModelT", bound=BaseModel)

_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "tuple": "a list",
    "list": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping",
    "mapping": "a mapping",
    "model": "a mapping",
    "dataclass": "a mapping",
}


def validate(
    model: type[ModelT], values: Mapping[str, object], at: Path = (), also: Sequence[str] = ()
) -> tuple[ModelT | None, list[Problem]]:
    """Read values by a model; either it is there, or there are problems.

    Args:
        model: what to build.
        values: what the file says.
        at: where `values` stand in the file.
        also: keys that are right beside the model's own, for the hint at an unknown one.
    """
    try:
        return model.model_validate(values), []
    except ConfigError as error:  # a model may refuse what it reads in its own words
        return None, [Problem(at, str(error))]
    except ValidationError as error:
        details = error.errors(include_url=False)
    return None, [_problem(detail, model, values, at, also) for detail in details]


def _problem(
    detail: ErrorDetails, model: type[BaseModel], values: Mapping[str, object], at: Path, also: Sequence[str]
) -> Problem:
    path = _within(detail["loc"], values, missing=detail["type"] == "missing")
    if detail["type"] == "extra_forbidden":
        known = [*_keys(model, path[:-1]), *(also if len(path) == 1 else ())]
        return Problem(at + path, f"unknown key{nearest(str(path[-1]), known)}", key=True)
    return Problem(at + path, _sentence(detail))


def _within(loc: tuple[str | int, ...], value: object, *, missing: bool) -> Path:
    """The part of pydantic's location that stands in the file; the rest names branches of a union."""
    path: list[str | int] = []
    for position, element in enumerate(loc):
        content = _content(value)
        if element in content:
            value = content[element]
        elif not (missing and position == len(loc) - 1):
            continue
        path.append(element)
    return tuple(path)


def _content(value: object) -> Mapping[object, object]:
    if isinstance(value, list):
        return dict(enumerate(value))
    return value if isinstance(value, Mapping) else {}


def _keys(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that a model knows at a path."""
    models = [model]
    for element in path:
        fields = [field for candidate in models for name, field in _named(candidate) if name == element]
        if fields:
            models = [found for field in fields for found in _models(field)]
    return [name for candidate in models for name, _ in _named(candidate)]


def _named(model: type[BaseModel]) -> Iterator[tuple[str, object]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field.annotation


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _sentence(detail: ErrorDetails) -> str:
    kind, given, context = detail["type"], shown(detail["input"]), detail.get("ctx", {})
    if kind == "missing":
        return "is missing"
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    if kind in ("enum", "literal_error"):
        return _choice(detail["input"], str(context["expected"]))
    if expected := _EXPECTED.get(kind.rpartition("_")[0] if kind.endswith(("_type", "_parsing")) else ""):
        return f"expected {expected}, not {given}"
    subject, should, rest = detail["msg"].partition(" should ")  # pydantic says "Input should be less than 3"
    return f"{given} should {rest}" if should else f"{given}: {subject}"


def _choice(value: object, expected: str) -> str:
    """What to say of a value that is none of those `expected`, which are quoted: `'json' or 'console'`."""
    if not isinstance(value, str):
        return f"expected text, not {shown(value)}"
    close = difflib.get_close_matches(value, expected.split("'")[1::2], n=1)
    return f"{shown(value)} is not {expected}{f'; did you mean {close[0]!r}?' if close else ''}"
