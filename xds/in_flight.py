"""Room for large responses: writers wait here until the budget has some for them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from xds.budget import Budget

SMALL = 64 << 10
"""Bytes. What is no larger than this needs no room: most changes do not wait behind anybody."""


class InFlight:
    """Carries out what a `Budget` decides.

    Args:
        size: bytes that may be on their way at once, and as many again to clients that are slow.
        clock: a monotonic clock, of the event loop's kind.
    """

    def __init__(self, size: int, clock: Callable[[], float]) -> None:
        self._budget = Budget(size)
        self._clock = clock
        self._turns: dict[int, asyncio.Future[None]] = {}
        self._ends: dict[int, Callable[[], None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def used(self) -> int:
        """Bytes on their way, of large responses."""
        return self._budget.used

    @property
    def waiting(self) -> int:
        """How many writers wait for room."""
        return self._budget.waiting

    @asynccontextmanager
    async def room(self, writer: int, size: int, end: Callable[[], None]) -> AsyncIterator[None]:
        """Have room for a response while the block lasts; waits for it.

        Args:
            writer: a number that no other writer has.
            size: bytes.
            end: makes the writer give up soon; called if it is among the slowest and others need the room.
        """
        self._ends[writer] = end
        try:
            if not self._budget.ask(writer, size, self._clock()):
                self._turns[writer] = asyncio.get_running_loop().create_future()
                self._review()
                await self._turns[writer]
            yield
        finally:
            del self._ends[writer]
            self._turns.pop(writer, None)
            self._budget.release(writer)
            self._review()

    def _review(self) -> None:
        now = self._clock()
        verdict = self._budget.review(now)
        for writer in verdict.admitted:
            if not (turn := self._turns[writer]).done():
                turn.set_result(None)
        for writer in verdict.ended:
            self._ends[writer]()
        if self._timer:
            self._timer.cancel()
        delay = self._budget.due(now)
        self._timer = None if delay is None else asyncio.get_running_loop().call_later(delay, self._review)
