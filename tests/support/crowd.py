"""Many Envoys at once that ask for everything and accept it, as cheaply as a process can be many."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection

from support.protobuf_fields import parse
from support.xds_client import Transport, XdsClient
from xds import CLUSTER, ENDPOINT, ResourceType

AT_ONCE = 10
_RESOURCES, _NONCE = 2, 5
"""Fields of DeltaDiscoveryResponse."""


@contextlib.asynccontextmanager
async def crowd(port: int, number: int, services: Collection[str]) -> AsyncIterator[None]:
    """So many Envoys, each with all clusters and the endpoints of all these services."""
    clients = [XdsClient(port, Transport(delta=True, aggregated=True), node=f"edge-{each}") for each in range(number)]
    async with contextlib.AsyncExitStack() as stack:
        for client in clients:
            stack.push_async_callback(client.close)
        for first in range(0, number, AT_ONCE):
            await asyncio.gather(*(_follow(client, services) for client in clients[first : first + AT_ONCE]))
        yield


async def _follow(client: XdsClient, services: Collection[str]) -> None:
    await client.request_delta(CLUSTER)
    await _accept(client, CLUSTER, len(services))
    await client.request_delta(ENDPOINT, subscribe=services)
    await _accept(client, ENDPOINT, len(services))


async def _accept(client: XdsClient, kind: ResourceType, number: int) -> None:
    """Take what comes until it is so much; a server that has just learnt of them may send them bit by bit."""
    seen = 0
    while seen < number:
        message = await client.stream(kind).receive()
        assert message, "the server ended the stream"
        fields = parse(message) or []
        seen += sum(field.number == _RESOURCES for field in fields)
        (nonce,) = (field.content.decode() for field in fields if field.number == _NONCE)
        await client.request_delta(kind, nonce=nonce)
