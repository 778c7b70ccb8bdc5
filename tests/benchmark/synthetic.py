"""A source without anything behind it: endpoints from memory, one of which changes when a URL is posted to.

An adapter like every other, so that what is measured goes the whole way through the bridge: sink, registry, debounce,
merge, encoding, streams. The Go program in `peer/` serves the same content.
"""

import asyncio
import re
from typing import ClassVar

from pydantic import Field

from bridge.adapter import AdapterConfig, AdapterContext
from bridge.model import Endpoint, Entry, Locality, Scope, ServiceName

TYPE = "synthetic"
PORT = 8080
CHANGED_PORTS = range(10_000, 60_000)
"""A changed endpoint has one of these ports."""

ZONE = Locality("eu-west-1", "eu-west-1a")
SCOPE = Scope("memory")
REQUEST = re.compile(rb"POST /touch\?i=([0-9]{1,9}) HTTP/1\.1\r\n")


class SyntheticConfig(AdapterConfig):
    """Configuration of a source of type `synthetic`."""

    clusters: int = Field(ge=1)
    endpoints: int = Field(ge=1)
    """Of each cluster."""
    touch_port: int
    """Where POST /touch?i=7 changes one endpoint of the service number 7."""


class SyntheticAdapter:
    """Reports everything once, then a service whenever it is told to change one."""

    Config: ClassVar[type[SyntheticConfig]] = SyntheticConfig

    def __init__(self, config: SyntheticConfig) -> None:
        self._config = config
        self._revision = 0

    async def run(self, context: AdapterContext) -> None:
        services = {service(i): self._entries(i) for i in range(self._config.clusters)}
        context.sink.replace(SCOPE, services)
        context.succeeded()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(reader, writer, context)

        server = await asyncio.start_server(serve, "127.0.0.1", self._config.touch_port)
        async with server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: AdapterContext) -> None:
        """Answer the requests of one connection; by hand, because a framework costs more than what is measured."""
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                status = "200 OK" if self._touch(request, context) else "400 Bad Request"
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _touch(self, request: bytes, context: AdapterContext) -> bool:
        found = REQUEST.match(request)
        if not found or (i := int(found[1])) >= self._config.clusters:
            return False
        self._revision += 1
        port = CHANGED_PORTS[self._revision % len(CHANGED_PORTS)]
        context.sink.update(SCOPE, service(i), self._entries(i, port))
        context.succeeded()
        return True

    def _entries(self, i: int, first: int = PORT) -> frozenset[Entry]:
        number = i * self._config.endpoints
        others = (_endpoint(number + e, PORT) for e in range(1, self._config.endpoints))
        return frozenset([_endpoint(number, first), *others])


def service(i: int) -> ServiceName:
    """The name of the service number `i`: as long for all, so that the order of names is that of numbers."""
    return ServiceName(f"service-{i:05}")


def _endpoint(number: int, port: int) -> Endpoint:
    return Endpoint(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", port, locality=ZONE)
