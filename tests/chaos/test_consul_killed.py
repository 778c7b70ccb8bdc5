"""Consul is killed and comes back: nobody whom Envoy serves notices, and what changed since is followed."""

from pathlib import Path

from support.consul import consul_agent
from support.consul_traffic import consul_traffic


async def test_no_request_fails_and_no_endpoint_is_lost_while_consul_is_down(tmp_path: Path) -> None:
    async with consul_agent() as consul, consul_traffic(tmp_path, consul) as world:
        async with world.unnoticed():
            await consul.kill()
            await world.until_failing("dc1")

        await consul.start()
        await world.converges()
        await world.until_failing()
