"""How a mistake in native Envoy configuration is told: where it is, what is wrong, and what was probably meant."""

import difflib
from collections.abc import Iterable, Mapping

from bridge.errors import ConfigError

Path = tuple[str | int, ...]
"""Keys and list indexes from the root of the configuration."""


class TemplateError(ConfigError):
    """A part of the configuration that Envoy would not take, with where it is and why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{spell(path)}: {reason}")
        self.path = path
        self.reason = reason


def spell(path: Path) -> str:
    """A key path as people write it: `services[0].cluster.lb_policy`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def nearest(word: str, candidates: Iterable[str]) -> str:
    """A hint at the candidate that was probably meant, ready to end a message; empty when none is near."""
    found = difflib.get_close_matches(word, candidates, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def kind(value: object) -> str:
    """What a value read from YAML is, in words; never the value itself, which may be a secret."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
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
