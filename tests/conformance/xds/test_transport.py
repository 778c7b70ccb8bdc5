"""The life of a stream: methods, types, bad input, ends, and who else is affected by them."""

import asyncio
import contextlib

import grpc
import grpc.aio
import pytest
from envoy_data_plane.envoy.config.core.v3 import Node as EnvoyNode
from envoy_data_plane.envoy.service.discovery.v3 import DeltaDiscoveryRequest, DiscoveryRequest

from support.stream_recorder import StreamRecorder
from support.waiting import eventually
from support.xds_client import TRANSPORTS, RawStream, Transport, XdsClient, connected
from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, Node, Resource, ServerOptions, Snapshot, SnapshotCache, XdsServer
from xds.message import Response

LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


class Unencodable(SnapshotCache):
    """Has a bug in what each stream's writer calls."""

    def encode(self, response: Response) -> bytes:
        raise ZeroDivisionError(response.nonce)


def asking(type_url: str, *names: str, delta: bool) -> bytes:
    """A request with nothing in it but this."""
    if delta:
        return bytes(DeltaDiscoveryRequest(type_url=type_url, resource_names_subscribe=list(names)))
    return bytes(DiscoveryRequest(type_url=type_url, resource_names=list(names)))


@pytest.mark.item(1)
async def test_all_six_streams_are_served(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))

    for kind in (CLUSTER, ENDPOINT):
        await client.subscribe(kind, ["a"])
        update = await client.accept(kind)

        assert (update.type_url, update.names) == (kind.url, {"a"})


@pytest.mark.item(2)
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


@pytest.mark.item(10)
async def test_undecodable_bytes_end_their_stream_and_no_other(
    port: int, transport: Transport, client: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": ""}))
    async with connected(port, transport) as vandal:
        await vandal.stream(CLUSTER).send(b"\xff\xff\xff")

        assert await vandal.stream(CLUSTER).status() == grpc.StatusCode.INVALID_ARGUMENT

    await client.subscribe(CLUSTER)
    assert (await client.accept(CLUSTER)).names == {"a"}


async def test_a_refusal_reaches_a_client_that_is_still_being_answered(
    port: int, transport: Transport, cache: SnapshotCache, server: XdsServer
) -> None:
    cache.set(Snapshot().replace(CLUSTER.url, [Resource("long", bytes(8 << 20), "1")]))
    any_size = [("grpc.max_receive_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=any_size) as channel:
        stream = RawStream(channel, transport.method(CLUSTER))
        await stream.send(asking(CLUSTER.url, delta=transport.delta))
        # Nobody reads, and more is being written than fits on the way.
        await eventually(lambda: any(each.version_sent for status in server.streams() for each in status.types))
        await stream.send(b"\xff\xff\xff")

        with contextlib.suppress(grpc.aio.AioRpcError):
            while await stream.receive():
                pass
        assert await stream.status() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.item(6)
async def test_an_aggregated_request_must_name_its_type(
    port: int, transport: Transport, recorder: StreamRecorder
) -> None:
    async with connected(port, transport) as client:
        stream = client.stream(CLUSTER)
        await stream.send(asking("", "a", delta=transport.delta))

        assert await stream.status() == grpc.StatusCode.INVALID_ARGUMENT
        assert "type_url" in await stream.details()

    await eventually(lambda: len(recorder.of("refused")) == 1)


@pytest.mark.item(7)
async def test_the_type_of_a_separate_stream_is_implied(port: int, transport: Transport, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))

    async with connected(port, transport) as client:
        await client.stream(ENDPOINT).send(asking("", "a", delta=transport.delta))
        update = await client.receive(ENDPOINT)

    assert update.names == {"a"}


@pytest.mark.item(8)
async def test_a_separate_stream_refuses_other_types(port: int, transport: Transport) -> None:
    async with connected(port, transport) as client:
        stream = client.stream(CLUSTER)
        await stream.send(asking(ENDPOINT.url, delta=transport.delta))

        assert await stream.status() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.item(9)
async def test_an_unknown_type_gets_no_answer_and_does_no_harm(
    port: int, transport: Transport, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"a": ""}))

    async with connected(port, transport) as client:
        for _ in range(2):
            await client.stream(CLUSTER).send(asking(LISTENER, delta=transport.delta))
        await client.subscribe(CLUSTER)
        update = await client.accept(CLUSTER)

    assert update.type_url == CLUSTER.url
    assert recorder.of("unsupported") == [(LISTENER,)]


@pytest.mark.item(11)
async def test_a_client_that_has_said_its_last_is_let_go(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))
    await client.subscribe(CLUSTER)
    await client.accept(CLUSTER)

    await client.stream(CLUSTER).finish()

    assert await client.stream(CLUSTER).status() == grpc.StatusCode.OK


