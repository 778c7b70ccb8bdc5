"""A running server with an empty cache, and a client for each of the four transports.

A test that takes `transport`, or a client, runs over the transports of the rules it is marked with, else over all four.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from support.protocol import ALL, RULES
from support.stream_recorder import StreamRecorder
from support.xds_client import TRANSPORTS, Transport, XdsClient, connected
from xds import TYPES, ResourceType, ServerOptions, SnapshotCache, XdsServer


@pytest.fixture
def cache() -> SnapshotCache:
    return SnapshotCache(identifier="replica-1")


@pytest.fixture
def recorder() -> StreamRecorder:
    return StreamRecorder()


@pytest.fixture
def types() -> Sequence[ResourceType]:
    return TYPES


@pytest.fixture
async def server(
    cache: SnapshotCache, recorder: StreamRecorder, types: Sequence[ResourceType]
) -> AsyncIterator[XdsServer]:
    server = XdsServer(cache, ServerOptions(), recorder, types)
    running = asyncio.create_task(server.run())
    yield server
    await server.stop(grace=1)
    assert not running.done()
    running.cancel()
    assert recorder.failures == []


@pytest.fixture
async def port(server: XdsServer) -> int:
    return await server.start()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = [name for mark in metafunc.definition.iter_markers("parametrize") for name in mark.args[:1]]
    if "transport" in metafunc.fixturenames and "transport" not in chosen:
        rules = [RULES[number] for mark in metafunc.definition.iter_markers("item") for number in mark.args]
        over = ALL if not rules else frozenset[str]().union(*(rule.over for rule in rules))
        metafunc.parametrize("transport", [each for each in TRANSPORTS if str(each) in over], ids=str, indirect=True)


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen = request.param
    assert isinstance(chosen, Transport)
    return chosen


@pytest.fixture
async def client(port: int, transport: Transport) -> AsyncIterator[XdsClient]:
    async with connected(port, transport) as client:
        yield client
