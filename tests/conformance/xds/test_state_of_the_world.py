"""What is particular to State of the World.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#basic-protocol-overview
"""

import pytest

from support.waiting import eventually
from support.xds_client import TRANSPORTS, Transport, XdsClient
from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, SnapshotCache, XdsServer


@pytest.fixture(params=[each for each in TRANSPORTS if not each.delta], ids=str)
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen = request.param
    assert isinstance(chosen, Transport)
    return chosen


async def test_any_change_of_clusters_brings_all_of_them(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": "", "c": ""}))
    await client.subscribe(CLUSTER)
    await client.accept(CLUSTER)

    cache.set(snapshot({"a": "", "b": "new", "c": ""}))
    update = await client.accept(CLUSTER)

    assert update.names == {"a", "b", "c"}


async def test_the_last_deletion_leaves_an_empty_response(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))
    await client.subscribe(CLUSTER)
    await client.accept(CLUSTER)

    cache.set(snapshot({}))
    update = await client.accept(CLUSTER)

    assert update.names == set()


async def test_named_clusters_come_together_and_others_in_silence(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": "", "other": ""}))
    await client.subscribe(CLUSTER, ["a", "b"])
    first = await client.accept(CLUSTER)

    cache.set(snapshot({"a": "", "b": "", "other": "new"}))
    cache.set(snapshot({"a": "new", "b": "", "other": "new"}))
    update = await client.accept(CLUSTER)

    assert first.names == {"a", "b"}
    assert update.names == {"a", "b"}
    assert update.version == snapshot({"a": "new", "b": "", "other": "new"}).version(CLUSTER.url)


async def test_a_star_with_names_is_everything_until_the_star_is_gone(
    client: XdsClient, cache: SnapshotCache, server: XdsServer
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.request(CLUSTER, ["*", "a"])
    everything = await client.receive(CLUSTER)

    await client.request(CLUSTER, ["a"], nonce=everything.nonce)
    await eventually(lambda: server.streams()[0].types[0].names == 1)
    cache.set(snapshot({"a": "new", "b": "new"}))
    named = await client.receive(CLUSTER)

    assert everything.names == {"a", "b"}
    assert named.names == {"a"}


async def test_an_empty_name_is_no_name_but_ends_the_wildcard(
    client: XdsClient, cache: SnapshotCache, server: XdsServer
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.request(CLUSTER)
    first = await client.receive(CLUSTER)

    await client.request(CLUSTER, [""], nonce=first.nonce)
    await client.request(CLUSTER, [], nonce=first.nonce)
    await eventually(lambda: server.streams()[0].types[0].names == 0)
    cache.set(snapshot({"a": "new", "b": "new"}))
    await client.request(CLUSTER, ["b"])
    update = await client.receive(CLUSTER)

    assert update.names == {"b"}


async def test_names_in_another_order_are_the_same_names(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": "", "c": ""}))
    await client.request(ENDPOINT, ["a", "b"])
    first = await client.receive(ENDPOINT)

    # Fields in another order than the client helper writes them: names b, a, then the nonce.
    nonce, url = first.nonce.encode(), ENDPOINT.url.encode()
    reordered = b"\x1a\x01b\x1a\x01a\x22" + bytes((len(url),)) + url + b"\x2a" + bytes((len(nonce),)) + nonce
    await client.stream(ENDPOINT).send(reordered)
    await client.request(ENDPOINT, ["a", "b", "c"], nonce=first.nonce)
    update = await client.receive(ENDPOINT)

    assert update.names == {"c"}


async def test_an_acknowledgement_may_skip_older_responses(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.request(ENDPOINT, ["a"])
    await client.receive(ENDPOINT)
    await client.request(ENDPOINT, ["a", "b"])
    second = await client.receive(ENDPOINT)

    await client.request(ENDPOINT, ["a", "b"], nonce=second.nonce, version=second.version)
    cache.set(snapshot({"a": "", "b": ""}, {"a": "new", "b": ""}))
    update = await client.receive(ENDPOINT)

    assert update.names == {"a"}
