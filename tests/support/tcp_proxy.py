"""A TCP proxy on loopback that can cut its connections, so that a client comes back to a server that never stopped.

It can also be a slow link to the client.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

from support.listening import Listener


class TcpProxy:
    """Passes bytes on in both directions."""

    def __init__(self, target: int) -> None:
        self.rate: int | None = None
        """How many bytes clients get every 10 ms, none at all included; None for as many as there are."""
        self.accepted = 0
        """Connections that were ever made."""
        self._target = target
        self._listener = Listener(self._serve)

    @property
    def port(self) -> int:
        """Where clients connect to."""
        return self._listener.port

    async def start(self) -> None:
        """Listen on a port from the operating system; after a `stop`, on the same again."""
        await self._listener.start()

    async def stop(self) -> None:
        """Listen no more, and end all connections."""
        await self._listener.stop()

    async def cut(self) -> None:
        """End all connections; new ones are taken."""
        await self._listener.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        with closing(writer), suppress(ConnectionError):
            await self._pass_on(reader, writer)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Return when one end has hung up; raise ConnectionError when the target does not listen."""
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
