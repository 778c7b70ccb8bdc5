"""Numbers, times and long texts in the words of the pages: pure functions."""

from datetime import UTC, datetime

_LONGEST = 400


def utc(moment: float) -> str:
    """A Unix time for people."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(seconds: float) -> str:
    """A length of time as short as it stays clear: `4 s`, `12 min`, `3 h`, `5 d`. The page's script says it alike."""
    seconds = max(0.0, seconds)
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds / size)} {unit}"
    return f"{int(seconds / 86400)} d"


def milliseconds(seconds: float | None) -> str:
    """A short time: `12 ms`, `1.4 s`; a dash where it is not known."""
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def thousands(number: int) -> str:
    """A number with its thousands apart."""
    return f"{number:,}".replace(",", "\u202f")


def shortened(text: str, longest: int = _LONGEST) -> str:
    """A text that does not fill the screen, whoever wrote it."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
