"""Numbers and times as short as the pages have them: pure functions."""


def brief(seconds: float) -> str:
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
