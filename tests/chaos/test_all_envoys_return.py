"""The bridge dies and two thousand Envoys return to it at once: all are answered, and the sources do not feel it."""

import os
from pathlib import Path

from bridge.model import EndpointKey
from support.endpoints_file import EndpointsFile
from support.file_traffic import file_traffic
from support.transports import Transport
from support.xds_process import flooder, said

ENVOYS = 2000


async def test_two_thousand_that_return_to_a_restarted_bridge_are_answered_beside_an_envoy_under_load(
    tmp_path: Path,
) -> None:
    async with file_traffic(tmp_path, Transport.DELTA_ADS) as world:
        seldom = EndpointsFile(tmp_path / "seldom.json")
        seldom.set("other", [EndpointKey("10.0.0.1", 80)])
        os.utime(seldom.path, (1, 1))  # old enough to be believed at the first look; there is no second one
        source = seldom.source("seldom") | {"interval": "1h"}
        assert (await world.bridge.reload(sources=[world.file.source(), source]))["ok"]
        await world.until_stat("cluster_manager.active_clusters", 3)
        async with flooder(world.bridge.xds_port, "returning", ENVOYS) as client:
            assert await said(client) == {"answered": ENVOYS}
            before, updates = await world.history(), await world.updates()

            await world.bridge.kill()
            await world.bridge.start()
            assert await said(client) == {"answered": ENVOYS}
            await world.told_again(updates)
            await world.streams(ENVOYS + 1)
            await world.load.more(50)

            samples = await world.bridge.metrics()
            reads = {
                name: value for name, value in samples.items() if "_source_reads_total" in name and "seldom" in name
            }
            assert sum(reads.values()) == 1
            assert await world.history() == before
            await world.converges("a", "b", "c")
