"""Where long requests are read: one at a time and portion by portion, with a turn for everybody else in between."""

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from typing import TypeVar

from xds.turn import Rotation

ResultT = TypeVar("ResultT")


class Desk:
    """Has room for one reader; clients take turns at it.

    So a client with many streams and long requests delays itself, another's long request by one of its own, and short
    ones, which are not read here, by a portion.
    """

    def __init__(self) -> None:
        self._taken = False
        self._waiting = Rotation[asyncio.Future[None]]()

    async def read(self, client: str, reading: Generator[None, None, ResultT]) -> ResultT:
        """What `reading` comes to: at once where that is one portion, else when it is its turn.

        Args:
            client: whoever counts as one and the same.
            reading: pauses after each portion.
        """
        try:
            next(reading)
        except StopIteration as end:
            result: ResultT = end.value
            return result
        return await self._read_on(client, reading)

    async def _read_on(self, client: str, reading: Generator[None, None, ResultT]) -> ResultT:
        async with self._place(client):
            try:
                while True:
                    await asyncio.sleep(0)
                    next(reading)
            except StopIteration as end:
                result: ResultT = end.value
                return result

    @asynccontextmanager
    async def _place(self, client: str) -> AsyncIterator[None]:
        if self._taken:
            await self._wait(client)
        self._taken = True
        try:
            yield
        finally:
            self._hand_over()

    async def _wait(self, client: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.add(client, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.discard(client, turn)
            else:
                self._hand_over()  # it was this one's turn already
            raise

    def _hand_over(self) -> None:
        self._taken = False
        while self._waiting and not self._taken:
            turn = self._waiting.pop()
            if not turn.done():  # or it has been cancelled, and is about to leave
                self._taken = True
                turn.set_result(None)
