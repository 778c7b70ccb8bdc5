"""CSDS: which Envoy has what, on the unix socket and for nobody else who is not allowed it."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from envoy_data_plane.envoy.admin.v3 import ClientResourceStatus
from envoy_data_plane.envoy.service.status.v3 import (
    ClientConfig,
    ClientConfigGenericXdsConfig,
    ClientStatusRequest,
    ClientStatusResponse,
    ConfigStatus,
)
from envoy_data_plane.envoy.type.matcher.v3 import NodeMatcher, RegexMatcher, StringMatcher, StructMatcher

from support.stream_recorder import StreamRecorder
from support.unary import call
from support.waiting import eventually
from support.xds_client import RawStream, Transport, connected
from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, ServerOptions, SnapshotCache, XdsServer
from xds.refusal import Reason

FETCH = "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus"
STREAM = "/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus"
ADS = Transport(delta=False, aggregated=True)


@pytest.fixture
async def server(cache: SnapshotCache, recorder: StreamRecorder, tmp_path: Path) -> AsyncIterator[XdsServer]:
    server = XdsServer(cache, ServerOptions(socket=str(tmp_path / "xds.sock")), recorder)
    running = asyncio.create_task(server.run())
    yield server
    await server.stop(grace=5)
    running.cancel()
    assert recorder.failures == []


@pytest.fixture
def local(port: int, tmp_path: Path) -> str:
    """The address of the unix socket of the server, which listens."""
    assert port
    return f"unix:{tmp_path / 'xds.sock'}"


async def ask(local: str, *matchers: NodeMatcher) -> list[ClientConfig]:
    request = ClientStatusRequest(node_matchers=list(matchers))
    return ClientStatusResponse.parse(await call(local, FETCH, bytes(request))).config


async def of_type(local: str, type_url: str) -> ClientConfigGenericXdsConfig:
    """What is said of a type of the only client there is."""
    (client,) = await ask(local)
    (config,) = [config for config in client.generic_xds_configs if config.type_url == type_url]
    return config


def by_id(matcher: StringMatcher) -> NodeMatcher:
    return NodeMatcher(node_id=matcher)


async def test_without_clients_there_is_nothing_to_show(local: str) -> None:
    assert await ask(local) == []


async def test_a_client_is_shown_from_its_first_request_on(local: str, port: int, server: XdsServer) -> None:
    async with connected(port, ADS, node="edge-7") as client:
        await client.subscribe(CLUSTER)
        await eventually(lambda: any(stream.node for stream in server.streams()))

        (shown,) = await ask(local)

    assert shown.node
    assert (shown.node.id, shown.node.cluster) == ("edge-7", "edge")
    assert shown.client_scope.startswith("ipv4:127.0.0.1:")
    assert [(config.type_url, config.config_status) for config in shown.generic_xds_configs] == [
        (CLUSTER.url, ConfigStatus.NOT_SENT)
    ]
    assert shown.generic_xds_configs[0].client_status == ClientResourceStatus.REQUESTED
    assert shown.generic_xds_configs[0].last_updated is None


async def test_what_is_sent_is_stale_until_it_is_acknowledged(
    local: str, port: int, transport: Transport, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    content = snapshot({"a": ""})
    cache.set(content)
    begin = time.time()
    async with connected(port, transport) as client:
        await client.subscribe(CLUSTER)
        update = await client.receive(CLUSTER)
        before = await of_type(local, CLUSTER.url)
        await client.ack(update)
        await eventually(lambda: len(recorder.of("acked")) == 1)
        after = await of_type(local, CLUSTER.url)

    assert (before.config_status, before.client_status, before.version_info) == (
        ConfigStatus.STALE,
        ClientResourceStatus.REQUESTED,
        "",
    )
    assert (after.config_status, after.client_status, after.version_info) == (
        ConfigStatus.SYNCED,
        ClientResourceStatus.ACKED,
        content.version(CLUSTER.url),
    )
    assert after.last_updated
    assert begin - 1 <= after.last_updated.timestamp() <= time.time() + 1
    assert after.error_state is None


async def test_whoever_waits_for_a_newer_version_is_stale(
    local: str, port: int, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    old = snapshot({"a": "1"})
    cache.set(old)
    async with connected(port, ADS) as client:
        await client.subscribe(CLUSTER)
        await client.accept(CLUSTER)
        await eventually(lambda: len(recorder.of("acked")) == 1)

        cache.set(snapshot({"a": "2"}))
        config = await of_type(local, CLUSTER.url)

    assert (config.config_status, config.client_status) == (ConfigStatus.STALE, ClientResourceStatus.ACKED)
    assert config.version_info == old.version(CLUSTER.url)


async def test_a_change_of_what_nobody_asked_for_makes_nobody_stale(
    local: str, port: int, transport: Transport, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    async with connected(port, transport) as client:
        await client.subscribe(ENDPOINT, ["a"])
        await client.accept(ENDPOINT)
        await eventually(lambda: len(recorder.of("acked")) == 1)

        cache.set(snapshot({"a": "", "b": ""}, {"a": "", "b": "new"}))
        config = await of_type(local, ENDPOINT.url)

    assert config.config_status == ConfigStatus.SYNCED


async def test_a_rejection_is_an_error_with_its_version_and_message(
    local: str, port: int, transport: Transport, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    good, bad = snapshot({"a": "good"}), snapshot({"a": "bad"})
    cache.set(good)
    async with connected(port, transport) as client:
        await client.subscribe(CLUSTER)
        await client.accept(CLUSTER)
        cache.set(bad)
        await client.nack(await client.receive(CLUSTER), "no such thing")
        await eventually(lambda: len(recorder.of("nacked")) == 1)

        config = await of_type(local, CLUSTER.url)

    assert (config.config_status, config.client_status) == (ConfigStatus.ERROR, ClientResourceStatus.NACKED)
    assert config.version_info == good.version(CLUSTER.url)
    assert config.error_state
    assert (config.error_state.details, config.error_state.version_info) == ("no such thing", bad.version(CLUSTER.url))


async def test_streams_of_one_client_are_shown_together_and_clients_of_one_id_apart(
    local: str, port: int, cache: SnapshotCache, server: XdsServer
) -> None:
    cache.set(snapshot({"a": ""}))
    separate = Transport(delta=False, aggregated=False)
    async with connected(port, separate, node="twin") as one, connected(port, ADS, node="twin") as other:
        await one.subscribe(CLUSTER)
        await one.subscribe(ENDPOINT, ["a"])
        await other.subscribe(CLUSTER)
        for client, kind in ((one, CLUSTER), (one, ENDPOINT), (other, CLUSTER)):
            await client.receive(kind)
        shown = await ask(local)
        assert len([*server.streams()]) == 3

    assert [client.node.id for client in shown if client.node] == ["twin", "twin"]
    assert len({client.client_scope for client in shown}) == 2
    assert sorted(len(client.generic_xds_configs) for client in shown) == [1, 2]


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ([], {"edge-1", "edge-2", "Web-1"}),
        ([NodeMatcher()], {"edge-1", "edge-2", "Web-1"}),
        ([by_id(StringMatcher(exact="edge-1"))], {"edge-1"}),
        ([by_id(StringMatcher(prefix="edge"))], {"edge-1", "edge-2"}),
        ([by_id(StringMatcher(suffix="-1"))], {"edge-1", "Web-1"}),
        ([by_id(StringMatcher(contains="dge-2"))], {"edge-2"}),
        ([by_id(StringMatcher(prefix="web"))], set()),
        ([by_id(StringMatcher(prefix="web", ignore_case=True))], {"Web-1"}),
        ([by_id(StringMatcher(exact="edge-1")), by_id(StringMatcher(exact="Web-1"))], {"edge-1", "Web-1"}),
    ],
    ids=[
        "none",
        "empty",
        "exact",
        "prefix",
        "suffix",
        "contains",
        "case",
        "any case",
        "either",
    ],
)
async def test_matchers_choose_whom_to_show(
    local: str, port: int, server: XdsServer, matchers: list[NodeMatcher], expected: set[str]
) -> None:
    async with (
        connected(port, ADS, node="edge-1") as one,
        connected(port, ADS, node="edge-2") as two,
        connected(port, ADS, node="Web-1") as three,
    ):
        for client in (one, two, three):
            await client.subscribe(CLUSTER)
        await eventually(lambda: sum(stream.node is not None for stream in server.streams()) == 3)

        shown = await ask(local, *matchers)

    assert {client.node.id for client in shown if client.node} == expected


@pytest.mark.parametrize(
    "request_",
    [
        b"\xff",
        bytes(ClientStatusRequest(node_matchers=[NodeMatcher(node_metadatas=[StructMatcher()])])),
        bytes(ClientStatusRequest(node_matchers=[by_id(StringMatcher(safe_regex=RegexMatcher(regex="edge-.*")))])),
        bytes(ClientStatusRequest(node_matchers=[NodeMatcher(node_id=StringMatcher())])),
    ],
    ids=["no message", "metadata", "regular expression", "no form"],
)
async def test_what_cannot_be_understood_is_refused(local: str, request_: bytes) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(local, FETCH, request_)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details()


async def test_a_stream_answers_each_request_once(local: str, port: int, server: XdsServer) -> None:
    async with grpc.aio.insecure_channel(local) as channel:
        stream = RawStream(channel, STREAM)
        await stream.send(b"")
        first = await stream.receive()
        async with connected(port, ADS, node="edge-1") as client:
            await client.subscribe(CLUSTER)
            await eventually(lambda: any(each.node for each in server.streams()))
            await stream.send(b"")
            second = await stream.receive()
        await stream.finish()

        assert first == b""
        assert b"edge-1" in (second or b"")
        assert await stream.status() is grpc.StatusCode.OK


async def test_an_open_stream_does_not_keep_the_server_from_stopping(local: str, server: XdsServer) -> None:
    async with grpc.aio.insecure_channel(local) as channel:
        stream = RawStream(channel, STREAM)
        await stream.send(b"")
        await stream.receive()

        async with asyncio.timeout(60):
            await server.stop(grace=3600)

        assert await stream.status() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("method", [FETCH, STREAM])
async def test_on_the_port_it_is_denied(port: int, method: str, recorder: StreamRecorder) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stream = RawStream(channel, method)
        await stream.send(b"")
        await stream.finish()

        assert await stream.status() is grpc.StatusCode.PERMISSION_DENIED

    assert [reason for reason, _message in recorder.of("refused")] == [Reason.NOT_ALLOWED]
