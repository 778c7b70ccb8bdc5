"""The machine of an Envoy vanishes from the network, with its connection open: that is noticed, and others go on.

The story is told by a process of its own, which this file is too, in networks that nobody else has.
"""

import asyncio
import sys
from pathlib import Path

from support.envoy import EnvoyProcess
from support.far_network import FAR, NEAR, FarNetwork, tell
from support.file_traffic import file_traffic
from support.transports import Bootstrap, Transport


async def story(directory: Path) -> None:
    """The other Envoy runs at the far end of the cable; the bridge and the Envoy with the traffic at the near one."""
    transport = Transport.DELTA_ADS
    async with FarNetwork() as far, file_traffic(directory, transport, host="0.0.0.0", impatient=True) as world:
        bootstrap = Bootstrap(transport, [world.bridge.xds_port], "web", "vanished", host=NEAR)
        bootstrap.probe("1s", "2s")
        bootstrap.return_soon()
        async with EnvoyProcess(bootstrap.config, directory, host=FAR, prefix=far.there) as other:
            await world.until("a", "b", of=other)
            await world.streams(2)

            await far.lose_packets()
            await world.converges("a", "b", "c")
            await world.streams(1)
            await world.backends.start("d")
            await world.converges("a", "b", "c", "d")

            await far.pass_packets()
            await world.until("a", "b", "c", "d", of=other)
            await world.streams(2)
            assert world.load.failures == []


async def test_another_envoy_goes_on_beside_one_that_vanished_which_catches_up(
    tmp_path: Path, repository: Path
) -> None:
    assert await tell(__file__, tmp_path, repository) == ""


if __name__ == "__main__":
    asyncio.run(story(Path(sys.argv[1])))
