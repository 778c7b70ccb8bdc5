"""Times, numbers and long texts in the words that commands, pages and answers share: pure functions."""

from collections.abc import Sequence
from datetime import UTC, datetime

FETCHER = "xds-bridge-fetch"
"""The node id of `xds-bridge fetch`, unless it is given another one: it acts as an Envoy, and nobody misses it."""

_LONGEST = 400


def utc(moment: float) -> str:
    """A Unix time for people."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(seconds: float) -> str:
    """How long something takes or took, in its two largest units: `4 s`, `3 h 2 min`."""
    left, parts = max(0, round(seconds)), []
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if count := left // length:
            parts.append(f"{count} {unit}")
        left %= length
    return " ".join(parts[:2]) or "0 s"


def milliseconds(seconds: float | None) -> str:
    """A short time: `12 ms`, `1.4 s`; a dash where it is not known."""
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def counted(count: int, noun: str, several: str = "") -> str:
    """A number of things, such as `1 service` or `2 services`; `several` where an s does not make the plural."""
    return f"{count} {noun if count == 1 else several or f'{noun}s'}"


def some(names: Sequence[str], most: int, count: int | None = None) -> str:
    """The first of these, and how many there are beside them: `a, b and 3 more`.

    Args:
        names: all of them, or as many as are known.
        most: how many are named.
        count: how many there are in all, where that is more than `names`.
    """
    named = names[:most]
    left = (len(names) if count is None else count) - len(named)
    return ", ".join(named) + (f" and {left} more" if left > 0 else "")


def shortened(text: str, longest: int = _LONGEST) -> str:
    """A text in one line that does not fill the screen, whoever wrote it."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def printable(text: str) -> str:
    """The text with everything that is not for the eye (control characters, line ends, surrogates) escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def gist(message: str) -> str:
    """Why an Envoy rejects something: its message has the whole resource before the reason."""
    return shortened(message.rpartition("\n: ")[2])
