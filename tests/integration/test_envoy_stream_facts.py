"""Which streams a real Envoy opens, and what it says first on them: the facts that our rules rest on.

A test that fails here says that Envoy changed. A server without rules of its own says what the test says.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from support.envoy import EnvoyProcess
from support.envoy_content import Content, hosts
from support.scripted_server import ScriptedServer, ScriptedStream, scripted_server
from support.subject import Subject, subject
from support.transports import Bootstrap, Transport
from support.waiting import eventually
from xds import CLUSTER, ENDPOINT

LATER = {"connect_timeout": "7s"}
ADS = [Transport.SOTW_ADS, Transport.DELTA_ADS]
SEPARATE = [Transport.SOTW_SEPARATE, Transport.DELTA_SEPARATE]
LONG = 50_000
"""Bytes; an Envoy describes itself in more."""


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as started:
        yield started


@pytest.fixture
def content(transport: Transport) -> Content:
    return Content(transport, {"web": hosts(1), "other": hosts(2)})


@pytest.fixture
async def envoy(transport: Transport, server: ScriptedServer, tmp_path: Path) -> AsyncIterator[Subject]:
    async with subject(transport, [server.port], tmp_path, wait_ready=False) as started:
        yield started


@pytest.mark.parametrize("transport", ADS)
async def test_an_idle_envoy_says_what_it_has_when_it_comes_back(
    server: ScriptedServer, content: Content, envoy: Subject
) -> None:
    first = await server.stream()
    await first.converse(content)
    await envoy.has(content)

    first.end()
    again = await server.stream()
    clusters, endpoints = await again.request(CLUSTER), await again.request(ENDPOINT)

    assert {clusters.nonce, endpoints.nonce} == {""}
    assert endpoints.names == {"web", "other"}
    if again.delta:
        assert clusters.names == frozenset()
        assert (clusters.held, endpoints.held) == ({"web": "c1", "other": "c1"}, {"web": "e1", "other": "e1"})
    else:
        assert (clusters.version, endpoints.version) == ("c1", "e1")
    assert [each.kind for each in again.asked[:2]] == [CLUSTER.url, ENDPOINT.url]


@pytest.mark.parametrize("transport", ADS)
async def test_an_envoy_in_the_middle_of_warming_asks_for_endpoints_first(
    server: ScriptedServer, content: Content, envoy: Subject
) -> None:
    first = await server.stream()
    await first.converse(content)
    await envoy.has(content)
    await first.serve_changed(content.template(web=LATER), "c2", "web")
    await envoy.warms("web")

    first.end()
    again = await server.stream()
    endpoints = await again.request(ENDPOINT)
    before = again.of(CLUSTER)
    await again.serve(ENDPOINT, content, "e1")
    await envoy.has(content, web="7s")
    clusters = await again.request(CLUSTER)

    assert endpoints.names == {"web", "other"}
    assert before == [], "not before the warming has ended"
    if again.delta:
        assert endpoints.held == {"web": "e1", "other": "e1"}, "what it waits for is among what it says it has"
        assert clusters.held["web"] == "c2"


@pytest.mark.parametrize("transport", ADS)
async def test_an_envoy_that_lost_its_last_cluster_names_nothing_when_it_comes_back(
    server: ScriptedServer, content: Content, envoy: Subject
) -> None:
    first = await server.stream()
    await first.converse(content)
    await first.respond(CLUSTER, nonce="c2", removed=["web", "other"])
    await first.accepted(CLUSTER, "c2")
    await eventually(lambda: _gave_up(first), what="Envoy gives up its endpoints")

    first.end()
    again = await server.stream()
    await again.request(CLUSTER)
    await again.serve(CLUSTER, content, "c1")
    await again.asks_for(content)

    first_words = again.of(ENDPOINT)[0]
    assert first_words.names == (frozenset({"web", "other"}) if again.delta else frozenset())


def _gave_up(stream: ScriptedStream) -> bool:
    if stream.delta:
        return {name for each in stream.of(ENDPOINT) for name in each.dropped} == {"web", "other"}
    return stream.of(ENDPOINT)[-1].names == frozenset()


@pytest.mark.parametrize("transport", ADS)
@pytest.mark.parametrize(
    "status",
    [
        grpc.StatusCode.OK,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
    ],
)
async def test_an_envoy_comes_back_whatever_ended_its_stream(
    server: ScriptedServer, content: Content, envoy: Subject, status: grpc.StatusCode
) -> None:
    first = await server.stream()
    await first.converse(content)
    await envoy.has(content)
    before = await envoy.history()

    first.end(status)
    again = await server.stream()
    await again.request(CLUSTER)

    assert await envoy.history() == before


@pytest.mark.parametrize("transport", ADS)
async def test_a_goodbye_alone_does_not_move_an_envoy(server: ScriptedServer, content: Content, envoy: Subject) -> None:
    stream = await server.stream()
    await stream.converse(content)
    await envoy.has(content)

    leaving = asyncio.create_task(server.say_goodbye(grace=20))
    await envoy.until("cluster.xds_bridge_servers.upstream_cx_close_notify", 1)
    changed = content.endpoints(web=hosts(3))
    await stream.serve(ENDPOINT, changed, "e2", "web")
    await envoy.has(changed)
    stream.end()
    await leaving

    assert len(server.streams) == 1


@pytest.mark.parametrize("transport", SEPARATE)
async def test_each_cluster_has_a_stream_of_its_own_without_ads(
    server: ScriptedServer, content: Content, envoy: Subject
) -> None:
    clusters = await server.stream()
    await clusters.request(CLUSTER)
    await clusters.serve(CLUSTER, content, "c1")
    await clusters.accepted(CLUSTER, "c1")
    opened = [await server.stream() for _ in content.services]
    for stream in opened:
        (name,) = (await stream.request(ENDPOINT)).names
        await stream.serve(ENDPOINT, content, "e1", name)
    await envoy.has(content)

    await clusters.serve_changed(content.template(web=LATER), "c2", "web")
    await clusters.accepted(CLUSTER, "c2")
    for_the_change = await server.stream()
    asked = await for_the_change.request(ENDPOINT)
    await envoy.warms("web")
    await for_the_change.serve(ENDPOINT, content, "e1", "web")
    await envoy.has(content, web="7s")

    assert asked.names == {"web"}
    assert (asked.version, asked.held) == ("", {})
    assert len(server.streams) == 1 + 2 + 1


@pytest.mark.parametrize("transport", list(Transport))
async def test_an_envoy_describes_itself_in_every_request_by_default(
    server: ScriptedServer, content: Content, transport: Transport, tmp_path: Path
) -> None:
    bootstrap = Bootstrap(transport, [server.port], "web", static=False).config
    if not transport.separate:
        dynamic = bootstrap["dynamic_resources"]
        assert isinstance(dynamic, dict)
        del dynamic["ads_config"]["set_node_on_first_message_only"]
    async with EnvoyProcess(bootstrap, tmp_path, wait_ready=False):
        stream = await server.stream()
        await stream.request(CLUSTER)
        await stream.serve(CLUSTER, content, "c1")
        await stream.accepted(CLUSTER, "c1")

    assert all(each.size > LONG for each in stream.asked)


@pytest.mark.parametrize("transport", ADS)
async def test_an_envoy_describes_itself_once_with_our_bootstrap(
    server: ScriptedServer, content: Content, envoy: Subject
) -> None:
    stream = await server.stream()
    await stream.converse(content)
    await envoy.has(content)

    assert [each.size > LONG for each in stream.asked] == [True] + [False] * (len(stream.asked) - 1)
