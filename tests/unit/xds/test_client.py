"""The client against a real server, and against one that does what no good server does."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import grpc
import pytest
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType, ClusterEdsClusterConfig

from support.ports import free_port
from support.scripted_server import scripted_server
from support.stream_recorder import StreamRecorder
from support.xds_content import assignment
from xds import (
    CLUSTER,
    ENDPOINT,
    ClosedError,
    Holding,
    Locality,
    Node,
    Resource,
    ServerAddress,
    ServerOptions,
    Snapshot,
    SnapshotCache,
    XdsServer,
    content_version,
    follow,
)

NODE = Node("envoy-1", "edge", Locality(region="eu"), (("stage", "canary"),))


def cluster(name: str, service_name: str = "") -> Resource:
    """One that wants endpoints, unlike those of the server's own tests."""
    eds = ClusterEdsClusterConfig(service_name=service_name)
    body = bytes(Cluster(name=name, type=ClusterDiscoveryType.EDS, eds_cluster_config=eds))
    return Resource(name, body, content_version(body), requires=(service_name or name,))


def snapshot(**assignments: str) -> Snapshot:
    """A cluster for each assignment, of which the content is given."""
    clusters = [cluster(name) for name in assignments]
    bodies = [assignment(name, content) for name, content in assignments.items()]
    return Snapshot().replace(CLUSTER.url, clusters).replace(ENDPOINT.url, bodies)


@pytest.fixture
def recorder() -> StreamRecorder:
    return StreamRecorder()


@pytest.fixture
def cache() -> SnapshotCache:
    return SnapshotCache()


@pytest.fixture
async def address(cache: SnapshotCache, recorder: StreamRecorder) -> AsyncIterator[str]:
    server = XdsServer(cache, ServerOptions(), recorder)
    running = asyncio.create_task(server.run())
    yield f"127.0.0.1:{await server.start()}"
    await server.stop(grace=1)
    running.cancel()
    assert recorder.failures == []


async def complete(holdings: AsyncGenerator[Holding, None]) -> Holding:
    """The next that has everything that was asked for."""
    async with asyncio.timeout(30):
        async for held in holdings:
            if held.complete:
                return held
    raise AssertionError("it ended")


def followed(address: str, *, delta: bool) -> "aclosing[AsyncGenerator[Holding, None]]":
    return aclosing(follow(ServerAddress(address=address), NODE, delta=delta))


@pytest.mark.parametrize("delta", [False, True])
async def test_everything_is_received_accepted_and_followed(
    address: str, cache: SnapshotCache, recorder: StreamRecorder, *, delta: bool
) -> None:
    first, second = snapshot(web="1", api="1"), snapshot(web="2", db="1")
    cache.set(first)

    async with followed(address, delta=delta) as holdings:
        held = await complete(holdings)
        cache.set(second)
        async with asyncio.timeout(30):
            async for later in holdings:
                if later.complete and later.versions == {
                    url: second.version(url) for url in (CLUSTER.url, ENDPOINT.url)
                }:
                    break

    assert held.clusters == {name: each.body for name, each in first.resources(CLUSTER.url).items()}
    assert held.assignments == {name: each.body for name, each in first.resources(ENDPOINT.url).items()}
    assert held.versions[CLUSTER.url] == first.version(CLUSTER.url)
    assert later.clusters == {name: each.body for name, each in second.resources(CLUSTER.url).items()}
    assert later.assignments == {name: each.body for name, each in second.resources(ENDPOINT.url).items()}


@pytest.mark.parametrize("delta", [False, True])
async def test_a_server_without_clusters_has_said_everything(
    address: str, cache: SnapshotCache, *, delta: bool
) -> None:
    cache.set(Snapshot())

    async with followed(address, delta=delta) as holdings:
        held = await complete(holdings)

    assert (held.clusters, held.assignments) == ({}, {})


async def test_what_does_not_exist_is_not_missing(address: str, cache: SnapshotCache) -> None:
    cache.set(Snapshot().replace(CLUSTER.url, [cluster("web", "web-v2")]))

    async with followed(address, delta=True) as holdings:
        held = await complete(holdings)

    assert (held.assignments, held.missing) == ({}, frozenset())


async def test_a_server_that_is_not_there_is_told_with_its_reason() -> None:
    with pytest.raises(ClosedError, match=r"UNAVAILABLE: .*Connection refused"):
        async with followed(f"127.0.0.1:{free_port()}", delta=False) as holdings:
            await complete(holdings)


@pytest.mark.parametrize("delta", [False, True])
async def test_requests_are_those_of_an_envoy(*, delta: bool) -> None:
    async with scripted_server() as server, followed(f"127.0.0.1:{server.port}", delta=delta) as holdings:
        having = asyncio.create_task(complete(holdings))
        stream = await server.stream()
        await stream.request(CLUSTER)
        await stream.respond(CLUSTER, {"web": cluster("web", "web-v2").body}, nonce="c1")
        await stream.accepted(CLUSTER, "c1")
        asked = await stream.request(ENDPOINT)
        await stream.respond(ENDPOINT, {"web-v2": assignment("web-v2").body}, nonce="e1")
        await stream.accepted(ENDPOINT, "e1")
        held = await having

    assert asked.names == {"web-v2"}
    assert held.versions == {CLUSTER.url: "c1", ENDPOINT.url: "e1"}
    assert held.assignments.keys() == {"web-v2"}


async def test_the_status_of_a_server_that_ends_the_stream_is_told() -> None:
    async with scripted_server() as server, followed(f"127.0.0.1:{server.port}", delta=False) as holdings:
        having = asyncio.create_task(complete(holdings))
        stream = await server.stream()
        stream.end(grpc.StatusCode.PERMISSION_DENIED)

        with pytest.raises(ClosedError, match="PERMISSION_DENIED"):
            await having
