"""What a client asks for is what it gets, once, over each transport.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
"""

import pytest

from support.stream_recorder import StreamRecorder
from support.waiting import eventually
from support.xds_client import XdsClient, connected
from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, SnapshotCache, XdsServer


def subscribed(server: XdsServer) -> list[str]:
    """What the open streams asked for, type by type."""
    return sorted(status.type_url for stream in server.streams() for status in stream.types)


@pytest.mark.item(39, 55, 63, 94)
async def test_everything_is_answered_to_a_request_without_names(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))

    await client.subscribe(CLUSTER)
    update = await client.accept(CLUSTER)

    assert update.names == {"a", "b"}
    assert update.version == snapshot({"a": "", "b": ""}).version(CLUSTER.url)
    assert update.control_plane == "replica-1"


@pytest.mark.item(29, 59)
async def test_an_empty_view_is_answered(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({}))

    await client.subscribe(CLUSTER)
    update = await client.accept(CLUSTER)

    assert update.names == set()
    assert update.version


@pytest.mark.item(87)
async def test_nothing_is_answered_before_the_first_snapshot(
    client: XdsClient, cache: SnapshotCache, server: XdsServer, recorder: StreamRecorder, port: int
) -> None:
    await client.subscribe(CLUSTER)
    await client.subscribe(ENDPOINT, ["a"])
    await eventually(lambda: subscribed(server) == [CLUSTER.url, ENDPOINT.url])
    async with connected(port, client.transport) as fence:
        await fence.subscribe(CLUSTER)
        await eventually(lambda: subscribed(server) == [CLUSTER.url, CLUSTER.url, ENDPOINT.url])
    unanswered = recorder.of("sent")

    cache.set(snapshot({"a": "first"}))
    first = await client.accept(CLUSTER)

    assignments = await client.accept(ENDPOINT)

    assert unanswered == []
    assert first.names == {"a"}
    assert assignments.names == {"a"}


@pytest.mark.item(26, 45, 60)
async def test_only_the_changed_assignment_is_sent(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": "", "c": ""}))
    await client.subscribe(ENDPOINT, ["a", "b"])
    assert (await client.accept(ENDPOINT)).names == {"a", "b"}

    cache.set(snapshot({"a": "", "b": "", "c": ""}, {"a": "", "b": "", "c": "new"}))
    await client.expect_silence()
    cache.set(snapshot({"a": "", "b": "", "c": ""}, {"a": "", "b": "new", "c": "new"}))
    update = await client.accept(ENDPOINT)

    assert update.names == {"b"}


@pytest.mark.item(25, 47, 52)
async def test_a_name_that_appears_later_is_sent_then(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({}))
    await client.subscribe(ENDPOINT, ["late"])
    unknown = await client.accept(ENDPOINT)

    cache.set(snapshot({"late": ""}, {"late": "here"}))
    update = await client.accept(ENDPOINT)

    if client.transport.delta:
        assert unknown.removed == {"late"}
    else:
        assert unknown.resources == {"late": ENDPOINT.placeholder("late") if ENDPOINT.placeholder else b""}
    assert update.names == {"late"}


@pytest.mark.item(32, 37, 51)
async def test_a_further_name_is_answered_with_that_name_alone(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, ["a"])
    first = await client.receive(ENDPOINT)

    await client.subscribe(ENDPOINT, ["b"], nonce=first.nonce)
    update = await client.accept(ENDPOINT)

    assert update.names == {"b"}
    assert update.version == first.version


@pytest.mark.item(19, 64)
async def test_a_name_asked_for_with_a_stale_nonce_is_answered(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, ["a"])
    await client.accept(ENDPOINT)

    await client.subscribe(ENDPOINT, ["b"], nonce="of another stream")
    update = await client.accept(ENDPOINT)

    assert update.names == {"b"}


@pytest.mark.item(23, 33)
async def test_a_name_given_up_and_taken_again_in_one_burst_is_sent_again(
    client: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": ""}))
    await client.subscribe(ENDPOINT, ["a"])
    first = await client.accept(ENDPOINT)

    await client.unsubscribe(ENDPOINT, ["a"], nonce=first.nonce)
    await client.subscribe(ENDPOINT, ["a"], nonce=first.nonce)
    again = await client.accept(ENDPOINT)

    assert again.resources == first.resources
    assert again.nonce != first.nonce


@pytest.mark.item(33, 53)
async def test_a_name_given_up_is_not_sent_any_more(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, ["a", "b"])
    first = await client.accept(ENDPOINT)

    await client.unsubscribe(ENDPOINT, ["a"], nonce=first.nonce)
    await client.subscribe(ENDPOINT, ["fence"], nonce=first.nonce)
    await client.accept(ENDPOINT)
    cache.set(snapshot({"a": "", "b": ""}, {"a": "new", "b": "new"}))
    update = await client.accept(ENDPOINT)

    assert update.names == {"b"}


@pytest.mark.item(48, 50)
async def test_no_names_are_no_wildcard_for_assignments(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))

    await client.subscribe(ENDPOINT)
    await client.subscribe(ENDPOINT, ["fence"])
    update = await client.accept(ENDPOINT)

    assert update.names | update.removed == {"fence"}


@pytest.mark.item(34, 53)
async def test_after_names_were_given_no_names_are_nothing(
    client: XdsClient, cache: SnapshotCache, server: XdsServer
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(CLUSTER, ["a"])
    first = await client.accept(CLUSTER)

    await client.unsubscribe(CLUSTER, ["a"], nonce=first.nonce)
    await eventually(lambda: next(iter(server.streams())).types[0].names == 0)
    cache.set(snapshot({"a": "new", "b": "new"}))
    await client.subscribe(CLUSTER, ["b"])
    update = await client.accept(CLUSTER)

    assert first.names == {"a"}
    assert update.names == {"b"}


@pytest.mark.item(35, 56)
async def test_a_star_asks_for_everything_of_any_type(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))

    await client.subscribe(ENDPOINT, ["*"])
    update = await client.accept(ENDPOINT)

    assert update.names == {"a", "b"}


@pytest.mark.item(46, 61)
async def test_a_vanished_assignment_is_told(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({}, {"a": "something"}))
    await client.subscribe(ENDPOINT, ["a"])
    await client.accept(ENDPOINT)

    cache.set(snapshot({}))
    update = await client.accept(ENDPOINT)

    if client.transport.delta:
        assert update.names == set()
        assert update.removed == {"a"}
    else:
        assert update.resources == {"a": b"\x0a\x01a"}


@pytest.mark.item(41, 61, 62)
async def test_a_deleted_cluster_is_told_and_its_return_too(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(CLUSTER)
    await client.accept(CLUSTER)

    cache.set(snapshot({"b": ""}))
    deletion = await client.accept(CLUSTER)
    cache.set(snapshot({"a": "", "b": ""}))
    comeback = await client.accept(CLUSTER)

    if client.transport.delta:
        assert deletion.names == set()
        assert deletion.removed == {"a"}
        assert comeback.names == {"a"}
    else:
        assert deletion.names == {"b"}
        assert comeback.names == {"a", "b"}


@pytest.mark.item(40, 60)
async def test_many_changes_while_the_client_is_busy_become_one_response(
    client: XdsClient, cache: SnapshotCache
) -> None:
    cache.set(snapshot({"a": "0"}))
    await client.subscribe(CLUSTER)
    first = await client.receive(CLUSTER)

    for content in "123456789":
        cache.set(snapshot({"a": content}))
    await client.ack(first)
    update = await client.accept(CLUSTER)

    assert update.version == snapshot({"a": "9"}).version(CLUSTER.url)
