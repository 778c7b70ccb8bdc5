"""A client that comes back, here or at another replica, gets what it lacks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from support.stream_recorder import StreamRecorder
from support.xds_client import Transport, XdsClient, connected
from support.xds_content import cluster, snapshot
from xds import CLUSTER, ENDPOINT, ServerOptions, SnapshotCache, XdsServer


@contextlib.asynccontextmanager
async def serving(cache: SnapshotCache, recorder: StreamRecorder) -> AsyncIterator[int]:
    """A server of its own, which at the end says goodbye; its port."""
    server = XdsServer(cache, ServerOptions(), recorder)
    port = await server.start()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.run())
        yield port
        await server.stop(grace=1)
        running.cancel()


@pytest.mark.item(43, 59, 68, 90)
async def test_a_client_with_all_clusters_gets_none_again(
    port: int, transport: Transport, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    held = {name: cluster(name).version for name in "ab"}

    async with connected(port, transport) as client:
        await client.subscribe(CLUSTER, version=snapshot({"a": "", "b": ""}).version(CLUSTER.url), held=held)
        if transport.delta:
            confirmation = await client.accept(CLUSTER)
            assert confirmation.names | confirmation.removed == set()
        cache.set(snapshot({"a": "", "b": "", "fence": ""}))
        update = await client.accept(CLUSTER)

    assert update.names == ({"fence"} if transport.delta else {"a", "b", "fence"})


@pytest.mark.item(43, 65, 68)
async def test_a_client_learns_what_changed_while_it_was_away(
    port: int, transport: Transport, cache: SnapshotCache
) -> None:
    before = snapshot({"a": "", "b": "", "gone": ""})
    held = {name: resource.version for name, resource in before.resources(CLUSTER.url).items()}
    cache.set(snapshot({"a": "", "b": "changed", "new": ""}))

    async with connected(port, transport) as client:
        await client.subscribe(CLUSTER, version=before.version(CLUSTER.url), held=held)
        update = await client.accept(CLUSTER)

    if transport.delta:
        assert update.names == {"b", "new"}
        assert update.removed == {"gone"}
    else:
        assert update.names == {"a", "b", "new"}


@pytest.mark.item(49, 69)
async def test_assignments_are_sent_again_whatever_a_client_says_it_has(
    port: int, transport: Transport, cache: SnapshotCache
) -> None:
    content = snapshot({"a": ""})
    cache.set(content)
    held = {name: resource.version for name, resource in content.resources(ENDPOINT.url).items()}

    async with connected(port, transport) as client:
        await client.subscribe(ENDPOINT, ["a"], version=content.version(ENDPOINT.url), held=held)
        update = await client.accept(ENDPOINT)

    assert update.names == {"a"}


@pytest.mark.item(48, 50)
async def test_the_first_request_without_assignments_to_ask_for_is_left_alone(
    client: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": ""}))

    await client.subscribe(ENDPOINT, version="what was last accepted")
    await client.subscribe(CLUSTER)
    clusters = await client.accept(CLUSTER)
    await client.subscribe(ENDPOINT, ["a"])
    update = await client.accept(ENDPOINT)

    assert clusters.names == {"a"}
    assert update.names == {"a"}


@pytest.mark.item(12)
async def test_two_streams_of_one_node_know_nothing_of_each_other(
    port: int, transport: Transport, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))

    async with connected(port, transport, node="same") as one, connected(port, transport, node="same") as other:
        await one.subscribe(ENDPOINT, ["a"])
        await other.subscribe(ENDPOINT, ["b"])
        await one.nack(await one.receive(ENDPOINT))
        update = await other.accept(ENDPOINT)

    assert update.names == {"b"}


@pytest.mark.item(90)
async def test_replicas_give_equal_versions(port: int, transport: Transport, cache: SnapshotCache) -> None:
    cache.set(snapshot({"b": "", "a": "1"}))
    cache.set(snapshot({"a": "2", "b": ""}))

    async with connected(port, transport) as client:
        await client.subscribe(CLUSTER)
        update = await client.accept(CLUSTER)

    fresh = snapshot({"b": "", "a": "2"})
    assert update.version == fresh.version(CLUSTER.url)
    assert update.versions in (
        {},
        {name: resource.version for name, resource in fresh.resources(CLUSTER.url).items()},
    )


@pytest.mark.item(15, 91)
async def test_a_client_whose_stream_was_ended_is_served_by_the_successor(
    transport: Transport, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"a": ""}))
    async with contextlib.AsyncExitStack() as stack:
        async with serving(cache, recorder) as port:
            client = await stack.enter_async_context(connected(port, transport))
            await client.subscribe(ENDPOINT, ["a"])
            before = await client.accept(ENDPOINT)
        assert await client.stream(ENDPOINT).receive() is None

        port = await stack.enter_async_context(serving(cache, recorder))
        client = await stack.enter_async_context(connected(port, transport))
        await client.subscribe(ENDPOINT, ["a"], version=before.version, held=before.versions)
        after = await client.accept(ENDPOINT)
        await client.expect_silence()

    assert after.resources == before.resources


@pytest.mark.item(90, 93)
async def test_a_client_that_changes_the_replica_gets_no_cluster_again(
    port: int, transport: Transport, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"b": "", "a": ""}))
    async with connected(port, transport) as client:
        await client.subscribe(CLUSTER)
        before = await client.accept(CLUSTER)
    replica = SnapshotCache(identifier="replica-2")
    for content in ({"a": "old"}, {"a": "", "c": ""}, {"a": "", "b": ""}):
        replica.set(snapshot(content))

    async with serving(replica, recorder) as other, connected(other, transport) as client:
        await client.subscribe(CLUSTER, version=before.version, held=before.versions)
        if transport.delta:
            confirmation = await client.accept(CLUSTER)
            assert confirmation.names | confirmation.removed == set()
            assert confirmation.version == before.version
        replica.set(snapshot({"a": "", "b": "", "fence": ""}))
        update = await client.accept(CLUSTER)

    assert "fence" in update.names
