"""How single requests are read: nonces, names and verdicts, alike over each transport.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#ack-nack-and-resource-type-instance-version
"""

import pytest
from envoy_data_plane.envoy.service.discovery.v3 import DeltaDiscoveryRequest, DiscoveryRequest, ResourceLocator

from support.stream_recorder import StreamRecorder
from support.waiting import eventually
from support.xds_client import Transport, XdsClient, connected
from support.xds_content import snapshot
from xds import CLUSTER, ENDPOINT, SnapshotCache, XdsServer


@pytest.mark.item(17, 67)
async def test_no_nonce_is_used_twice_on_a_stream(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": "", "c": ""}))
    nonces: dict[object, list[str]] = {}
    for name in "abc":
        for kind in (ENDPOINT, CLUSTER):
            await client.subscribe(kind, [name])
            nonces.setdefault(client.stream(kind), []).append((await client.accept(kind)).nonce)

    assert all(len(set(each)) == len(each) == 6 / len(nonces) for each in nonces.values())


@pytest.mark.item(18, 91)
async def test_a_nonce_of_another_stream_answers_nothing(
    port: int, transport: Transport, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"a": ""}))
    async with connected(port, transport) as before:
        await before.subscribe(ENDPOINT, ["a"])
        old = await before.receive(ENDPOINT)

    async with connected(port, transport) as client:
        await client.subscribe(ENDPOINT, ["a"], nonce=old.nonce, error="of what I had before")
        update = await client.receive(ENDPOINT)
        await client.repeat(ENDPOINT, nonce="garbage", error="of nothing")
        await client.expect_silence()

    assert update.resources == old.resources
    assert recorder.of("nacked") == []


@pytest.mark.item(18)
@pytest.mark.parametrize("transport", [Transport(delta=False, aggregated=True), Transport(delta=True, aggregated=True)])
async def test_an_answer_under_another_type_is_none_and_holds_nothing_up(
    client: XdsClient, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"a": ""}))
    await client.subscribe(CLUSTER)
    await client.accept(CLUSTER)
    await client.subscribe(ENDPOINT, ["a"])
    assignments = await client.receive(ENDPOINT)

    await client.repeat(CLUSTER, nonce=assignments.nonce, error="said of the wrong type")
    cache.set(snapshot({"a": ""}, {"a": "new"}))
    update = await client.receive(ENDPOINT)

    assert update.names == {"a"}
    assert recorder.of("nacked") == recorder.of("unanswered") == []
    await client.expect_silence()


@pytest.mark.item(20)
async def test_requests_that_change_nothing_are_met_with_silence(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, ["a", "b"])
    update = await client.accept(ENDPOINT)

    for nonce in (update.nonce, "", "stale"):
        await client.repeat(ENDPOINT, nonce=nonce, version=update.version)

    await client.expect_silence()


@pytest.mark.item(20)
async def test_a_wildcard_repeated_is_met_with_silence(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "1"}))
    await client.subscribe(CLUSTER)
    update = await client.accept(CLUSTER)

    await client.repeat(CLUSTER, nonce=update.nonce, version=update.version)
    await client.repeat(CLUSTER)
    cache.set(snapshot({"a": "2"}))
    fence = await client.accept(CLUSTER)

    assert fence.version == snapshot({"a": "2"}).version(CLUSTER.url)


@pytest.mark.item(21)
async def test_error_detail_alone_makes_a_rejection(
    client: XdsClient, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, ["a"])
    first = await client.receive(ENDPOINT)

    await client.repeat(ENDPOINT, nonce=first.nonce, version="of something older")
    await client.subscribe(ENDPOINT, ["b"])
    second = await client.receive(ENDPOINT)
    await client.repeat(ENDPOINT, nonce=second.nonce, version=second.version, error="")
    await client.expect_silence()

    assert recorder.of("acked")[:1] == [(ENDPOINT.url, first.version)]
    assert recorder.of("nacked") == [(ENDPOINT.url, second.version, "")]


