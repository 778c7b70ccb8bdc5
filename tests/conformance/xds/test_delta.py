"""What only Delta can say.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds
"""

import pytest

from support.xds_client import XdsClient
from support.xds_content import assignment, snapshot
from xds import CLUSTER, ENDPOINT, SnapshotCache


@pytest.mark.item(51)
async def test_a_name_subscribed_to_again_is_sent_again(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))
    await client.subscribe(ENDPOINT, ["a"])
    first = await client.accept(ENDPOINT)

    await client.subscribe(ENDPOINT, ["a"])
    again = await client.accept(ENDPOINT)

    assert again.resources == first.resources
    assert again.versions == first.versions


@pytest.mark.item(52)
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


@pytest.mark.item(54)
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


@pytest.mark.item(55, 57)
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


@pytest.mark.item(56)
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


@pytest.mark.item(58)
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


@pytest.mark.item(65)
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


@pytest.mark.item(60, 63)
async def test_every_resource_has_its_version(client: XdsClient, cache: SnapshotCache) -> None:
    content = snapshot({"a": "1", "b": "2"})
    cache.set(content)

    await client.subscribe(CLUSTER)
    update = await client.accept(CLUSTER)

    assert update.versions == {name: each.version for name, each in content.resources(CLUSTER.url).items()}


@pytest.mark.item(53)
async def test_unsubscribing_is_met_with_silence(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, ["a", "b"])
    await client.accept(ENDPOINT)

    await client.unsubscribe(ENDPOINT, ["a", "never asked for"])
    await client.expect_silence()
    cache.set(snapshot({"a": "", "b": ""}, {"a": "new", "b": "new"}))
    update = await client.accept(ENDPOINT)

    assert update.names == {"b"}
    await client.expect_silence()


@pytest.mark.item(57)
@pytest.mark.parametrize("everything", [False, True])
async def test_clusters_can_be_asked_for_one_by_one_with_and_without_a_wildcard(
    client: XdsClient, cache: SnapshotCache, everything: bool
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(CLUSTER, ["*"] if everything else ["a"])
    first = await client.accept(CLUSTER)

    await client.subscribe(CLUSTER, ["on-demand"])
    missing = await client.accept(CLUSTER)
    cache.set(snapshot({"a": "", "b": "new", "on-demand": ""}))
    update = await client.accept(CLUSTER)

    assert first.names == ({"a", "b"} if everything else {"a"})
    assert missing.names == set()
    assert missing.removed == {"on-demand"}
    assert update.names == ({"b", "on-demand"} if everything else {"on-demand"})


@pytest.mark.item(70)
async def test_a_service_without_endpoints_is_sent_empty(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}, {"a": "endpoints"}))
    await client.subscribe(ENDPOINT, ["a"])
    await client.accept(ENDPOINT)

    cache.set(snapshot({"a": ""}, {"a": ""}))
    update = await client.accept(ENDPOINT)

    assert update.resources == {"a": assignment("a").body}
    assert update.removed == set()


@pytest.mark.item(71)
async def test_who_gives_up_the_assignment_of_a_removed_cluster_hears_no_more_of_it(
    client: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(CLUSTER)
    await client.accept(CLUSTER)
    await client.subscribe(ENDPOINT, ["a", "b"])
    await client.accept(ENDPOINT)

    cache.set(snapshot({"b": ""}, {"a": "", "b": ""}))
    update = await client.accept(CLUSTER)
    await client.unsubscribe(ENDPOINT, ["a"])
    await client.expect_silence()
    cache.set(snapshot({"b": ""}, {"b": ""}))

    assert update.removed == {"a"}
    await client.expect_silence()


@pytest.mark.item(61)
async def test_a_removal_in_a_rejected_response_is_told_again(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "gone": ""}))
    await client.subscribe(ENDPOINT, ["a", "gone"])
    await client.accept(ENDPOINT)

    cache.set(snapshot({"a": ""}, {"a": "bad"}))
    await client.nack(await client.receive(ENDPOINT))
    update = await client.accept(ENDPOINT)

    assert update.names == set()
    assert update.removed == {"gone"}
    await client.expect_silence()
