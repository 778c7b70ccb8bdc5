"""`grpc.health.v1`: what load balancers and orchestrators are told.

The messages have a field each and are written out here; envoy-data-plane does not have them.
"""

from pathlib import Path

import grpc
import grpc.aio
import pytest

from support.stream_recorder import StreamRecorder
from support.unary import call
from support.waiting import eventually
from support.xds_client import RawStream
from support.xds_content import snapshot
from xds import TYPES, Limits, ServerOptions, SnapshotCache, XdsServer

CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"
SERVICES = [
    "",
    "envoy.service.discovery.v3.AggregatedDiscoveryService",
    "envoy.service.status.v3.ClientStatusDiscoveryService",
    *(kind.service for kind in TYPES),
]


def about(service: str) -> bytes:
    """A `HealthCheckRequest`."""
    return b"\x0a" + bytes((len(service),)) + service.encode() if service else b""


def watching(channel: grpc.aio.Channel, request: bytes = b"") -> grpc.aio.UnaryStreamCall[bytes, bytes]:
    """An open `Watch`."""
    question: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(WATCH)
    return question(request, timeout=120)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_serves_as_soon_as_there_is_something_to_serve(
    port: int, cache: SnapshotCache, service: str
) -> None:
    before = await call(f"127.0.0.1:{port}", CHECK, about(service))
    cache.set(snapshot({}))
    after = await call(f"127.0.0.1:{port}", CHECK, about(service))

    assert (before, after) == (NOT_SERVING, SERVING)


async def test_an_unknown_service_is_not_found(port: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(f"127.0.0.1:{port}", CHECK, about("nobody.Knows"))

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("method", [CHECK, WATCH])
async def test_undecodable_bytes_are_refused(port: int, method: str) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call_ = RawStream(channel, method)
        await call_.send(b"\xff")

        assert await call_.status() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_watcher_is_told_of_each_change_until_the_server_ends(
    port: int, cache: SnapshotCache, server: XdsServer
) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        watch = watching(channel)

        told = [await watch.read()]
        cache.set(snapshot({"a": ""}))
        told.append(await watch.read())
        cache.set(snapshot({"b": ""}))  # nothing that a watcher is told
        await server.stop(grace=5)
        told.append(await watch.read())

        assert told == [NOT_SERVING, SERVING, NOT_SERVING]
        assert await watch.code() is grpc.StatusCode.OK


async def test_a_watcher_of_an_unknown_service_is_told_so_and_stays(port: int, server: XdsServer) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        watch = watching(channel, about("nobody.Knows"))

        assert await watch.read() == SERVICE_UNKNOWN
        await server.stop(grace=5)

        assert await watch.code() is grpc.StatusCode.OK


async def test_watchers_have_places_as_streams_have_and_leave_others_theirs(tmp_path: Path) -> None:
    cache, options = (
        SnapshotCache(),
        ServerOptions(limits=Limits(streams_per_client=3), socket=str(tmp_path / "socket")),
    )
    cache.set(snapshot({}))
    server = XdsServer(cache, options, StreamRecorder())
    port = await server.start()
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        grpc.aio.insecure_channel(f"unix:{options.socket}") as other,
    ):
        watches = [watching(channel) for _ in range(3)]
        for watch in watches:
            assert await watch.read() == SERVING

        refused = watching(channel)
        assert await refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "limits.streams_per_client" in (await refused.details() or "")
        assert await watching(other).read() == SERVING

        async def served() -> bool:
            return await watching(channel).read() == SERVING

        watches[0].cancel()
        await eventually(served, what="one more is served in the place of the one who left")
    await server.stop(grace=1)


async def test_a_server_that_has_stopped_follows_nothing() -> None:
    cache = SnapshotCache()
    server = XdsServer(cache, ServerOptions(), StreamRecorder())
    await server.start()

    await server.stop(grace=1)

    assert cache._watchers == {}
