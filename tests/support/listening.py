"""A TCP server of a test: on a port of its own, and its connections end with it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Serves one connection."""


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """Accept connections until the end of the block, and end those that are open then; gives the port."""
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
    ended = False

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if ended:  # it was accepted before
            writer.transport.abort()
            return
        task = asyncio.create_task(served(reader, writer))
        connections[task] = writer
        task.add_done_callback(connections.pop)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        ended = True
        server.close()
        still = dict(connections)
        for task in still:
            task.cancel()
        if still:
            await asyncio.wait(still)
        for writer in still.values():  # a task that was ended before it began has not closed its own
            writer.transport.abort()
