"""Whether a new stream is let in: how many there are, how many its client has, and how fast they come."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from xds.bucket import Bucket
from xds.limit import Limits
from xds.refusal import Reason, Refused
from xds.turn import Turns

PATIENCE = 5.0
"""Seconds that a new stream waits for its turn. Envoy itself waits longer for an answer (`initial_fetch_timeout`)."""

_BURST = 2.0
"""Seconds' worth of new streams that are let in at once: the Envoys of a fleet find the server again together."""

_BEAT = 0.01
"""Those who wait are let in this often and not one by one, which would be a timer for each."""


class Admission:
    """Keeps the number of streams and the rate of new ones within limits.

    Args:
        limits: what there may be.
        clock: a monotonic clock, of the event loop's kind.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._places = Counter[str]()
        self._taken = 0
        self._turns = Turns[asyncio.Future[None]](
            Bucket(limits.accept_rate, max(1.0, _BURST * limits.accept_rate), clock())
        )
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def close(self) -> None:
        """Refuse everybody from now on, those who wait for their turn first of all."""
        self._closed = True
        for ticket in self._turns.dismiss():
            if not ticket.done():
                ticket.set_result(None)  # and are told like those whose turn has just come

    @property
    def taken(self) -> int:
        """Places taken: streams that are open or wait for their turn."""
        return self._taken

    @asynccontextmanager
    async def place(self, client: str) -> AsyncIterator[None]:
        """Have a place, and one's turn, for as long as the block lasts.

        Args:
            client: whoever counts as one and the same.

        Raises:
            Refused: there are too many; told at once, but for a turn that does not come within `PATIENCE`. Or this is
                closed, or is while one waits.
        """
        self._require_open()
        self._check(client)
        self._taken += 1
        self._places[client] += 1
        try:
            await self._turn(client)
            self._require_open()
            yield
        finally:
            self._taken -= 1
            self._places[client] -= 1
            if not self._places[client]:
                del self._places[client]

    def _require_open(self) -> None:
        if self._closed:
            raise Refused(Reason.STOPPING, "the server is stopping")

    def _check(self, client: str) -> None:
        limits = self._limits
        if self._taken >= limits.streams:
            raise Refused(Reason.STREAMS, f"{limits.streams} streams are open, which is the most (limits.streams)")
        if self._places[client] >= limits.streams_per_client:
            raise Refused(
                Reason.STREAMS_PER_CLIENT,
                f"{client} has {limits.streams_per_client} streams, which is the most (limits.streams_per_client)",
            )

    async def _turn(self, client: str) -> None:
        ticket = asyncio.get_running_loop().create_future()
        if self._turns.join(client, ticket, self._clock()):
            return
        self._set_timer()
        try:
            async with asyncio.timeout(PATIENCE):
                await ticket
        except TimeoutError:
            rate = self._limits.accept_rate
            message = f"more than {rate} new streams per second (limits.accept_rate); come back later"
            raise Refused(Reason.ACCEPT_RATE, message) from None
        finally:
            self._turns.leave(client, ticket)

    def _set_timer(self) -> None:
        delay = self._turns.wait(self._clock())
        if self._timer is None and delay is not None:
            self._timer = asyncio.get_running_loop().call_later(max(delay, _BEAT), self._call_those_due)

    def _call_those_due(self) -> None:
        self._timer = None
        for ticket in self._turns.due(self._clock()):
            if not ticket.done():
                ticket.set_result(None)
        self._set_timer()
