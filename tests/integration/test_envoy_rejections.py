"""One cluster that a real Envoy refuses, among many good ones: these get through, and it does too once repaired."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.resources import ResourceBuilder
from support.builders import appeared, endpoint, service
from support.envoy import EnvoyProcess, envoy
from support.stream_recorder import StreamRecorder
from support.transports import Bootstrap, Transport
from support.waiting import eventually
from xds import CLUSTER, ServerOptions, Snapshot, SnapshotCache, XdsServer

GOOD = [f"s{number:02}" for number in range(20)]
REFUSED = "s07-refused"
WITHOUT_TIMEOUT = {"health_checks": [{"interval": "1s", "tcp_health_check": {}}]}
"""A health check that lacks what Envoy requires, which only Envoy knows."""


def published(*names: str, refused: bool) -> Snapshot:
    builder = ResourceBuilder({}, [(REFUSED, WITHOUT_TIMEOUT)] if refused else [])
    return builder.apply(Snapshot(), appeared(*(service(name, [endpoint()]) for name in names)))


@pytest.fixture
def cache() -> SnapshotCache:
    return SnapshotCache()


@pytest.fixture
def recorder() -> StreamRecorder:
    return StreamRecorder()


@pytest.fixture
async def port(cache: SnapshotCache, recorder: StreamRecorder) -> AsyncIterator[int]:
    server = XdsServer(cache, ServerOptions(), recorder)
    port = await server.start()
    running = asyncio.create_task(server.run())
    yield port
    await server.stop(grace=1)
    assert not running.done()
    running.cancel()
    assert recorder.failures == []


@pytest.fixture(params=[Transport.SOTW_ADS, Transport.DELTA_ADS])
def bootstrap(request: pytest.FixtureRequest, port: int) -> dict[str, object]:
    return Bootstrap(Transport(request.param), [port], "s00").config


async def has(process: EnvoyProcess, *names: str) -> None:
    """Wait until these are the dynamic clusters of Envoy, each warmed with its endpoint."""

    async def warm() -> bool:
        held = {name: hosts for name, hosts in (await process.clusters()).items() if name in {*GOOD, REFUSED, "new"}}
        return held.keys() == set(names) and all(held.values())

    await eventually(warm, what=f"Envoy has {names} with their endpoints")


async def test_a_fresh_envoy_gets_the_good_clusters_and_later_the_repaired_one(
    cache: SnapshotCache, bootstrap: dict[str, object], recorder: StreamRecorder, tmp_path: Path
) -> None:
    cache.set(published(*GOOD, REFUSED, refused=True))

    async with envoy(bootstrap, tmp_path) as process:
        await has(process, *GOOD)
        cache.set(published(*GOOD, REFUSED, refused=False))
        await has(process, *GOOD, REFUSED)

    assert 1 <= len(recorder.of("nacked")) <= 6, "it is found by halving, and not sent again afterwards"
    assert {type_url for type_url, *_ in recorder.of("nacked")} == {CLUSTER.url}


async def test_an_envoy_with_clusters_keeps_them_and_gets_all_but_the_refused_one(
    cache: SnapshotCache, bootstrap: dict[str, object], recorder: StreamRecorder, tmp_path: Path
) -> None:
    cache.set(published(*GOOD, refused=True))

    async with envoy(bootstrap, tmp_path) as process:
        await has(process, *GOOD)
        cache.set(published(*GOOD, "new", REFUSED, refused=True))
        await has(process, *GOOD, "new")
        cache.set(published(*GOOD, "new", REFUSED, refused=False))
        await has(process, *GOOD, "new", REFUSED)
        stats = await process.stats("cluster_manager.")

    assert recorder.of("nacked")
    assert stats["cluster_manager.cluster_removed"] == 0
    assert stats["cluster_manager.cluster_modified"] == 0
