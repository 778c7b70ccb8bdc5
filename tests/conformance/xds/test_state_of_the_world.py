"""What is particular to State of the World.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#basic-protocol-overview
"""

import pytest

from support.waiting import eventually
from support.xds_client import XdsClient
from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, SnapshotCache, XdsServer


@pytest.mark.item(39, 40)
async def test_any_change_of_clusters_brings_all_of_them(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": "", "c": ""}))
    await client.subscribe(CLUSTER)
    await client.accept(CLUSTER)

    cache.set(snapshot({"a": "", "b": "new", "c": ""}))
    update = await client.accept(CLUSTER)

    assert update.names == {"a", "b", "c"}


@pytest.mark.item(41)
async def test_the_last_deletion_leaves_an_empty_response(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))
    await client.subscribe(CLUSTER)
    await client.accept(CLUSTER)

    cache.set(snapshot({}))
    update = await client.accept(CLUSTER)

    assert update.names == set()


@pytest.mark.item(42)
async def test_named_clusters_come_together_and_others_in_silence(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": "", "other": ""}))
    await client.subscribe(CLUSTER, ["a", "b"])
    first = await client.accept(CLUSTER)

    cache.set(snapshot({"a": "", "b": "", "other": "new"}))
    await client.expect_silence()
    cache.set(snapshot({"a": "new", "b": "", "other": "new"}))
    update = await client.accept(CLUSTER)

    assert first.names == {"a", "b"}
    assert update.names == {"a", "b"}
    assert update.version == snapshot({"a": "new", "b": "", "other": "new"}).version(CLUSTER.url)


@pytest.mark.item(35)
async def test_a_star_with_names_is_everything_until_the_star_is_gone(
    client: XdsClient, cache: SnapshotCache, server: XdsServer
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.request(CLUSTER, ["*", "a"])
    everything = await client.receive(CLUSTER)

    await client.request(CLUSTER, ["a"], nonce=everything.nonce)
    await eventually(lambda: next(iter(server.streams())).types[0].names == 1)
    cache.set(snapshot({"a": "new", "b": "new"}))
    named = await client.receive(CLUSTER)

    assert everything.names == {"a", "b"}
    assert named.names == {"a"}


@pytest.mark.item(35)
async def test_an_empty_name_is_no_name_but_ends_the_wildcard(
    client: XdsClient, cache: SnapshotCache, server: XdsServer
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.request(CLUSTER)
    first = await client.receive(CLUSTER)

    await client.request(CLUSTER, [""], nonce=first.nonce)
    await client.request(CLUSTER, [], nonce=first.nonce)
    await eventually(lambda: next(iter(server.streams())).types[0].names == 0)
    cache.set(snapshot({"a": "new", "b": "new"}))
    await client.request(CLUSTER, ["b"])
    update = await client.receive(CLUSTER)

    assert update.names == {"b"}


@pytest.mark.item(31)
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


@pytest.mark.item(36)
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


@pytest.mark.item(30)
async def test_the_version_changes_with_the_content_of_the_type_and_only_with_it(
    client: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": "1"}, {"a": "1"}))
    await client.subscribe(CLUSTER)
    first = await client.accept(CLUSTER)

    cache.set(snapshot({"a": "1"}, {"a": "2"}))
    cache.set(snapshot({"a": "2"}, {"a": "2"}))
    second = await client.accept(CLUSTER)
    cache.set(snapshot({"a": "1"}, {"a": "2"}))
    third = await client.accept(CLUSTER)

    assert first.version == third.version != second.version


@pytest.mark.item(32)
async def test_a_name_that_came_unasked_is_sent_when_it_is_asked_for(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, ["*"])
    everything = await client.accept(ENDPOINT)

    await client.subscribe(ENDPOINT, ["a"])
    named = await client.accept(ENDPOINT)

    assert everything.names == {"a", "b"}
    assert named.names == {"a"}
    assert named.version == everything.version


@pytest.mark.item(48)
async def test_what_nobody_asked_for_leaves_no_empty_response(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, ["a"])
    await client.accept(ENDPOINT)

    cache.set(snapshot({"a": ""}))
    cache.set(snapshot({"a": "", "b": ""}, {"a": "", "b": "new"}))

    await client.expect_silence()
