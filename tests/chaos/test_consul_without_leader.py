"""Two of three Consul servers die, so that none leads: nobody whom Envoy serves notices, and healing is followed."""

from pathlib import Path

from support.consul import three_servers
from support.consul_traffic import consul_traffic


async def test_no_request_fails_and_no_endpoint_is_lost_without_a_quorum(tmp_path: Path) -> None:
    async with three_servers(tmp_path) as servers, consul_traffic(tmp_path, servers[0]) as world:
        first, *others = servers
        async with world.unnoticed():
            for server in others:
                await server.kill()
            await world.until_failing("dc1")

        for server in others:
            await server.start(wait=False)
        await first.ready()
        await world.converges()
        await world.until_failing()
