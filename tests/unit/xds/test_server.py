import asyncio

import grpc
import grpc.aio
import pytest

from support.stream_recorder import StreamRecorder
from support.xds_client import RawStream, Transport
from support.xds_content import snapshot
from xds import CLUSTER, Limits, Reason, ServerOptions, SnapshotCache, XdsServer
from xds.server.connection import STATUS
from xds.server.option import channel_arguments


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
    assert [*server.streams()] == []


@pytest.mark.parametrize("size", [65 << 10, 127 << 10])
async def test_a_request_up_to_twice_as_large_as_allowed_is_reported(size: int) -> None:
    recorder = StreamRecorder()
    server = XdsServer(SnapshotCache(), ServerOptions(limits=Limits(request_size=64 << 10)), recorder)
    port = await server.start()

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stream = RawStream(channel, Transport(delta=False, aggregated=True).method(CLUSTER))
        await stream.send(bytes(size))
        status = await stream.status()
    await server.stop(grace=1)

    assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert [reason for reason, _message in recorder.of("refused")] == [Reason.REQUEST_SIZE]


def test_the_largest_limit_is_one_that_grpc_can_be_told() -> None:
    arguments = dict(channel_arguments(ServerOptions(limits=Limits(request_size=1 << 30))))

    assert arguments["grpc.max_receive_message_length"] == 2**31 - 1


def test_every_reason_of_a_refusal_has_a_status() -> None:
    assert STATUS.keys() == set(Reason)
