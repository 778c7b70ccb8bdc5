"""A real Envoy that polls: clusters and endpoints over REST, a change, and silence while nothing changes."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterEdsClusterConfig
from envoy_data_plane.envoy.config.core.v3 import (
    ApiConfigSource,
    ApiConfigSourceApiType,
    ApiVersion,
    ConfigSource,
)

from bridge.bootstrap import BRIDGE_CLUSTER, BootstrapOptions, HttpListener, Route, SocketAddress, render
from bridge.config import Address
from bridge.merge import Service
from bridge.model import Locality, UpstreamProtocol
from bridge.resources import ResourceBuilder
from bridge.rest import RestOptions, RestServer
from support.backends import backends
from support.builders import appeared, endpoint, service
from support.envoy import EnvoyProcess, envoy
from support.ports import free_port
from support.stream_recorder import StreamRecorder
from support.transports import without_retries
from support.waiting import eventually
from xds import CLUSTER, ENDPOINT, Resource, Snapshot, SnapshotCache, content_version

TEMPLATE = {
    "connect_timeout": "1.5s",
    "outlier_detection": {"consecutive_5xx": 7},
    "circuit_breakers": {"thresholds": [{"max_connections": 500}]},
    "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
    "metadata": {"filter_metadata": {"team": {"name": "payments", "level": 1.5, "on": True, "more": [None, {}]}}},
}
EVERY_50_MS = timedelta(milliseconds=50)
PATIENCE = timedelta(seconds=20)
"""Beyond what a loaded machine takes: a time-out counts as a failed update."""


CLUSTERS_BY_POLLING = {
    "api_config_source": {
        "api_type": "REST",
        "transport_api_version": "V3",
        "cluster_names": [BRIDGE_CLUSTER],
        "refresh_delay": "0.05s",
        "request_timeout": "20s",
    },
    "resource_api_version": "V3",
}


def bootstrap(rest_port: int, listener_port: int) -> dict[str, object]:
    listener = HttpListener(SocketAddress("127.0.0.1", listener_port), (Route("web"),))
    options = BootstrapOptions(
        "edge-1", "edge", (SocketAddress("127.0.0.1", rest_port),), Locality("eu", "eu-1"), listeners=(listener,)
    )
    config = without_retries(render(options))
    static = config["static_resources"]
    assert isinstance(static, dict)
    del static["clusters"][0]["typed_extension_protocol_options"]  # HTTP/1.1
    return {**config, "dynamic_resources": {"cds_config": CLUSTERS_BY_POLLING}}


def content(*services: Service) -> Snapshot:
    """What the bridge serves of these services, to Envoys that poll for endpoints as well."""
    snapshot = ResourceBuilder(TEMPLATE, []).apply(Snapshot(), appeared(*services))
    clusters = map(by_polling, snapshot.resources(CLUSTER.url).values())
    return snapshot.replace(CLUSTER.url, clusters)


def by_polling(resource: Resource) -> Resource:
    """The cluster with its endpoints from REST instead of ADS."""
    source = ApiConfigSource(
        api_type=ApiConfigSourceApiType.REST,
        transport_api_version=ApiVersion.V3,
        cluster_names=[BRIDGE_CLUSTER],
        refresh_delay=EVERY_50_MS,
        request_timeout=PATIENCE,
    )
    cluster = Cluster.parse(resource.body)
    cluster.eds_cluster_config = ClusterEdsClusterConfig(
        eds_config=ConfigSource(api_config_source=source, resource_api_version=ApiVersion.V3)
    )
    body = bytes(cluster)
    return Resource(resource.name, body, content_version(body), resource.requires)


@pytest.fixture
def cache() -> SnapshotCache:
    return SnapshotCache()


@pytest.fixture
def recorder() -> StreamRecorder:
    return StreamRecorder()


@pytest.fixture
async def rest_port(cache: SnapshotCache, recorder: StreamRecorder) -> AsyncIterator[int]:
    server = RestServer(RestOptions(listen=Address("127.0.0.1", 0)), cache, recorder)
    yield await server.start()
    await server.stop()


async def test_traffic_follows_what_is_polled(
    cache: SnapshotCache, rest_port: int, recorder: StreamRecorder, tmp_path: Path
) -> None:
    port = free_port()
    async with backends("one", "two") as running:
        cache.set(content(service("web", [running.endpoint("one")])))
        async with envoy(bootstrap(rest_port, port), tmp_path) as process:
            url = f"http://127.0.0.1:{port}/"

            async def answered_by(name: str) -> bool:
                return (await process.get(url)).text == name

            await eventually(lambda: answered_by("one"), what="requests reach the first backend")
            cache.set(content(service("web", [running.endpoint("two")])))
            await eventually(lambda: answered_by("two"), what="requests reach the second backend")

            cache.set(content(service("web", [running.endpoint("two")]), service("api", [endpoint()])))
            await eventually(lambda: has(process, "api"), what="the new cluster is there, with its endpoint")
            cache.set(content(service("web", [running.endpoint("two")])))
            await eventually(lambda: lacks(process, "api"), what="the removed cluster is gone")
            stats = await process.stats()

    assert stats["cluster_manager.cds.update_rejected"] == 0
    assert stats["cluster.web.update_rejected"] == 0
    assert {type_url for type_url, _unchanged in recorder.of("fetched")} == {CLUSTER.url, ENDPOINT.url}


async def test_nothing_is_sent_while_nothing_changes(
    cache: SnapshotCache, rest_port: int, recorder: StreamRecorder, tmp_path: Path
) -> None:
    cache.set(content(service("web", [endpoint()])))
    async with envoy(bootstrap(rest_port, free_port()), tmp_path) as process:
        await eventually(lambda: has(process, "web"))
        before = await process.stats()
        recorder.events.clear()

        await eventually(lambda: len(recorder.of("fetched")) >= 10)
        after = await process.stats()

    assert {unchanged for _type_url, unchanged in recorder.of("fetched")} == {True}
    for name in ("cluster_manager.cds.update_success", "cluster.web.update_success"):
        assert before[name] == after[name] > 0
    assert after["cluster_manager.cds.update_failure"] == before["cluster_manager.cds.update_failure"]


async def test_an_envoy_that_comes_before_there_is_something_gets_it_later(
    cache: SnapshotCache, rest_port: int, recorder: StreamRecorder, tmp_path: Path
) -> None:
    async with EnvoyProcess(bootstrap(rest_port, free_port()), tmp_path, wait_ready=False) as process:
        await eventually(lambda: recorder.of("refused") != [], timeout=30)

        cache.set(content(service("web", [endpoint()])))

        await eventually(lambda: has(process, "web"), timeout=30)


@pytest.mark.parametrize("protocol", [None, *UpstreamProtocol])
async def test_envoy_reads_everything_that_we_write(
    cache: SnapshotCache, rest_port: int, tmp_path: Path, protocol: UpstreamProtocol | None
) -> None:
    endpoints = [
        endpoint("10.0.0.1", weight=3, locality=Locality("eu", "eu-1", "r"), metadata={"version": "v1 é"}),
        endpoint("2001:db8::1", 65535),
    ]
    cache.set(content(service("web", endpoints, protocol=protocol)))

    async with envoy(bootstrap(rest_port, free_port()), tmp_path) as process:
        await eventually(lambda: has(process, "web"))
        hosts = (await process.clusters())["web"]
        dump = str(await process.config_dump())

    assert (hosts["10.0.0.1:8080"].weight, hosts["10.0.0.1:8080"].locality.zone) == (3, "eu-1")
    assert "[2001:db8::1]:65535" in hosts
    assert "'consecutive_5xx': 7" in dump
    assert "payments" in dump
    assert ("http2_protocol_options" in dump) is (protocol in (UpstreamProtocol.HTTP2, UpstreamProtocol.GRPC))


async def has(process: EnvoyProcess, cluster: str) -> bool:
    return bool((await process.clusters()).get(cluster))


async def lacks(process: EnvoyProcess, cluster: str) -> bool:
    return cluster not in await process.clusters()
