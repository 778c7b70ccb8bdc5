"""How often a watch may wake: Consul itself asks its clients to slow down, since an index may move at any rate."""

import asyncio


class TokenBucket:
    """Lets `burst` through at once, and `rate` a second after that (https://en.wikipedia.org/wiki/Token_bucket)."""

    def __init__(self, rate: float, burst: float, *, filled: bool = True) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst if filled else 0.0
        self._filled_at: float | None = None

    async def take(self) -> None:
        """Wait until one more may pass; for one task at a time."""
        self._fill()
        if self._tokens < 1:
            await asyncio.sleep((1 - self._tokens) / self._rate)
            self._fill()
        self._tokens -= 1

    def _fill(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._filled_at is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
