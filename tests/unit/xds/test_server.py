import asyncio

from support.stream_recorder import StreamRecorder
from support.xds_content import snapshot
from xds import Reason, ServerOptions, SnapshotCache, XdsServer
from xds.server.connection import STATUS


async def test_a_server_that_never_started_can_be_stopped() -> None:
    await XdsServer(SnapshotCache(), ServerOptions(), StreamRecorder()).stop(grace=1)


async def test_a_server_can_be_stopped_twice() -> None:
    server = XdsServer(SnapshotCache(), ServerOptions(), StreamRecorder())
    await server.start()

    async with asyncio.timeout(5):
        await server.stop(grace=1)
        await server.stop(grace=1)


async def test_a_stopped_server_no_longer_follows_the_cache() -> None:
    cache = SnapshotCache()
    server = XdsServer(cache, ServerOptions(), StreamRecorder())
    await server.start()
    await server.stop(grace=1)

    cache.set(snapshot({"a": ""}))

    assert cache._watchers == {}
    assert server.streams() == []


def test_every_reason_of_a_refusal_has_a_status() -> None:
    assert STATUS.keys() == set(Reason)
