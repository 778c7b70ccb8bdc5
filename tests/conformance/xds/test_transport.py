"""The life of a stream: methods, types, bad input, ends, and who else is affected by them."""

import asyncio
import time

import grpc
import grpc.aio
import pytest
from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryRequest

from support.stream_recorder import StreamRecorder
from support.waiting import eventually
from support.xds_client import TRANSPORTS, RawStream, Transport, XdsClient, connected
from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, Node, ServerOptions, SnapshotCache, XdsServer

LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


@pytest.mark.parametrize(
    "method",
    [
        "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats",
        "/envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners",
        "/envoy.api.v2.ClusterDiscoveryService/StreamClusters",
    ],
)
async def test_what_is_not_served_is_unimplemented(port: int, method: str) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stream = RawStream(channel, method)

        assert await stream.status() == grpc.StatusCode.UNIMPLEMENTED


async def test_undecodable_bytes_end_their_stream_and_no_other(
    port: int, transport: Transport, client: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": ""}))
    async with connected(port, transport) as vandal:
        await vandal.stream(CLUSTER).send(b"\xff\xff\xff")

        assert await vandal.stream(CLUSTER).status() == grpc.StatusCode.INVALID_ARGUMENT

    await client.subscribe(CLUSTER)
    assert (await client.accept(CLUSTER)).names == {"a"}


async def test_an_aggregated_request_must_name_its_type(port: int, recorder: StreamRecorder) -> None:
    async with connected(port, Transport(delta=False, aggregated=True)) as client:
        stream = client.stream(CLUSTER)
        await stream.send(bytes(DiscoveryRequest(resource_names=["a"])))

        assert await stream.status() == grpc.StatusCode.INVALID_ARGUMENT
        assert "type_url" in await stream.details()

    await eventually(lambda: len(recorder.of("refused")) == 1)


async def test_the_type_of_a_separate_stream_is_implied(port: int, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))

    async with connected(port, Transport(delta=False, aggregated=False)) as client:
        await client.stream(ENDPOINT).send(bytes(DiscoveryRequest(resource_names=["a"])))
        update = await client.receive(ENDPOINT)

    assert update.names == {"a"}


@pytest.mark.parametrize("transport", [each for each in TRANSPORTS if not each.aggregated], ids=str)
async def test_a_separate_stream_refuses_other_types(port: int, transport: Transport) -> None:
    async with connected(port, transport) as client:
        stream = client.stream(CLUSTER)
        await stream.send(
            bytes(DiscoveryRequest(type_url=ENDPOINT.url)) if not transport.delta else _delta_for_endpoint()
        )

        assert await stream.status() == grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unknown_type_gets_no_answer_and_does_no_harm(
    port: int, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"a": ""}))

    async with connected(port, Transport(delta=False, aggregated=True)) as client:
        for _ in range(2):
            await client.stream(CLUSTER).send(bytes(DiscoveryRequest(type_url=LISTENER)))
        await client.subscribe(CLUSTER)
        update = await client.accept(CLUSTER)

    assert update.type_url == CLUSTER.url
    assert recorder.of("unsupported") == [(LISTENER,)]


async def test_a_client_that_has_said_its_last_is_let_go(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))
    await client.subscribe(CLUSTER)
    await client.accept(CLUSTER)

    await client.stream(CLUSTER).finish()

    assert await client.stream(CLUSTER).status() == grpc.StatusCode.OK


async def test_nothing_is_left_of_a_client_that_hung_up(
    port: int, transport: Transport, cache: SnapshotCache, server: XdsServer, recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"a": ""}))
    async with connected(port, transport) as client:
        await client.subscribe(CLUSTER)
        await client.accept(CLUSTER)
        assert len(server.streams()) == 1

    await eventually(lambda: len(recorder.of("closed")) == 1)
    assert server.streams() == []


async def test_the_status_tells_who_asked_for_what_and_got_it(
    port: int, transport: Transport, cache: SnapshotCache, server: XdsServer, recorder: StreamRecorder
) -> None:
    content = snapshot({"a": ""})
    cache.set(content)
    async with connected(port, transport, node="edge-7") as client:
        await client.subscribe(CLUSTER)
        await client.accept(CLUSTER)
        await eventually(lambda: len(recorder.of("acked")) == 1)

        (stream,) = server.streams()

    assert stream.node == Node("edge-7", "edge")
    assert stream.peer.startswith("ipv4:127.0.0.1:")
    assert (stream.transport == "delta", stream.aggregated) == (transport.delta, transport.aggregated)
    (status,) = stream.types
    assert status.type_url == CLUSTER.url
    assert status.names is None
    assert status.version_sent == status.version_acked == content.version(CLUSTER.url)
    assert status.rejection is None
    assert status.since is not None
    assert 0 <= status.since <= stream.age


async def test_a_change_is_settled_when_the_last_client_has_answered(
    port: int, transport: Transport, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    async with connected(port, transport) as quick, connected(port, transport) as slow:
        for client in (quick, slow):
            await client.subscribe(ENDPOINT, ["a"])
            await client.accept(ENDPOINT)
        await eventually(lambda: len(recorder.of("acked")) == 2)

        cache.set(snapshot({"a": "", "b": ""}, {"a": "new", "b": ""}))
        await quick.accept(ENDPOINT)
        late = await slow.receive(ENDPOINT)
        await eventually(lambda: len(recorder.of("acked")) == 3)
        assert (2,) not in recorder.of("settled")
        await slow.ack(late)

        await eventually(lambda: (2,) in recorder.of("settled"))


async def test_a_client_that_does_not_answer_gets_the_next_change_all_the_same(
    port: int, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"a": "1"}))
    async with connected(port, Transport(delta=False, aggregated=True)) as client:
        await client.subscribe(CLUSTER)
        await client.receive(CLUSTER)

        cache.set(snapshot({"a": "2"}))
        update = await client.receive(CLUSTER, timeout=10)

    assert update.version == snapshot({"a": "2"}).version(CLUSTER.url)
    assert recorder.of("unanswered") == [(CLUSTER.url,)]


async def test_stopping_ends_open_streams_at_once(port: int, client: XdsClient, server: XdsServer) -> None:
    await client.subscribe(CLUSTER)
    await eventually(lambda: any(stream.node for stream in server.streams()))
    begin = time.monotonic()

    await server.stop(grace=10)

    assert time.monotonic() - begin < 2
    assert await client.stream(CLUSTER).receive() is None


async def test_a_port_in_use_is_an_error(port: int, cache: SnapshotCache, recorder: StreamRecorder) -> None:
    second = XdsServer(cache, ServerOptions(port=port), recorder)

    with pytest.raises(OSError, match=f"cannot listen for xDS on 127.0.0.1:{port}"):
        await second.start()


async def test_many_streams_share_a_connection(port: int, cache: SnapshotCache) -> None:
    """Without ADS an Envoy opens one stream per cluster."""
    names = [f"service-{number}" for number in range(150)]
    cache.set(snapshot(dict.fromkeys(names, "")))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = Transport(delta=False, aggregated=False).method(ENDPOINT)
        streams = [RawStream(channel, method) for _ in names]
        for name, stream in zip(names, streams, strict=True):
            await stream.send(bytes(DiscoveryRequest(resource_names=[name])))

        answers = await asyncio.gather(*(stream.receive() for stream in streams))

    assert all(name.encode() in (answer or b"") for name, answer in zip(names, answers, strict=True))


def _delta_for_endpoint() -> bytes:
    url = ENDPOINT.url.encode()
    return b"\x12" + bytes((len(url),)) + url  # DeltaDiscoveryRequest.type_url = 2
