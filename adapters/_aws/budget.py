"""How many calls may be made: AWS takes them from buckets that belong to the whole account."""

import asyncio
from weakref import WeakKeyDictionary

_BURST = 5.0
"""Seconds' worth of calls that may be made at once; AWS's own buckets hold as much."""


class Budget:
    """A token bucket for one account and region (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html)."""

    def __init__(self, rate: float) -> None:
        """Begin full.

        Args:
            rate: calls per second while there is no limit.
        """
        self._initial = rate
        self._limits: WeakKeyDictionary[object, float] = WeakKeyDictionary()
        self._tokens = rate * _BURST
        self._filled_at: float | None = None
        self._wanted: WeakKeyDictionary[object, float] = WeakKeyDictionary()

    @property
    def rate(self) -> float:
        """Calls per second: the lowest limit of those that there are."""
        return min(self._limits.values(), default=self._initial)

    @property
    def left(self) -> float:
        """How many calls may be made at once as of the last one; below zero while some wait."""
        return self._tokens

    @property
    def excess(self) -> float:
        """By what factor all users together want more than there is; 1 while it is enough."""
        return max(1.0, sum(self._wanted.values()) / self.rate)

    def want(self, user: object, rate: float) -> None:
        """Count on `rate` calls per second of a user for as long as there is such an object."""
        self._wanted[user] = rate

    def limit(self, user: object, rate: float) -> None:
        """Have no more than `rate` calls per second for as long as there is such an object."""
        self._limits[user] = rate
        self._tokens = min(self._tokens, self.rate * _BURST)

    def adopt(self, user: object, like: object) -> None:
        """Have a user that has the same limit as another one, which may go before it."""
        self._limits[user] = self._limits.get(like, self._initial)

    async def take(self) -> None:
        """Wait until a call may be made; whoever comes first goes first."""
        self._fill()
        self._tokens -= 1  # below zero: each who waits has a place in the queue
        try:
            if self._tokens < 0:
                await asyncio.sleep(-self._tokens / self.rate)
        except asyncio.CancelledError:
            self._tokens += 1
            raise

    def charge(self, calls: int) -> None:
        """Take calls that were made already, such as the SDK's own retries."""
        self._tokens -= calls

    def _fill(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._filled_at is not None:
            self._tokens = min(self.rate * _BURST, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
