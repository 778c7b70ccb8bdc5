"""Calls that last until one side ends them: counted for each client, and ended when the server stops."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from xds.refusal import Reason, Refused


class OpenCall:
    """One of them; made within its deadline."""

    def __init__(self, deadline: asyncio.Timeout) -> None:
        self._deadline = deadline
        self._answering = False
        self._over = False

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Not be ended within the block, but after it.

        gRPC ends no call in order of which a write was given up while it was taking the message.
        """
        self._answering = True
        try:
            yield
        finally:
            self._answering = False
            if self._over:
                self.end()

    def end(self) -> None:
        """End it, as soon as it waits for the client."""
        self._over = True
        if not self._answering:
            self._deadline.reschedule(asyncio.get_running_loop().time())


class OpenCalls:
    """The open calls of one service.

    Args:
        most: so many of one client are served at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._calls = Counter[str]()
        self._open: set[OpenCall] = set()

    @asynccontextmanager
    async def holding(self, client: str) -> AsyncIterator[OpenCall]:
        """Be open for as long as the block lasts.

        Args:
            client: whoever counts as one and the same.

        Raises:
            Refused: too many calls of the client are open, or the server has stopped meanwhile.
        """
        if self._calls[client] >= self._most:
            raise Refused(Reason.TOO_MANY, f"{client} has {self._most} calls of this kind open already")
        self._calls[client] += 1
        deadline = asyncio.timeout(None)
        call = OpenCall(deadline)
        try:
            async with deadline:
                self._open.add(call)
                yield call
        except TimeoutError as error:
            raise Refused(Reason.STOPPING, "the server is stopping") from error
        finally:
            self._open.discard(call)
            self._calls[client] -= 1
            if not self._calls[client]:
                del self._calls[client]

    def end(self) -> None:
        """End every open call."""
        for call in self._open:
            call.end()
