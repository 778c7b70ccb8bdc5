"""Consul's catalog dies in steps, each too small to be noticed: beyond half of it the guard holds what is left."""

from pathlib import Path

from support.consul import consul_agent
from support.consul_traffic import ConsulTraffic, consul_traffic
from support.waiting import eventually

SERVICES = 38
STEP = 4
"""Services that vanish between two reads: a tenth of the source, which may lose half."""


async def until_served(world: ConsulTraffic, endpoints: int) -> None:
    """Wait until so many endpoints are served of all services."""

    async def serves() -> bool:
        served = (await world.bridge.get("/api/v1/status"))["endpoints"]
        assert isinstance(served, dict)
        return bool(sum(served.values()) == endpoints)

    await eventually(serves, timeout=30, what=f"{endpoints} endpoints are served")


async def register(world: ConsulTraffic) -> None:
    for number in range(SERVICES):
        await world.consul.register(f"s{number}", f"10.0.1.{number}", id=f"s{number}")


async def vanish(world: ConsulTraffic, *numbers: int) -> None:
    for number in numbers:
        await world.consul.deregister("vm1", f"s{number}")


async def test_a_catalog_that_dies_in_small_steps_is_held_at_half(tmp_path: Path) -> None:
    async with consul_agent() as consul, consul_traffic(tmp_path, consul) as world:
        await register(world)
        everything = SERVICES + 2
        await until_served(world, everything)

        for gone in range(0, everything // 2, STEP):  # an ordinary scale-down, which is followed step by step
            await vanish(world, *range(gone, gone + STEP))
            await until_served(world, everything - gone - STEP)
        assert (await world.guard_list()).status == 0

        async with world.unnoticed():
            await vanish(world, *range(everything // 2, SERVICES))
            await world.until_held("loss", SERVICES - everything // 2)
            await world.consul.deregister("node-a")
            await world.until_held("loss", SERVICES - everything // 2 + 1)
        assert (await world.guard_list()).status == 1

        await register(world)
        await world.converges()
        await until_served(world, everything + 1)
        assert (await world.guard_list()).status == 0
