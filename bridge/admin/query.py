"""What a client asks for with the parameters of a URL, and what it is told when there is no such thing."""

from collections.abc import Collection, Mapping, Sequence

from bridge.problem import nearest
from bridge.wording import some

SHOWN = 200
"""Characters of a value that are told back."""

_LISTED = 50
"""Allowed values that are named, the first by name; of more, also the one that is nearest to what was asked for."""


class WrongQueryError(ValueError):
    """Something in a query is not understood; the message names it, and what there is instead."""


class NotThereError(Exception):
    """What is asked about does not exist; the message says so, and what there is instead."""


def given(parameters: Sequence[tuple[str, str]], known: Sequence[str]) -> Mapping[str, str]:
    """The parameters of a query by name.

    Args:
        parameters: names and values, as they came.
        known: the names that there are.

    Raises:
        WrongQueryError: there is another one, or one is given twice.
    """
    found: dict[str, str] = {}
    for name, value in parameters:
        if name not in known:
            there = f"there are {', '.join(known)}" if known else "there is none"
            raise WrongQueryError(f"there is no parameter {name[:SHOWN]!r}; {there}")
        if name in found:
            raise WrongQueryError(f"{name}: is given twice")
        found[name] = value
    return found


def choice(found: Mapping[str, str], name: str, allowed: Collection[str]) -> str:
    """The value of a parameter that has to be one of several; empty when it is left out.

    Raises:
        WrongQueryError: it is none of them.
    """
    value = found.get(name, "")
    if name in found and value not in allowed:
        raise WrongQueryError(f"{name}: there is none called {value[:SHOWN]!r}; {_listed(value, allowed)}")
    return value


def number(found: Mapping[str, str], name: str, lowest: int, highest: int | None) -> int | None:
    """A parameter that is a number; None when it is left out.

    Raises:
        WrongQueryError: it is none, or too small or too large.
    """
    text = found.get(name)
    if text is None:
        return None
    value = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1
    if value < lowest or (highest is not None and value > highest):
        allowed = f"a number from {lowest} to {highest}" if highest is not None else "the number of an event, or 0"
        raise WrongQueryError(f"{name}: {text[:SHOWN]!r} is not {allowed}")
    return value


def _listed(value: str, allowed: Collection[str]) -> str:
    if not allowed:
        return "there are none"
    hint = nearest(value, allowed) if len(allowed) > _LISTED else ""
    return f"there are {some(sorted(allowed), _LISTED)}{hint}"
