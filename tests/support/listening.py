"""A TCP server of a test: on a port of its own, and its connections end with it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]
"""Serves one connection."""


class Listener:
    """Serves each connection by a task of its own; it can be stopped, and started again."""

    def __init__(self, serve: Serve) -> None:
        self.port = 0
        """From the operating system, and kept from the first start on."""
        self._serve = serve
        self._started = False
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self) -> None:
        """Accept connections."""
        self._started = True
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and end all connections."""
        self._started = False
        if self._server:
            for each in self._server.sockets:
                asyncio.get_running_loop().remove_reader(each)
            await asyncio.sleep(0)  # a server that is closed forgets what it has accepted and not handed over yet
            self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """End all connections; new ones are accepted."""
        still = dict(self._connections)
        for task in still:
            task.cancel()
        if still:
            await asyncio.wait(still)
        for writer in still.values():  # a task that was ended before it began has not closed its own
            writer.transport.abort()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._started:  # it was accepted before
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections[task] = writer
        task.add_done_callback(self._connections.pop)


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """Accept connections until the end of the block, and end those that are open then; gives the port."""
    listener = Listener(serve)
    await listener.start()
    try:
        yield listener.port
    finally:
        await listener.stop()
