"""A running server with an empty cache, and a client for each of the four transports."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.stream_recorder import StreamRecorder
from support.xds_client import TRANSPORTS, Transport, XdsClient, connected
from xds import ServerOptions, SnapshotCache, XdsServer


@pytest.fixture
def cache() -> SnapshotCache:
    return SnapshotCache(identifier="replica-1")


@pytest.fixture
def recorder() -> StreamRecorder:
    return StreamRecorder()


@pytest.fixture
async def server(cache: SnapshotCache, recorder: StreamRecorder) -> AsyncIterator[XdsServer]:
    server = XdsServer(cache, ServerOptions(), recorder)
    running = asyncio.create_task(server.run())
    yield server
    await server.stop(grace=1)
    assert not running.done()
    running.cancel()
    assert recorder.failures == []


@pytest.fixture
async def port(server: XdsServer) -> int:
    return await server.start()


@pytest.fixture(params=TRANSPORTS, ids=str)
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen = request.param
    assert isinstance(chosen, Transport)
    return chosen


@pytest.fixture
async def client(port: int, transport: Transport) -> AsyncIterator[XdsClient]:
    async with connected(port, transport) as client:
        yield client
