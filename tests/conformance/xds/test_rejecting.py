"""A rejected response is never simply repeated, and what was good in it gets through.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#ack-and-nack-semantics-summary
"""

import pytest

from support.stream_recorder import StreamRecorder
from support.waiting import eventually
from support.xds_client import TRANSPORTS, Transport, Update, XdsClient, connected
from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, ResourceType, SnapshotCache, XdsServer


async def answer_as_envoy(client: XdsClient, kind: ResourceType, bad: set[str]) -> Update:
    """Reject a response with one of the bad names in it, accept any other."""
    update = await client.receive(kind)
    await (client.nack(update, f"bad: {sorted(bad)}") if bad & update.names else client.ack(update))
    return update


def cache_version(cache: SnapshotCache) -> str:
    assert cache.snapshot is not None
    return cache.snapshot.version(CLUSTER.url)


@pytest.mark.item(82, 83)
async def test_rejected_content_is_not_sent_again_until_it_changes(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, ["a"])
    await client.nack(await client.receive(ENDPOINT))

    await client.subscribe(ENDPOINT, ["b"])
    afterwards = await client.accept(ENDPOINT)
    cache.set(snapshot({"a": "", "b": ""}, {"a": "repaired", "b": ""}))
    repaired = await client.accept(ENDPOINT)

    assert afterwards.names == {"b"}
    assert repaired.names == {"a"}


@pytest.mark.item(84, 86)
async def test_good_assignments_beside_a_bad_one_get_through(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "bad": "", "c": ""}))
    await client.subscribe(ENDPOINT, ["a", "bad", "c"])

    updates = [await answer_as_envoy(client, ENDPOINT, {"bad"}) for _ in range(5)]
    cache.set(snapshot({"a": "", "bad": "", "c": ""}, {"a": "", "bad": "", "c": "fence"}))
    afterwards = await client.accept(ENDPOINT)

    assert [update.names for update in updates] == [{"a", "bad", "c"}, {"a", "bad"}, {"c"}, {"a"}, {"bad"}]
    assert afterwards.names == {"c"}


@pytest.mark.item(82)
async def test_a_rejected_name_is_sent_when_it_is_asked_for_again(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))
    await client.subscribe(ENDPOINT, ["a"])
    await client.nack(await client.receive(ENDPOINT))

    await client.unsubscribe(ENDPOINT, ["a"])
    await client.subscribe(ENDPOINT, ["a"])
    again = await client.accept(ENDPOINT)

    assert again.names == {"a"}


@pytest.mark.item(83, 84)
async def test_one_bad_cluster_does_not_keep_others_from_changing(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "1", "b": "1"}))
    await client.subscribe(CLUSTER)
    await client.accept(CLUSTER)

    cache.set(snapshot({"a": "bad", "b": "1"}))
    await client.nack(await client.receive(CLUSTER))
    cache.set(snapshot({"a": "bad", "b": "2"}))
    update = await client.accept(CLUSTER)

    good = snapshot({"a": "1", "b": "2"}).resources(CLUSTER.url)
    assert update.resources["b"] == good["b"].body
    if client.transport.delta:
        assert update.names == {"b"}
    else:
        assert update.resources["a"] == good["a"].body, "what the client has must stay in a complete response"
        assert update.version == snapshot({"a": "1", "b": "2"}).version(CLUSTER.url)


@pytest.mark.item(84, 86)
async def test_good_clusters_beside_a_bad_one_reach_a_client_that_has_none(
    client: XdsClient, cache: SnapshotCache
) -> None:
    contents = {f"s{number:02}": "" for number in range(20)} | {"bad": ""}
    cache.set(snapshot(contents, {}))
    await client.subscribe(CLUSTER)
    held: set[str] = set()

    tries = 0
    while held != contents.keys() - {"bad"}:
        tries += 1
        update = await answer_as_envoy(client, CLUSTER, {"bad"})
        if "bad" not in update.names:
            held = update.names | (held if client.transport.delta else set())
    cache.set(snapshot({**contents, "bad": "repaired"}, {}))
    while (repaired := await client.accept(CLUSTER)).version != cache_version(cache):
        pass

    assert tries <= 1 + 2 * 5
    assert "bad" in repaired.names


