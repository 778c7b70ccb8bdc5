"""An Envoy is stopped (SIGSTOP): its connection stays, and nothing comes back. The stream's end must be noticed.

Others go on meanwhile, and it catches up when it thaws.
"""

import asyncio
from pathlib import Path

import pytest

from support.envoy import envoy
from support.file_traffic import file_traffic
from support.stream_recorder import StreamRecorder
from support.subject import subject as another
from support.transports import Bootstrap, Transport
from support.waiting import eventually
from xds import CLUSTER, Resource, ServerOptions, Snapshot, SnapshotCache, XdsServer


@pytest.mark.parametrize("writing", [False, True], ids=["idle", "writing"])
@pytest.mark.parametrize("transport", [Transport.SOTW_ADS, Transport.DELTA_ADS])
async def test_a_frozen_envoy_is_noticed(tmp_path: Path, transport: Transport, *, writing: bool) -> None:
    cache, recorder = SnapshotCache(), StreamRecorder()
    cache.set(Snapshot())
    server = XdsServer(cache, ServerOptions(), recorder)
    port = await server.start()
    running = asyncio.create_task(server.run())
    bootstrap = Bootstrap(transport, [port], "web")
    async with envoy(bootstrap.config, tmp_path) as subject:
        await eventually(lambda: recorder.of("acked") != [])
        subject.pause()

        if writing:  # more than the buffers of both kernels hold
            cache.set(Snapshot().replace(CLUSTER.url, [Resource("large", bytes(32 << 20), "1")]))

        # Measured: 6 to 11 s idle, 5 s while writing. Nothing here depends on how fast it is.
        await eventually(lambda: recorder.of("closed") != [], timeout=60)
        assert [*server.streams()] == []
    await server.stop(grace=1)
    running.cancel()


async def test_another_envoy_goes_on_beside_a_frozen_one_which_catches_up(tmp_path: Path) -> None:
    transport = Transport.SOTW_ADS
    async with (
        file_traffic(tmp_path, transport, impatient=True) as world,
        another(transport, [world.bridge.xds_port], tmp_path, node="frozen") as other,
    ):
        await world.until("a", "b", of=other.envoy)
        await world.streams(2)

        other.envoy.pause()
        await world.converges("a", "b", "c")
        await world.streams(1)
        await world.backends.start("d")
        await world.converges("a", "b", "c", "d")

        other.envoy.resume()
        await world.until("a", "b", "c", "d", of=other.envoy)
        await world.streams(2)
        assert world.load.failures == []