@pytest.mark.item(22)
async def test_a_late_rejection_is_for_the_content_it_names(
    client: XdsClient, cache: SnapshotCache, recorder: StreamRecorder
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, ["a"])
    first = await client.receive(ENDPOINT)
    cache.set(snapshot({"a": "", "b": ""}, {"a": "", "b": "new"}))
    await client.subscribe(ENDPOINT, ["b"])
    second = await client.receive(ENDPOINT)

    await client.nack(first, "late")
    await client.ack(second)
    await client.expect_silence()
    cache.set(snapshot({"a": "", "b": ""}, {"a": "new", "b": "new"}))
    update = await client.accept(ENDPOINT)

    assert recorder.of("nacked") == [(ENDPOINT.url, first.version, "late")]
    assert update.names == {"a"}


@pytest.mark.item(24)
async def test_empty_names_are_no_names(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, [""])
    await client.subscribe(ENDPOINT, ["", "a"])
    first = await client.accept(ENDPOINT)

    await client.unsubscribe(ENDPOINT, [""])
    await client.expect_silence()

    assert first.names | first.removed == {"a"}


@pytest.mark.item(27)
async def test_a_locator_is_a_name_unless_it_has_parameters(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    plain = ResourceLocator(name="a")
    parametrised = ResourceLocator(name="b", dynamic_parameters={"version": "2"})

    if client.transport.delta:
        request = bytes(DeltaDiscoveryRequest(type_url=ENDPOINT.url, resource_locators_subscribe=[plain, parametrised]))
    else:
        request = bytes(DiscoveryRequest(type_url=ENDPOINT.url, resource_locators=[plain, parametrised]))
    await client.stream(ENDPOINT).send(request)
    update = await client.accept(ENDPOINT)

    assert update.names | update.removed == {"a"}


@pytest.mark.item(28)
async def test_a_glob_is_a_name_like_any_other(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"service/a": "", "service/*": ""}))

    await client.subscribe(ENDPOINT, ["service/*"])
    update = await client.accept(ENDPOINT)

    assert update.names == {"service/*"}
    await client.expect_silence()


@pytest.mark.item(38, 66)
async def test_a_name_asked_for_twice_comes_once(client: XdsClient, cache: SnapshotCache) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    names = ["a", "a", "*", "b", "*"]

    for kind in (CLUSTER, ENDPOINT):
        if client.transport.delta:
            await client.request_delta(kind, subscribe=names)
        else:
            await client.request(kind, names)
        update = await client.receive(kind)  # which looks for names that come twice

        assert update.names == {"a", "b"}


@pytest.mark.item(79)
async def test_what_was_given_up_meanwhile_is_not_sent(
    client: XdsClient, cache: SnapshotCache, server: XdsServer
) -> None:
    cache.set(snapshot({"a": "", "b": ""}))
    await client.subscribe(ENDPOINT, ["a", "b"])
    first = await client.receive(ENDPOINT)

    cache.set(snapshot({"a": "", "b": ""}, {"a": "new", "b": ""}))
    await client.unsubscribe(ENDPOINT, ["a"], nonce=first.nonce)
    await eventually(lambda: next(iter(server.streams())).types[0].names == 1)

    await client.expect_silence()


@pytest.mark.item(94, 97)
async def test_a_response_holds_nothing_but_what_clients_read(client: XdsClient, cache: SnapshotCache) -> None:
    content = snapshot({"a": "1"}, {"a": "2"})
    cache.set(content)

    for kind in (CLUSTER, ENDPOINT):
        await client.subscribe(kind, ["a"])
        update = await client.receive(kind)  # which looks at every field

        assert update.type_url == kind.url
        assert update.version == content.version(kind.url)
        assert update.resources == {"a": content.resources(kind.url)["a"].body}
        assert update.control_plane == "replica-1"
