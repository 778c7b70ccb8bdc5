"""Numbers and times as short as the pages have them: pure functions."""


def brief(seconds: float) -> str:
    """A length of time as short as it stays clear: `4 s`, `12 min`, `3 h`, `5 d`. The page's script says it alike."""
    seconds = max(0.0, seconds)
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds / size)} {unit}"
    return f"{int(seconds / 86400)} d"


def thousands(number: int) -> str:
    """A number with its thousands apart."""
    return f"{number:,}".replace(",", "\u202f")
