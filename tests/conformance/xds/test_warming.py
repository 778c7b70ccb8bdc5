"""Order within one stream, and what a client waits for after it got a cluster.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-warming
"""

import pytest

from support.xds_client import TRANSPORTS, Transport, XdsClient, connected
from support.xds_content import assignment, cluster, snapshot
from xds import CLUSTER, ENDPOINT, SnapshotCache


@pytest.fixture(params=[transport for transport in TRANSPORTS if transport.aggregated], ids=str)
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen = request.param
    assert isinstance(chosen, Transport)
    return chosen


@pytest.fixture
async def envoy(client: XdsClient, cache: SnapshotCache) -> XdsClient:
    """A client that holds clusters a and b with their assignments."""
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(CLUSTER)
    await client.accept(CLUSTER)
    await client.subscribe(ENDPOINT, ["a", "b"])
    await client.accept(ENDPOINT)
    return client


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


async def test_clusters_go_before_assignments(envoy: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "changed", "b": ""}, {"a": "changed", "b": "changed"}))
    stream = envoy.stream(CLUSTER)
    first = await envoy.receive_any(stream)
    second = await envoy.receive_any(stream)

    assert first.type_url == CLUSTER.url
    assert second.names == {"a", "b"}


async def test_a_second_cluster_on_a_known_assignment_gets_it(envoy: XdsClient, cache: SnapshotCache) -> None:
    known = cache.snapshot
    assert known is not None
    cache.set(known.replace(CLUSTER.url, [cluster("twin", requires=("a",))]))
    clusters = await envoy.receive(CLUSTER)

    update = await envoy.accept(ENDPOINT)

    assert "twin" in clusters.names
    assert update.names == {"a"}


async def test_a_new_cluster_has_its_assignment_sent_once(envoy: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": "", "new": ""}))
    await envoy.accept(CLUSTER)
    await envoy.subscribe(ENDPOINT, ["new"])
    update = await envoy.accept(ENDPOINT)
    await envoy.subscribe(ENDPOINT, ["fence"])
    fence = await envoy.accept(ENDPOINT)

    assert update.names == {"new"}
    assert fence.names | fence.removed == {"fence"}


async def test_assignments_do_not_wait_until_the_clusters_are_acknowledged(
    envoy: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": "changed", "b": ""}))
    await envoy.receive(CLUSTER)
    await envoy.accept(ENDPOINT)

    cache.set(snapshot({"a": "changed", "b": ""}, {"a": "", "b": "changed"}))
    update = await envoy.accept(ENDPOINT)

    assert update.names == {"b"}


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
