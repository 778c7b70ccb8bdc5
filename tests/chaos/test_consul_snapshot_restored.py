"""An older snapshot of Consul is restored: its index goes backwards, what it has comes, and what it lacks goes."""

from pathlib import Path

import aiohttp
import pytest

from support.consul import ConsulAgent, consul_agent
from support.consul_traffic import ConsulTraffic, consul_traffic


async def snapshot(agent: ConsulAgent) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(f"{agent.address}/v1/snapshot") as response:
        return await response.read()


async def restore(agent: ConsulAgent, saved: bytes) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.put(f"{agent.address}/v1/snapshot", data=saved) as response,
    ):
        assert response.status == 200, await response.text()


def changes(world: ConsulTraffic) -> list[tuple[str, str]]:
    """What was added to the service, and what was removed from it, time after time."""
    told = world.bridge.events("service.changed")
    return [(str(each["added"]), str(each["removed"])) for each in told if each["service"] == "web"]


@pytest.mark.parametrize("mode", ["per_service", "aggregate"])
async def test_no_request_fails_and_what_a_restored_snapshot_lacks_goes_after_what_it_has_has_come(
    tmp_path: Path, mode: str
) -> None:
    async with consul_agent() as consul, consul_traffic(tmp_path, consul, source={"mode": mode}) as world:
        saved = await snapshot(consul)
        await world.register("c")
        await world.until("a", "b", "c")
        await consul.deregister("node-a", "a")
        await world.until("b", "c")
        so_far = len(changes(world))

        await restore(consul, saved)
        await consul.register("nudge", "10.0.3.1")
        await world.until("a", "b")
        await world.load.more(50)
        came, went = (str(world.backends.addresses[name]) for name in ("a", "c"))
        added, removed = zip(*changes(world)[so_far:], strict=True)
        assert [came in each for each in added].index(True) <= [went in each for each in removed].index(True)
        assert world.load.failures == []

        await world.converges()
        await world.until_failing()
