"""The default limits are for those who misbehave: an Envoy with a thousand clusters meets none of them."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType, ClusterEdsClusterConfig
from envoy_data_plane.envoy.config.core.v3 import AggregatedConfigSource, ApiVersion, ConfigSource

from support.envoy import envoy
from support.stream_recorder import StreamRecorder
from support.transports import Bootstrap, Transport
from support.waiting import eventually
from xds import CLUSTER, ENDPOINT, Resource, ServerOptions, Snapshot, SnapshotCache, XdsServer

SERVICES = 1000
ADS = ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3)


def content(version: str) -> Snapshot:
    """Clusters by ADS and their assignments, all of them new with each version."""
    names = [f"service-{number}" for number in range(SERVICES)]
    rest = bytes(
        Cluster(
            type=ClusterDiscoveryType.EDS,
            eds_cluster_config=ClusterEdsClusterConfig(eds_config=ADS),
            alt_stat_name=version,
        )
    )
    # In both messages the name is field 1. Encoded here, because a thousand clusters take envoy-data-plane seconds.
    named = {name: bytes((0x0A, len(name))) + name.encode() for name in names}
    clusters = [Resource(name, head + rest, version, requires=(name,)) for name, head in named.items()]
    assignments = [Resource(name, head, version) for name, head in named.items()]
    return Snapshot().replace(CLUSTER.url, clusters).replace(ENDPOINT.url, assignments)


@pytest.mark.parametrize("transport", [Transport.SOTW_ADS, Transport.DELTA_ADS])
async def test_an_envoy_with_a_thousand_clusters_is_neither_slowed_nor_refused(
    tmp_path: Path, transport: Transport
) -> None:
    cache, recorder = SnapshotCache(), StreamRecorder()
    cache.set(content("v0"))
    server = XdsServer(cache, ServerOptions(), recorder)
    port = await server.start()
    running = asyncio.create_task(server.run())
    async with envoy(Bootstrap(transport, [port], "service-0").config, tmp_path):
        for version in ("v0", "v1", "v2"):
            cache.set(content(version))
            # Clusters are accepted once all of them have their endpoints.
            accepted = (CLUSTER.url, content(version).version(CLUSTER.url))
            await eventually(partial(_contains, recorder, accepted), timeout=60, what=f"{version} in Envoy")
    await server.stop(grace=1)
    running.cancel()

    assert recorder.of("nacked") == recorder.of("slowed") == recorder.of("refused") == recorder.of("stalled") == []


def _contains(recorder: StreamRecorder, ack: tuple[str, str]) -> bool:
    return ack in recorder.of("acked")
