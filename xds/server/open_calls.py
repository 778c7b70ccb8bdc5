"""Calls that last until one side ends them: counted for each client, and ended when the server stops."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from xds.refusal import Reason, Refused


class OpenCalls:
    """The open calls of one service.

    Args:
        most: so many of one client are served at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._calls = Counter[str]()
        self._deadlines: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def holding(self, client: str) -> AsyncIterator[None]:
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
        try:
            async with deadline:
                self._deadlines.add(deadline)
                yield
        except TimeoutError as error:
            raise Refused(Reason.STOPPING, "the server is stopping") from error
        finally:
            self._deadlines.discard(deadline)
            self._calls[client] -= 1
            if not self._calls[client]:
                del self._calls[client]

    def end(self) -> None:
        """End every open call."""
        now = asyncio.get_running_loop().time()
        for deadline in self._deadlines:
            deadline.reschedule(now)