@pytest.mark.parametrize("transport", [each for each in TRANSPORTS if not each.delta], ids=str)
@pytest.mark.item(84)
async def test_a_client_that_may_have_clusters_is_sent_no_part_of_them(
    port: int, transport: Transport, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"a": "", "b": "", "bad": ""}, {}))
    async with connected(port, transport) as client:
        await client.subscribe(CLUSTER, version="of another server")
        await client.nack(await client.receive(CLUSTER))
        await eventually(lambda: len(recorder.of("nacked")) == 1)
        cache.set(snapshot({"a": "", "b": "", "bad": "repaired"}, {}))
        update = await client.accept(CLUSTER)

    assert update.names == {"a", "b", "bad"}
    assert len(recorder.of("sent")) == 2


@pytest.mark.item(85)
async def test_a_rejection_may_change_the_names(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, ["a"])
    first = await client.receive(ENDPOINT)

    await client.subscribe(ENDPOINT, ["b"], nonce=first.nonce, error="no")
    update = await client.accept(ENDPOINT)

    assert update.names == {"b"}


@pytest.mark.item(18)
async def test_a_rejection_of_an_unknown_response_is_no_rejection(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, ["a"])
    await client.accept(ENDPOINT)

    await client.subscribe(ENDPOINT, ["b"], nonce="never issued", error="no")
    update = await client.accept(ENDPOINT)

    assert update.names == {"b"}


@pytest.mark.item(81)
async def test_a_rejection_is_reported_and_shown(
    client: XdsClient, cache: SnapshotCache, server: XdsServer, recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, ["a"])
    first = await client.receive(ENDPOINT)

    await client.nack(first, f"{'x' * 5000}\n: too bad")
    await client.subscribe(ENDPOINT, ["b"])
    await client.receive(ENDPOINT)

    ((kind, version, message),) = recorder.of("nacked")
    assert (kind, version) == (ENDPOINT.url, first.version)
    assert isinstance(message, str)
    assert (message[:512], message[-9:], len(message) <= 1024) == ("x" * 512, ": too bad", True)
    (stream,) = server.streams()
    assert stream.types[0].rejection == message


@pytest.mark.item(81, 84)
@pytest.mark.parametrize("kind", [CLUSTER, ENDPOINT], ids=["clusters", "endpoints"])
async def test_a_rejection_is_shown_until_it_is_mended_whatever_else_is_accepted(
    client: XdsClient, cache: SnapshotCache, server: XdsServer, recorder: StreamRecorder, kind: ResourceType
) -> None:
    cache.set(snapshot({"bad": "", "good": ""}))
    await client.subscribe(kind, ["bad", "good"])
    updates = [await answer_as_envoy(client, kind, {"bad"}) for _ in range(3)]
    await eventually(lambda: len(recorder.of("acked") + recorder.of("nacked")) == 3)
    (rejecting,) = server.streams()

    cache.set(snapshot({"bad": "mended", "good": ""}, {"bad": "mended", "good": ""}))
    await client.accept(kind)
    await eventually(lambda: len(recorder.of("acked")) == 2)
    (mended,) = server.streams()

    assert [update.names >= {"bad"} for update in updates] == [True, True, False]
    assert rejecting.types[0].rejection == "bad: ['bad']"
    assert mended.types[0].rejection is None


@pytest.mark.item(78)
async def test_a_rejected_type_does_not_delay_the_other(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": ""}))
    await client.subscribe(CLUSTER)
    await client.nack(await client.receive(CLUSTER))

    await client.subscribe(ENDPOINT, ["a"])
    update = await client.accept(ENDPOINT)

    assert update.names == {"a"}
    await client.expect_silence()
