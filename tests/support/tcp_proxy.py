"""A TCP proxy on loopback that can cut its connections, so that a client comes back to a server that never stopped.

It can also be a slow link to the client.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class TcpProxy:
    """Passes bytes on in both directions."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.rate: int | None = None
        """How many bytes clients get every 10 ms, none at all included; None for as many as there are."""
        self._target = target
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a port from the operating system; after a `stop`, on the same again."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and end all connections."""
        if self._server:
            self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """End all connections; new ones are taken."""
        connections = list(self._connections)
        for each in connections:
            each.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing = asyncio.create_task(self._pass_on(reader, writer))
        self._connections.add(passing)
        await asyncio.wait({passing})
        self._connections.discard(passing)
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Return when one end has hung up, or the target does not listen."""
        with suppress(ConnectionError):
            inward, outward = await asyncio.open_connection("127.0.0.1", self._target)
            pumps = {asyncio.create_task(_pump(reader, outward)), asyncio.create_task(self._deliver(inward, writer))}
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                outward.close()

    async def _deliver(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                while data:
                    portion = data[: self.rate]
                    data = data[len(portion) :]
                    sink.write(portion)
                    await sink.drain()
                    if self.rate is not None:
                        await asyncio.sleep(0.01)  # what makes the link slow


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()


@asynccontextmanager
async def tcp_proxy(target: int) -> AsyncIterator[TcpProxy]:
    """A started proxy to a port on loopback, stopped after the block."""
    proxy = TcpProxy(target)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
