"""Order within one stream, and what a client waits for after it got a cluster.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-warming
"""

import pytest

from support.xds_client import Transport, XdsClient, connected
from support.xds_content import assignment, cluster, snapshot
from xds import CLUSTER, ENDPOINT, SnapshotCache


@pytest.fixture
async def envoy(client: XdsClient, cache: SnapshotCache) -> XdsClient:
    """A client that holds clusters a and b with their assignments."""
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(CLUSTER)
    await client.accept(CLUSTER)
    await client.subscribe(ENDPOINT, ["a", "b"])
    await client.accept(ENDPOINT)
    return client


@pytest.mark.item(73)
async def test_a_changed_cluster_is_followed_by_its_unchanged_assignment(
    envoy: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": "changed", "b": ""}))
    stream = envoy.stream(CLUSTER)
    first = await envoy.receive_any(stream)
    second = await envoy.receive_any(stream)

    assert first.type_url == CLUSTER.url
    assert second.type_url == ENDPOINT.url
    assert second.names == {"a"}


@pytest.mark.item(72)
async def test_clusters_go_before_assignments(envoy: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "changed", "b": ""}, {"a": "changed", "b": "changed"}))
    stream = envoy.stream(CLUSTER)
    first = await envoy.receive_any(stream)
    second = await envoy.receive_any(stream)

    assert first.type_url == CLUSTER.url
    assert second.names == {"a", "b"}


@pytest.mark.item(74)
async def test_a_second_cluster_on_a_known_assignment_gets_it(envoy: XdsClient, cache: SnapshotCache) -> None:
    known = cache.snapshot
    assert known is not None
    cache.set(known.replace(CLUSTER.url, [cluster("twin", requires=("a",))]))
    clusters = await envoy.receive(CLUSTER)

    update = await envoy.accept(ENDPOINT)

    assert "twin" in clusters.names
    assert update.names == {"a"}


@pytest.mark.item(75)
async def test_a_new_cluster_has_its_assignment_sent_once(envoy: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": "", "new": ""}))
    await envoy.accept(CLUSTER)
    await envoy.subscribe(ENDPOINT, ["new"])
    update = await envoy.accept(ENDPOINT)
    await envoy.subscribe(ENDPOINT, ["fence"])
    fence = await envoy.accept(ENDPOINT)

    assert update.names == {"new"}
    assert fence.names | fence.removed == {"fence"}


@pytest.mark.item(75)
async def test_assignments_do_not_wait_until_the_clusters_are_acknowledged(
    envoy: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": "changed", "b": ""}))
    await envoy.receive(CLUSTER)
    await envoy.accept(ENDPOINT)

    cache.set(snapshot({"a": "changed", "b": ""}, {"a": "", "b": "changed"}))
    update = await envoy.accept(ENDPOINT)

    assert update.names == {"b"}


@pytest.mark.item(77)
async def test_a_cluster_changed_twice_while_it_warms_needs_one_more_assignment(
    envoy: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": "1", "b": ""}))
    first = await envoy.receive(CLUSTER)
    await envoy.accept(ENDPOINT)

    cache.set(snapshot({"a": "2", "b": ""}))
    cache.set(snapshot({"a": "3", "b": ""}))
    await envoy.ack(first)
    second = await envoy.accept(CLUSTER)
    update = await envoy.accept(ENDPOINT)

    assert second.version == snapshot({"a": "3", "b": ""}).version(CLUSTER.url)
    assert update.names == {"a"}


@pytest.mark.item(69, 49)
async def test_a_reconnect_in_the_middle_of_warming_gets_its_assignments_first(
    port: int, transport: Transport, cache: SnapshotCache
) -> None:
    content = snapshot({"a": "", "b": ""})
    cache.set(content)
    held = {"a": assignment("a").version, "b": assignment("b").version}

    async with connected(port, transport) as client:
        await client.subscribe(ENDPOINT, ["a", "b"], version=content.version(ENDPOINT.url), held=held)
        update = await client.accept(ENDPOINT)

    assert update.names == {"a", "b"}


@pytest.mark.item(76)
async def test_an_assignment_sent_before_the_cluster_is_sent_again_after_it(
    envoy: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": "", "b": ""}, {"a": "new", "b": ""}))
    before = await envoy.accept(ENDPOINT)

    cache.set(snapshot({"a": "new", "b": ""}, {"a": "new", "b": ""}))
    clusters = await envoy.receive_any(envoy.stream(CLUSTER))
    after = await envoy.receive_any(envoy.stream(CLUSTER))

    assert clusters.type_url == CLUSTER.url
    assert after.type_url == ENDPOINT.url
    assert after.resources == before.resources


@pytest.mark.item(77)
async def test_a_cluster_removed_while_it_warms_is_waited_for_no_more(envoy: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": "", "new": ""}))
    added = await envoy.receive(CLUSTER)

    await envoy.subscribe(ENDPOINT, ["new"])
    await envoy.accept(ENDPOINT)
    cache.set(snapshot({"a": "", "b": ""}))
    await envoy.ack(added)
    removal = await envoy.accept(CLUSTER)
    gone = await envoy.accept(ENDPOINT)
    await envoy.unsubscribe(ENDPOINT, ["new"])

    assert "new" not in removal.names
    assert gone.names | gone.removed == {"new"}
    await envoy.expect_silence()


@pytest.mark.item(78)
async def test_a_type_that_waits_for_its_answer_does_not_delay_the_other(
    envoy: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": "", "b": ""}, {"a": "new", "b": ""}))
    await envoy.receive(ENDPOINT)

    cache.set(snapshot({"a": "", "b": "new"}, {"a": "new", "b": ""}))
    update = await envoy.accept(CLUSTER)

    assert update.version == snapshot({"a": "", "b": "new"}).version(CLUSTER.url)


@pytest.mark.item(47, 52)
async def test_who_wants_the_assignments_of_a_part_of_the_clusters_gets_these(
    client: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": "", "b": "", "c": ""}))
    await client.subscribe(CLUSTER)
    clusters = await client.accept(CLUSTER)

    await client.subscribe(ENDPOINT, ["b"])
    update = await client.accept(ENDPOINT)

    assert clusters.names == {"a", "b", "c"}
    assert update.names == {"b"}
    await client.expect_silence()


@pytest.mark.item(80)
async def test_a_further_stream_for_a_changed_cluster_is_answered(
    port: int, transport: Transport, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": ""}))
    async with connected(port, transport) as old, connected(port, transport) as new:
        await old.subscribe(ENDPOINT, ["a"])
        first = await old.accept(ENDPOINT)
        cache.set(snapshot({"a": "changed"}))

        await new.subscribe(ENDPOINT, ["a"])
        second = await new.accept(ENDPOINT)

        assert second.resources == first.resources
        await old.expect_silence()
