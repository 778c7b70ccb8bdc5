"""The default limits are for those who misbehave: an Envoy with a thousand clusters meets none of them."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType, ClusterEdsClusterConfig
from envoy_data_plane.envoy.config.core.v3 import AggregatedConfigSource, ApiVersion, ConfigSource

from support.envoy import EnvoyProcess, envoy
from support.stream_recorder import StreamRecorder
from support.transports import Bootstrap, Transport
from support.waiting import eventually
from support.xds_content import assignment
from xds import CLUSTER, ENDPOINT, Resource, ServerOptions, Snapshot, SnapshotCache, XdsServer

SERVICES = 1000
ADS = ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3)


def content(version: str) -> Snapshot:
    """Clusters by ADS and their assignments, all of them new with each version."""
    names = [f"service-{number}" for number in range(SERVICES)]
    bodies = {
        name: bytes(
            Cluster(
                name=name,
                type=ClusterDiscoveryType.EDS,
                eds_cluster_config=ClusterEdsClusterConfig(eds_config=ADS),
                alt_stat_name=f"{name}-{version}",
            )
        )
        for name in names
    }
    clusters = [Resource(name, body, version, requires=(name,)) for name, body in bodies.items()]
    return (
        Snapshot().replace(CLUSTER.url, clusters).replace(ENDPOINT.url, [assignment(name, version) for name in names])
    )


@pytest.mark.parametrize("transport", [Transport.SOTW_ADS, Transport.DELTA_ADS])
async def test_an_envoy_with_a_thousand_clusters_is_neither_slowed_nor_refused(
    tmp_path: Path, transport: Transport
) -> None:
    cache, recorder = SnapshotCache(), StreamRecorder()
    cache.set(content("v0"))
    server = XdsServer(cache, ServerOptions(), recorder)
    port = await server.start()
    running = asyncio.create_task(server.run())
    async with envoy(Bootstrap(transport, [port], "service-0").config, tmp_path) as subject:
        for version in ("v1", "v2"):
            cache.set(content(version))
            await eventually(partial(_has, subject, version), timeout=60, what=f"{version} in Envoy")
    await server.stop(grace=1)
    running.cancel()

    assert len(recorder.of("acked")) >= 6
    assert recorder.of("nacked") == recorder.of("slowed") == recorder.of("refused") == recorder.of("stalled") == []


async def _has(subject: EnvoyProcess, version: str) -> bool:
    stats = await subject.stats(f"cluster.service-{SERVICES - 1}-{version}.membership_change")
    return bool(stats)
