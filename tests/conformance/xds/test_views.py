"""Clients of different views on one server: each gets its own, and those of one view the very same bytes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import pytest
from envoy_data_plane.envoy.config.core.v3 import Node as EnvoyNode

from bridge.config import ViewMatch, ViewRule
from bridge.diff import Diff
from bridge.merge import Service
from bridge.model import ServiceName
from bridge.resources import ResourceBuilder
from bridge.views import ClientViews
from support.builders import appeared, changed, endpoint, gone, service
from support.stream_recorder import StreamRecorder
from support.waiting import eventually
from support.xds_client import Transport, XdsClient, connected
from xds import CLUSTER, ENDPOINT, Client, Node, ServerOptions, XdsServer

RULES = [
    ViewRule(match=ViewMatch(cluster="web"), services=("web", "w-*")),
    ViewRule(match=ViewMatch(cluster="all")),
]


async def publish(views: ClientViews, diff: Diff[ServiceName, Service]) -> None:
    await views.stage(diff)
    views.publish()


@pytest.fixture
def required() -> bool:
    return False


@pytest.fixture
async def views(required: bool) -> AsyncIterator[ClientViews]:
    views = ClientViews(ResourceBuilder({}, []), RULES, required=required)
    filling = asyncio.create_task(views.run())
    yield views
    assert not filling.done()
    filling.cancel()


@pytest.fixture
async def server(views: ClientViews, recorder: StreamRecorder) -> AsyncIterator[XdsServer]:
    server = XdsServer(views, ServerOptions(), recorder)
    running = asyncio.create_task(server.run())
    yield server
    await server.stop(grace=1)
    running.cancel()
    assert recorder.failures == []


@contextlib.asynccontextmanager
async def of(cluster: str, port: int, transport: Transport, node: str = "node-1") -> AsyncIterator[XdsClient]:
    """A client that says that it is in a cluster."""
    async with connected(port, transport) as client:
        client.node = EnvoyNode(id=node, cluster=cluster)
        yield client


@pytest.fixture
async def web(port: int, transport: Transport) -> AsyncIterator[XdsClient]:
    async with of("web", port, transport) as client:
        yield client


@pytest.fixture
async def everybody(port: int, transport: Transport) -> AsyncIterator[XdsClient]:
    async with of("other", port, transport) as client:
        yield client


async def test_each_client_gets_its_view(web: XdsClient, everybody: XdsClient, views: ClientViews) -> None:
    await publish(views, appeared(service("web"), service("w-2"), service("db")))

    for client in (web, everybody):
        await client.subscribe(CLUSTER)

    assert (await web.accept(CLUSTER)).names == {"web", "w-2"}
    assert (await everybody.accept(CLUSTER)).names == {"web", "w-2", "db"}


async def test_clients_that_came_before_there_was_anything_get_their_views(
    web: XdsClient, everybody: XdsClient, views: ClientViews, server: XdsServer
) -> None:
    for client in (web, everybody):
        await client.subscribe(CLUSTER)
    await eventually(lambda: sorted(each.view for each in server.streams()) == ["default", "views[0]"])

    await publish(views, appeared(service("web"), service("db")))

    assert (await web.accept(CLUSTER)).names == {"web"}
    assert (await everybody.accept(CLUSTER)).names == {"web", "db"}


async def test_a_name_outside_the_view_is_a_name_that_does_not_exist(web: XdsClient, views: ClientViews) -> None:
    await publish(views, appeared(service("web", [endpoint()]), service("db", [endpoint()])))
    await web.subscribe(CLUSTER)
    await web.accept(CLUSTER)

    await web.subscribe(ENDPOINT, ["db"])
    answer = await web.accept(ENDPOINT)
    await publish(views, changed(service("db", [endpoint(port=1)])))
    await web.subscribe(ENDPOINT, ["web"])
    fence = await web.accept(ENDPOINT)

    if web.transport.delta:
        assert answer.names == set()
        assert answer.removed == {"db"}
    else:
        assert answer.resources == {"db": b"\x0a\x02db"}
    assert fence.names == {"web"}


async def test_a_change_outside_the_view_is_silence(web: XdsClient, everybody: XdsClient, views: ClientViews) -> None:
    await publish(views, appeared(service("web"), service("db")))
    for client in (web, everybody):
        await client.subscribe(CLUSTER)
        await client.accept(CLUSTER)

    await publish(views, gone("db"))
    await everybody.accept(CLUSTER)
    await publish(views, appeared(service("w-2")))
    update = await web.accept(CLUSTER)

    assert "w-2" in update.names
    assert update.removed == set()


async def test_views_of_equal_content_have_equal_versions(port: int, transport: Transport, views: ClientViews) -> None:
    await publish(views, appeared(service("web", [endpoint()]), service("w-2")))
    versions = set()

    for cluster in ("web", "all", "other"):
        async with of(cluster, port, transport) as client:
            await client.subscribe(CLUSTER)
            update = await client.accept(CLUSTER)
            versions.add((update.version, *sorted(update.versions.items())))

    assert len(versions) == 1


async def test_clients_of_one_view_share_what_is_encoded(port: int, transport: Transport, views: ClientViews) -> None:
    await publish(views, appeared(service("web"), service("db")))
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(of("web", port, transport, f"node-{number}")) for number in range(10)
        ]
        for client in clients:
            await client.subscribe(CLUSTER)
            await client.accept(CLUSTER)

        await publish(views, appeared(service("w-2")))
        updates = [await client.accept(CLUSTER) for client in clients]
        cache = views.view(Client(Node("node-0", "web"), "memory"))

    assert len({update.nonce for update in updates}) == 1
    assert len(cache._responses._bodies) == 1


@pytest.mark.parametrize("required", [True])
async def test_a_client_without_a_view_is_refused_with_a_reason(
    web: XdsClient, everybody: XdsClient, views: ClientViews, recorder: StreamRecorder
) -> None:
    await publish(views, appeared(service("web")))

    await everybody.subscribe(CLUSTER)
    await web.subscribe(CLUSTER)

    stream = everybody.stream(CLUSTER)
    assert await stream.status() is grpc.StatusCode.PERMISSION_DENIED
    assert "node id 'node-1', cluster 'other'" in await stream.details()
    assert (await web.accept(CLUSTER)).names == {"web"}
