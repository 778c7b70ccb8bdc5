"""Packets to and from Consul are lost, and nobody says so: nobody whom Envoy serves notices, and healing is followed.

The story is told by a process of its own, which this file is too, in networks that nobody else has.
"""

import asyncio
import sys
from pathlib import Path

from support.consul import ConsulAgent
from support.consul_traffic import consul_traffic
from support.far_network import FAR, FarNetwork, tell


async def story(directory: Path) -> None:
    """Only a time-out can tell the bridge, since no connection is ever refused or ended."""
    async with FarNetwork() as far:
        consul = ConsulAgent(host=FAR, prefix=far.there)
        await consul.start()
        try:
            async with consul_traffic(directory, consul) as world:
                async with world.unnoticed():
                    await far.lose_packets()
                    await world.until_failing("dc1")

                await far.pass_packets()
                await world.converges()
                await world.until_failing()
        finally:
            await consul.kill()


async def test_no_request_fails_and_no_endpoint_is_lost_while_packets_vanish(tmp_path: Path, repository: Path) -> None:
    assert await tell(__file__, tmp_path, repository) == ""


if __name__ == "__main__":
    asyncio.run(story(Path(sys.argv[1])))
