"""Consul is frozen, its connections open: nobody whom Envoy serves notices, and what changed since is followed."""

from pathlib import Path

from support.consul import consul_agent
from support.consul_traffic import consul_traffic


async def test_no_request_fails_and_no_endpoint_is_lost_while_consul_is_frozen(tmp_path: Path) -> None:
    """It takes the bridge more than ten seconds to be sure: Consul may be as slow as that without a leader."""
    async with consul_agent() as consul, consul_traffic(tmp_path, consul) as world:
        async with world.unnoticed():
            consul.pause()
            await world.until_failing("dc1")

        consul.resume()
        await world.converges()
        await world.until_failing()
