"""A token bucket: so many at once, and so many per second after that; and how many tokens a request takes."""

_FREE_FIELDS, _FIELDS, _BYTES = 1000, 100, 256 << 10
"""A request counts as one more for each so many fields beyond the first, and for so many bytes: reading them takes as
long. What Envoys with up to a thousand names send counts as one."""


class Bucket:
    """Holds `burst` tokens at first and at most, and gets `rate` new ones per second.

    Args:
        rate: tokens per second.
        burst: tokens that can be taken at once.
        now: the clock.
    """

    __slots__ = ("_burst", "_rate", "_since", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._since = burst, now

    def take(self, now: float, tokens: int = 1) -> float:
        """Take tokens, on credit where there are none; returns the seconds after which the debt is paid."""
        self._fill(now)
        self._tokens -= tokens
        return max(0.0, -self._tokens / self._rate)

    def wait(self, now: float) -> float:
        """Seconds until a token can be taken without debt; 0 for now."""
        self._fill(now)
        return max(0.0, (1 - self._tokens) / self._rate)

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._since) * self._rate)
        self._since = now


def price(fields: int, size: int) -> int:
    """How many requests one counts as that has so many fields and bytes."""
    return 1 + max(0, fields - _FREE_FIELDS) // _FIELDS + size // _BYTES
