"""Calls that last until one side ends them: counted, and ended when the server stops."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from xds.refusal import Reason, Refused


class OpenCalls:
    """The open calls of one service.

    Args:
        most: so many are served at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._deadlines: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def holding(self) -> AsyncIterator[None]:
        """Be open for as long as the block lasts.

        Raises:
            Refused: too many calls are open, or the server has stopped meanwhile.
        """
        if len(self._deadlines) >= self._most:
            raise Refused(Reason.TOO_MANY, f"{self._most} calls of this kind are open already")
        deadline = asyncio.timeout(None)
        try:
            async with deadline:
                self._deadlines.add(deadline)
                yield
        except TimeoutError as error:
            raise Refused(Reason.STOPPING, "the server is stopping") from error
        finally:
            self._deadlines.discard(deadline)

    def end(self) -> None:
        """End every open call."""
        now = asyncio.get_running_loop().time()
        for deadline in self._deadlines:
            deadline.reschedule(now)
