import asyncio

import pytest

from support.stream_recorder import StreamRecorder
from support.xds_content import snapshot
from xds import ServerOptions, SnapshotCache, XdsServer
from xds.cache import Generation


class BrokenCache(SnapshotCache):
    """A cache with a bug that shows later."""

    broken = False

    @property
    def generation(self) -> Generation | None:
        if self.broken:
            raise ZeroDivisionError("a bug")
        return super().generation


async def test_a_server_that_never_started_can_be_stopped() -> None:
    await XdsServer(SnapshotCache(), ServerOptions(), StreamRecorder()).stop(grace=1)


async def test_a_server_can_be_stopped_twice() -> None:
    server = XdsServer(SnapshotCache(), ServerOptions(), StreamRecorder())
    await server.start()

    async with asyncio.timeout(5):
        await server.stop(grace=1)
        await server.stop(grace=1)


async def test_a_bug_in_telling_the_streams_ends_the_server() -> None:
    cache = BrokenCache()
    server = XdsServer(cache, ServerOptions(), StreamRecorder())
    await server.start()
    cache.broken = True

    server._changed.set()

    async with asyncio.timeout(5):
        with pytest.raises(ExceptionGroup):
            await server.run()
    await server.stop(grace=1)


async def test_a_stopped_server_no_longer_follows_the_cache() -> None:
    cache = SnapshotCache()
    server = XdsServer(cache, ServerOptions(), StreamRecorder())
    await server.start()
    await server.stop(grace=1)

    cache.set(snapshot({"a": ""}))

    assert cache._watchers == {}
    assert server.streams() == []
