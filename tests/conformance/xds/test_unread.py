"""Clients that do not read a large response, beside others on the same connection or socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryRequest

from support.stream_recorder import StreamRecorder
from support.waiting import eventually
from support.xds_client import RawStream, Transport
from xds import CLUSTER, ENDPOINT, Limits, Resource, ServerOptions, Snapshot, SnapshotCache, XdsServer

LARGE = 8 << 20
"""Bytes: more than what is on its way to a client that does not read."""

METHOD = Transport(delta=False, aggregated=True).method(CLUSTER)
ASK = bytes(DiscoveryRequest(type_url=ENDPOINT.url, resource_names=["large"]))
ASK_ELSE = bytes(DiscoveryRequest(type_url=CLUSTER.url))


@contextlib.asynccontextmanager
async def serving(limits: Limits, socket: Path) -> AsyncIterator[tuple[int, XdsServer, StreamRecorder]]:
    """A server with one large assignment."""
    cache, recorder = SnapshotCache(), StreamRecorder()
    cache.set(Snapshot().replace(ENDPOINT.url, [Resource("large", bytes(LARGE), "1")]))
    server = XdsServer(cache, ServerOptions(limits=limits, socket=str(socket)), recorder)
    port = await server.start()
    running = asyncio.create_task(server.run())
    try:
        yield port, server, recorder
    finally:
        await server.stop(grace=1)
        running.cancel()


def channel(address: str) -> grpc.aio.Channel:
    """A connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    return grpc.aio.insecure_channel(address, options=options)


async def test_what_is_left_unread_on_a_unix_socket_is_counted_until_the_client_hangs_up(tmp_path: Path) -> None:
    limits, path = Limits(in_flight=1 << 20, write_timeout=0.5), tmp_path / "socket"
    async with serving(limits, path) as (_, server, recorder):
        async with channel(f"unix:{path}") as stuck:
            await RawStream(stuck, METHOD).send(ASK)
            await eventually(lambda: recorder.of("stalled") == [("sotw",)])
            await eventually(lambda: server.load().left > LARGE)
            assert server.load().in_flight == 0

            async with channel(f"unix:{path}") as other:
                refused = RawStream(other, METHOD)
                await refused.send(ASK)
                assert await refused.status() is grpc.StatusCode.RESOURCE_EXHAUSTED

        await eventually(lambda: server.load().left == 0)
        async with channel(f"unix:{path}") as other:
            served = RawStream(other, METHOD)
            await served.send(ASK)
            assert await served.receive()


@pytest.mark.parametrize("active", [True, False])
async def test_a_connection_is_shut_down_only_when_nothing_else_is_heard_on_it(tmp_path: Path, *, active: bool) -> None:
    limits = Limits(write_timeout=0.5, in_flight=64 << 20)
    async with serving(limits, tmp_path / "socket") as (port, server, recorder), channel(f"127.0.0.1:{port}") as shared:
        stuck, other = RawStream(shared, METHOD), RawStream(shared, METHOD)
        await other.send(ASK_ELSE)
        assert await other.receive()
        await stuck.send(ASK)
        await eventually(lambda: server.load().in_flight > LARGE)
        if active:
            await other.send(ASK_ELSE)
        await eventually(lambda: recorder.of("stalled") == [("sotw",)])

        if active:
            await eventually(lambda: len([*server.streams()]) == 1)
            await other.send(bytes(DiscoveryRequest(type_url=ENDPOINT.url, resource_names=["nobody"])))
            assert await other.receive()
            assert server.load().left > LARGE
        else:
            assert await other.status() is grpc.StatusCode.UNAVAILABLE
