"""Room for large responses: writers wait here until the budget has some for them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from xds.budget import Budget
from xds.refusal import Reason, Refused

SMALL = 64 << 10
"""Bytes. What is no larger than this needs no room: most changes do not wait behind anybody."""


class InFlight:
    """Carries out what a `Budget` decides.

    Args:
        size: bytes that may be on their way at once, and as many again to clients that are slow.
        clock: a monotonic clock, of the event loop's kind.
    """

    def __init__(self, size: int, clock: Callable[[], float]) -> None:
        self._size = size
        self._budget = Budget(size)
        self._left = Counter[str]()
        """Bytes of responses that were given up and are still kept by the transport, by client."""
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

    @property
    def left(self) -> int:
        """Bytes of large responses that were given up and that clients have not let go of."""
        return self._left.total()

    def leave(self, client: str, size: int, gone: asyncio.Future[None]) -> None:
        """Note a response that was given up, for as long as the transport keeps it.

        Its room is free for others all the same: what is left is bounded by client.

        Args:
            client: whoever counts as one and the same.
            size: bytes.
            gone: done when the transport does not keep it any more.
        """
        self._left[client] += size
        gone.add_done_callback(lambda _: self._forget(client, size))

    def overdrawn(self, client: str) -> bool:
        """Whether a client has left as much as may be on its way to all of them."""
        return self._left[client] >= self._size

    def require_read(self, client: str) -> None:
        """Let only those go on who have not left too much.

        Raises:
            Refused: the client is overdrawn.
        """
        if self.overdrawn(client):
            message = f"{client} has left {self._left[client]} bytes unread (limits.in_flight); close those connections"
            raise Refused(Reason.UNREAD, message)

    def _forget(self, client: str, size: int) -> None:
        self._left[client] -= size
        if not self._left[client]:
            del self._left[client]

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
