"""How many streams may be written to at once while new ones open, so that these are not left waiting.

grpc.aio takes up one new RPC at a time, and each waits behind everything that gRPC has to tell the event loop at that
moment. Where a thousand streams always have something to write and an acknowledgement to read, new ones are taken up
a few times per second, and gRPC drops, in silence, those that have waited for 30 s
(`grpc.server_max_unrequested_time_in_server`). Measured with some ten changes per second while 1,000 streams opened: a
dozen were dropped; with 32 written to at once, all had everything after 14 s. It costs a fifth more CPU for each
change, hence only while streams open.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

WIDTH = 32
"""Streams written to at once."""

QUIET = 1.0
"""Seconds without a new stream after which everybody writes at once; streams that come more seldom change nothing."""

LATE = 0.05
"""Seconds after which a write makes room for others: its client does not read, and must not hold them up."""


class Window:
    """Writers take turns here, first come, first served, while streams open.

    Args:
        clock: a monotonic clock, of the event loop's kind.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._opened = -QUIET
        self._narrow_until = -QUIET
        self._writing: dict[int, float] = {}
        """Since when, by writer, the longest-standing first."""
        self._waiting: OrderedDict[int, asyncio.Future[None]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def opened(self) -> None:
        """A stream has opened; more may come, if it is not the first for a while."""
        now = self._clock()
        if now - self._opened < QUIET:
            self._narrow_until = now + QUIET
        self._opened = now

    def ask(self, writer: int) -> asyncio.Future[None] | None:
        """Ask for a turn: None if it is now, else what to wait for. Either way `leave` has to follow.

        Args:
            writer: a number that no other writer has.
        """
        now = self._clock()
        if now >= self._narrow_until and not self._waiting:
            return None
        if len(self._writing) < WIDTH and not self._waiting:
            self._writing[writer] = now
            return None
        turn = self._waiting[writer] = asyncio.get_running_loop().create_future()
        self._timer = self._timer or asyncio.get_running_loop().call_later(LATE, self._review)
        return turn

    def leave(self, writer: int) -> None:
        """It has written, or does not want to any more."""
        self._writing.pop(writer, None)
        self._waiting.pop(writer, None)
        self._admit()

    def _admit(self) -> None:
        now = self._clock() if self._waiting else 0.0
        while self._waiting and (len(self._writing) < WIDTH or now >= self._narrow_until):
            writer, turn = self._waiting.popitem(last=False)
            if not turn.done():
                self._writing[writer] = now
                turn.set_result(None)

    def _review(self) -> None:
        now = self._clock()
        for writer in [writer for writer, since in self._writing.items() if now - since >= LATE]:
            del self._writing[writer]
        self._admit()
        self._timer = asyncio.get_running_loop().call_later(LATE, self._review) if self._waiting else None
