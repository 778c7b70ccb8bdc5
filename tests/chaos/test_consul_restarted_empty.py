"""Consul comes back and has forgotten everything: that is no reason to forget it too, and who returns is followed."""

from pathlib import Path

from support.consul import consul_agent
from support.consul_traffic import consul_traffic
from support.waiting import eventually


async def test_no_request_fails_and_no_endpoint_is_lost_when_consul_comes_back_empty(tmp_path: Path) -> None:
    async with consul_agent() as consul, consul_traffic(tmp_path, consul) as world:
        async with world.unnoticed():
            await consul.kill()
            await consul.start()  # a development agent keeps nothing, and its index is lower
            await eventually(lambda: bool(world.bridge.events("consul.catalog_emptied")), timeout=60)

        await world.converges()
        await world.until_failing()
