"""A client that comes back, here or at another replica, gets what it lacks."""

from support.xds_client import Transport, XdsClient, connected
from support.xds_content import cluster, snapshot
from xds import CLUSTER, ENDPOINT, SnapshotCache


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
