"""What is wrong with something an operator wrote: where it stands, what is the matter, and what was probably meant.

One wording for every part of the configuration, and for what is read by `bridge/document.py`.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bridge.errors import ConfigError

Path = tuple[str | int, ...]
"""Where something stands in a file: keys of mappings and indexes of lists, from the top."""

_SHOWN = 60
_LONGEST = 200  # a comparison takes the square of it
_FEW = 8
_COMPARED = 200  # names that one is compared with: each takes 0.1 ms, and there may be thousands


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where."""

    path: Path
    message: str
    key: bool = False
    """The key itself is wrong, not its value."""

    def __str__(self) -> str:
        return f"{path_text(self.path)}: {self.message}" if self.path else self.message


class TemplateError(ConfigError):
    """A part of the configuration that Envoy would not take, with where it is and why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path_text(path)}: {reason}")
        self.path = path
        self.reason = reason


def path_text(path: Path) -> str:
    """A path as people write it: `sources[1].interval`."""
    text = ""
    for element in path:
        if isinstance(element, int):
            text += f"[{element}]"
        else:
            text += f".{element if element.isprintable() else repr(element)}"
    return text.removeprefix(".")


def nearest(word: str, candidates: Iterable[str], few: str = "there are") -> str:
    """A hint at what was meant, to be put behind a message: the closest candidate, or all, after `few`, when few."""
    known = sorted(set(candidates))
    if close := difflib.get_close_matches(word[:_LONGEST], _alike(word, known), n=1):
        return f"; did you mean {close[0]!r}?"
    return f"; {few} {', '.join(known)}" if 0 < len(known) <= _FEW else ""


def _alike(text: str, names: list[str]) -> list[str]:
    """As many names as may be compared with a text: those that begin as it does, or else have about its length."""

    def unlike(name: str) -> tuple[bool, int]:
        return name[:2] != text[:2], abs(len(name) - len(text))

    return names if len(names) <= _COMPARED else sorted(names, key=unlike)[:_COMPARED]


def kind(value: object) -> str:
    """What a value read from a file is, in words; never its content, which may be a secret."""
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else str(value).lower()
    for types, words in _WORDS.items():
        if isinstance(value, types):
            return words
    return type(value).__name__


_WORDS: Mapping[tuple[type, ...], str] = {
    (int, float): "a number",
    (str,): "text",
    (Mapping,): "a mapping",
    (list, tuple): "a list",
}


def shown(value: object) -> str:
    """A value for a message where it is no secret: a number or a text itself, of anything else its kind."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return kind(value)
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
