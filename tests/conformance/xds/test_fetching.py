"""Unary Fetch: the answer that a stream would begin with, and a version that proves what a client holds."""

import grpc
import grpc.aio
import pytest
from envoy_data_plane.envoy.config.core.v3 import Node as EnvoyNode
from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryRequest, DiscoveryResponse

from support.stream_recorder import StreamRecorder
from support.unary import call
from support.xds_client import Transport, connected
from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, Limits, ResourceType, ServerOptions, SnapshotCache, XdsServer
from xds.node import Client
from xds.refusal import Reason, Refused

LISTENERS = "/envoy.service.listener.v3.ListenerDiscoveryService/FetchListeners"


async def fetch(port: int, kind: ResourceType, *names: str, version: str = "", type_url: str = "") -> DiscoveryResponse:
    request = DiscoveryRequest(
        node=EnvoyNode(id="poller"), resource_names=list(names), version_info=version, type_url=type_url
    )
    method = {CLUSTER: "FetchClusters", ENDPOINT: "FetchEndpoints"}[kind]
    return DiscoveryResponse.parse(await call(f"127.0.0.1:{port}", f"/{kind.service}/{method}", bytes(request)))


async def refusal(port: int, kind: ResourceType, *names: str, version: str = "", type_url: str = "") -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fetch(port, kind, *names, version=version, type_url=type_url)
    return caught.value.code()


async def test_clusters_without_names_are_all_clusters(port: int, cache: SnapshotCache) -> None:
    content = snapshot({"a": "", "b": ""})
    cache.set(content)

    answer = await fetch(port, CLUSTER)

    assert answer.type_url == CLUSTER.url
    assert answer.version_info == content.version(CLUSTER.url)
    assert {(resource.type_url, resource.value) for resource in answer.resources} == {
        (CLUSTER.url, resource.body) for resource in content.resources(CLUSTER.url).values()
    }
    assert answer.nonce == ""
    assert answer.control_plane
    assert answer.control_plane.identifier == "replica-1"


async def test_a_fetch_and_the_first_answer_of_a_stream_hold_the_same(port: int, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))

    fetched = await fetch(port, CLUSTER)
    async with connected(port, Transport(delta=False, aggregated=True)) as client:
        await client.subscribe(CLUSTER)
        streamed = await client.receive(CLUSTER)

    assert {resource.value for resource in fetched.resources} == set(streamed.resources.values())
    assert fetched.version_info == streamed.version


async def test_named_clusters_are_those_that_exist(port: int, cache: SnapshotCache) -> None:
    content = snapshot({"a": "", "b": ""})
    cache.set(content)

    answer = await fetch(port, CLUSTER, "a", "nobody")

    assert [resource.value for resource in answer.resources] == [content.resources(CLUSTER.url)["a"].body]


async def test_an_unknown_assignment_is_an_empty_one(port: int, cache: SnapshotCache) -> None:
    content = snapshot({"a": ""})
    cache.set(content)

    answer = await fetch(port, ENDPOINT, "a", "nobody")

    assert [resource.value for resource in answer.resources] == [
        content.resources(ENDPOINT.url)["a"].body,
        b"\x0a\x06nobody",
    ]


async def test_endpoints_without_names_are_none(port: int, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))

    assert (await fetch(port, ENDPOINT)).resources == []


@pytest.mark.parametrize(("kind", "names"), [(CLUSTER, []), (CLUSTER, ["a"]), (ENDPOINT, ["a", "nobody"])])
async def test_the_version_of_an_answer_proves_that_nothing_changed(
    port: int, cache: SnapshotCache, kind: ResourceType, names: list[str], recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    first = await fetch(port, kind, *names)

    assert await refusal(port, kind, *names, version=first.version_info) is grpc.StatusCode.FAILED_PRECONDITION

    assert recorder.of("fetched") == [(kind.url, False), (kind.url, True)]
    assert recorder.of("refused") == []


async def test_a_change_of_another_resource_leaves_the_version(port: int, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    first = await fetch(port, ENDPOINT, "a")

    cache.set(snapshot({"a": "", "b": ""}, {"a": "", "b": "changed"}))

    assert await refusal(port, ENDPOINT, "a", version=first.version_info) is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_version_proves_nothing_about_other_names(port: int, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    first = await fetch(port, ENDPOINT, "a")

    second = await fetch(port, ENDPOINT, "a", "b", version=first.version_info)

    assert len(second.resources) == 2


async def test_an_assignment_that_appears_is_another_version(port: int, cache: SnapshotCache) -> None:
    cache.set(snapshot({}))
    first = await fetch(port, ENDPOINT, "a")

    cache.set(snapshot({"a": ""}))
    second = await fetch(port, ENDPOINT, "a", version=first.version_info)

    assert len(second.resources) == 1


async def test_before_there_is_something_to_serve_a_fetch_is_unavailable(port: int, recorder: StreamRecorder) -> None:
    assert await refusal(port, CLUSTER) is grpc.StatusCode.UNAVAILABLE
    assert [reason for reason, _message in recorder.of("refused")] == [Reason.NOT_READY]


async def test_the_type_may_be_named_and_must_be_the_right_one(port: int, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))

    assert (await fetch(port, CLUSTER, type_url=CLUSTER.url)).resources
    assert await refusal(port, CLUSTER, type_url=ENDPOINT.url) is grpc.StatusCode.INVALID_ARGUMENT


async def test_undecodable_bytes_are_refused(port: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(f"127.0.0.1:{port}", f"/{CLUSTER.service}/FetchClusters", b"\xff\xff")

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_other_fetches_are_unimplemented(port: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(f"127.0.0.1:{port}", LISTENERS, b"")

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


class Doorkeeper(SnapshotCache):
    """Shows everything to one node, and nothing to others."""

    def view(self, client: Client) -> SnapshotCache:
        if client.node.id != "poller":
            raise Refused(Reason.NO_VIEW, f"nothing is for {client.node.id!r}")
        return self


async def test_a_fetch_sees_what_a_stream_of_its_node_sees() -> None:
    cache = Doorkeeper()
    cache.set(snapshot({"a": ""}))
    server = XdsServer(cache, ServerOptions(), StreamRecorder())
    port = await server.start()

    answer = await fetch(port, CLUSTER)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(f"127.0.0.1:{port}", f"/{CLUSTER.service}/FetchClusters", bytes(DiscoveryRequest()))
    await server.stop(grace=1)

    assert len(answer.resources) == 1
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_fetch_counts_among_what_clients_may_ask() -> None:
    cache, recorder = SnapshotCache(), StreamRecorder()
    cache.set(snapshot({"a": ""}))
    server = XdsServer(cache, ServerOptions(limits=Limits(streams=1)), recorder)
    port = await server.start()

    await fetch(port, CLUSTER)  # and leaves its place
    async with connected(port, Transport(delta=False, aggregated=True)) as client:
        await client.subscribe(CLUSTER)
        await client.receive(CLUSTER)
        refused = await refusal(port, CLUSTER)
    await server.stop(grace=1)

    assert refused is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert [reason for reason, _message in recorder.of("refused")] == [Reason.STREAMS]
