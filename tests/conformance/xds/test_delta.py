"""What only Delta can say.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds
"""

import pytest

from support.xds_client import TRANSPORTS, Transport, XdsClient
from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, SnapshotCache


@pytest.fixture(params=[each for each in TRANSPORTS if each.delta], ids=str)
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen = request.param
    assert isinstance(chosen, Transport)
    return chosen


async def test_a_name_subscribed_to_again_is_sent_again(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))
    await client.subscribe(ENDPOINT, ["a"])
    first = await client.accept(ENDPOINT)

    await client.subscribe(ENDPOINT, ["a"])
    again = await client.accept(ENDPOINT)

    assert again.resources == first.resources
    assert again.versions == first.versions


async def test_a_missing_name_is_told_once_and_again_when_asked_again(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))
    await client.subscribe(ENDPOINT, ["missing"])
    first = await client.accept(ENDPOINT)
    await client.subscribe(ENDPOINT, ["a"])
    between = await client.accept(ENDPOINT)

    await client.subscribe(ENDPOINT, ["missing"])
    again = await client.accept(ENDPOINT)

    assert first.removed == {"missing"}
    assert (between.names, between.removed) == ({"a"}, frozenset[str]())
    assert again.removed == {"missing"}


async def test_a_name_dropped_under_a_wildcard_is_answered(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(CLUSTER)
    await client.accept(CLUSTER)
    await client.subscribe(CLUSTER, ["a", "missing"])
    await client.accept(CLUSTER)

    await client.unsubscribe(CLUSTER, ["a", "missing"])
    update = await client.accept(CLUSTER)

    assert update.names == {"a"}
    assert update.removed == {"missing"}


async def test_the_first_empty_request_stays_a_wildcard_when_a_name_is_added(
    client: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(CLUSTER)
    await client.accept(CLUSTER)

    await client.subscribe(CLUSTER, ["a"])
    named = await client.accept(CLUSTER)
    cache.set(snapshot({"a": "", "b": "new"}))
    update = await client.accept(CLUSTER)

    assert named.names == {"a"}
    assert update.names == {"b"}


async def test_without_the_star_only_names_remain_and_with_it_all_comes_again(
    client: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(CLUSTER, ["*", "a"])
    await client.accept(CLUSTER)

    await client.unsubscribe(CLUSTER, ["*"])
    await client.subscribe(CLUSTER, ["fence"])
    fence = await client.accept(CLUSTER)
    cache.set(snapshot({"a": "new", "b": "new"}))
    named = await client.accept(CLUSTER)
    await client.subscribe(CLUSTER, ["*"])
    everything = await client.accept(CLUSTER)

    assert fence.removed == {"fence"}
    assert named.names == {"a"}
    assert everything.names == {"a", "b"}


async def test_one_request_may_subscribe_unsubscribe_and_acknowledge(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, ["a"])
    first = await client.receive(ENDPOINT)

    await client.request_delta(ENDPOINT, subscribe=["b"], unsubscribe=["a"], nonce=first.nonce)
    second = await client.accept(ENDPOINT)
    cache.set(snapshot({"a": "", "b": ""}, {"a": "new", "b": "new"}))
    third = await client.accept(ENDPOINT)

    assert second.names == {"b"}
    assert third.names == {"b"}


async def test_versions_told_later_are_ignored(client: XdsClient, cache: SnapshotCache) -> None:
    content = snapshot({"a": ""})
    cache.set(content)
    await client.subscribe(CLUSTER)
    await client.accept(CLUSTER)

    held = {"ghost": "1", "a": content.resources(CLUSTER.url)["a"].version}
    await client.request_delta(CLUSTER, subscribe=["*"], held=held)
    update = await client.accept(CLUSTER)

    assert update.names == {"a"}
    assert update.removed == set()


async def test_every_resource_has_its_version(client: XdsClient, cache: SnapshotCache) -> None:
    content = snapshot({"a": "1", "b": "2"})
    cache.set(content)

    await client.subscribe(CLUSTER)
    update = await client.accept(CLUSTER)

    assert update.versions == {name: each.version for name, each in content.resources(CLUSTER.url).items()}


async def test_no_nonce_is_used_twice_on_a_stream(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))
    nonces: dict[object, list[str]] = {}
    for kind in (ENDPOINT, CLUSTER) * 3:
        await client.subscribe(kind, ["a"])
        nonces.setdefault(client.stream(kind), []).append((await client.accept(kind)).nonce)

    assert all(len(set(each)) == len(each) and "" not in each for each in nonces.values())