@pytest.mark.item(11)
async def test_nothing_is_left_of_a_client_that_hung_up(
    port: int, transport: Transport, cache: SnapshotCache, server: XdsServer, recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"a": ""}))
    async with connected(port, transport) as client:
        await client.subscribe(CLUSTER)
        await client.accept(CLUSTER)
        assert len([*server.streams()]) == 1

    await eventually(lambda: len(recorder.of("closed")) == 1)
    assert [*server.streams()] == []


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


@pytest.mark.item(95)
async def test_clients_that_do_not_answer_get_the_next_change_all_the_same(
    port: int, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    """Over all transports at once, for it takes the seconds that a server waits."""
    cache.set(snapshot({"a": "1"}))
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(port, transport)) for transport in TRANSPORTS]
        for client in clients:
            await client.subscribe(CLUSTER)
            await client.receive(CLUSTER)

        cache.set(snapshot({"a": "2"}))
        updates = await asyncio.gather(*(client.receive(CLUSTER, timeout=60) for client in clients))

    assert {update.version for update in updates} == {snapshot({"a": "2"}).version(CLUSTER.url)}
    assert recorder.of("unanswered") == [(CLUSTER.url,)] * len(clients)


@pytest.mark.item(14)
async def test_stopping_ends_open_streams_at_once(port: int, client: XdsClient, server: XdsServer) -> None:
    await client.subscribe(CLUSTER)
    await eventually(lambda: any(stream.node for stream in server.streams()))

    async with asyncio.timeout(30):
        await server.stop(grace=200)

    assert await client.stream(CLUSTER).receive() is None


async def test_a_port_in_use_is_an_error(port: int, cache: SnapshotCache, recorder: StreamRecorder) -> None:
    second = XdsServer(cache, ServerOptions(port=port), recorder)

    with pytest.raises(OSError, match=f"cannot listen for xDS on 127.0.0.1:{port}"):
        await second.start()


@pytest.mark.item(13)
async def test_many_streams_share_a_connection(port: int, transport: Transport, cache: SnapshotCache) -> None:
    """Without ADS an Envoy opens one stream per cluster."""
    names = [f"service-{number}" for number in range(40)]
    cache.set(snapshot(dict.fromkeys(names, "")))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        streams = [RawStream(channel, transport.method(ENDPOINT)) for _ in names]
        for name, stream in zip(names, streams, strict=True):
            await stream.send(asking(ENDPOINT.url, name, delta=transport.delta))

        answers = await asyncio.gather(*(stream.receive() for stream in streams))

    assert all(name.encode() in (answer or b"") for name, answer in zip(names, answers, strict=True))


@pytest.mark.item(4)
async def test_the_first_node_of_a_stream_stays(client: XdsClient, cache: SnapshotCache, server: XdsServer) -> None:
    cache.set(snapshot({"a": "", "b": "", "c": ""}))
    for number, node in enumerate([EnvoyNode(id="first"), EnvoyNode(id="second"), None]):
        client.node = node
        await client.subscribe(ENDPOINT, ["abc"[number]])
        update = await client.accept(ENDPOINT)

        assert update.names == {"abc"[number]}

    (stream,) = server.streams()
    assert stream.node == Node("first", "")


@pytest.mark.item(5)
async def test_a_client_without_a_node_is_served(
    port: int, transport: Transport, cache: SnapshotCache, server: XdsServer
) -> None:
    cache.set(snapshot({"a": ""}))
    for node in (None, ""):
        async with connected(port, transport, node=node) as client:
            await client.subscribe(CLUSTER)
            update = await client.accept(CLUSTER)

        assert update.names == {"a"}


@pytest.mark.item(16)
async def test_a_bug_in_answering_ends_the_stream_instead_of_muting_it(
    transport: Transport, recorder: StreamRecorder
) -> None:
    cache = Unencodable()
    server = XdsServer(cache, ServerOptions(), recorder)
    cache.set(snapshot({"a": ""}))
    async with connected(await server.start(), transport) as client:
        await client.subscribe(CLUSTER)

        assert await client.stream(CLUSTER).status() == grpc.StatusCode.UNKNOWN

    await server.stop(grace=0)
    assert [type(each) for each in recorder.failures] == [ExceptionGroup]


@pytest.mark.item(98)
async def test_a_request_beyond_four_mebibytes_is_read(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))
    client.node = EnvoyNode(id="long", user_agent_name="x" * (5 << 20))

    await client.subscribe(CLUSTER)
    update = await client.accept(CLUSTER)

    assert update.names == {"a"}
