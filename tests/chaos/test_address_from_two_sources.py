"""Two sources report the same address: the first one's word counts, both are named, and neither takes it alone."""

from pathlib import Path
from typing import cast

from bridge.model import EndpointKey
from support.consul import consul_agent
from support.consul_traffic import ConsulTraffic, consul_traffic
from support.endpoints_file import EndpointsFile
from support.waiting import eventually

Told = dict[str, tuple[int, list[str]]]


async def told(world: ConsulTraffic) -> Told:
    """What the API says of each backend: its weight, and the sources that report it, the first before the others."""
    content = await world.bridge.get("/api/v1/services/web")
    names = {key.port: name for name, key in world.backends.addresses.items()}
    endpoints = cast("list[dict[str, object]]", content["endpoints"])
    return {
        names[cast("int", each["port"])]: (
            cast("int", each["weight"]),
            [cast("str", origin["source"]) for origin in cast("list[dict[str, object]]", each["origins"])],
        )
        for each in endpoints
    }


async def until_told(world: ConsulTraffic, expected: Told) -> None:
    async def matches() -> bool:
        return await told(world) == expected

    await eventually(matches, timeout=30, what=f"the API says {expected}")


async def test_an_address_of_two_sources_goes_when_both_let_go_of_it(tmp_path: Path) -> None:
    file = EndpointsFile(tmp_path / "endpoints.json")
    file.set("db", [EndpointKey("10.0.0.1", 80)])  # a file without anything is not believed
    async with consul_agent() as consul, consul_traffic(tmp_path, consul, others=(file.source(),)) as world:
        a = world.backends.addresses["a"]
        async with world.unnoticed():  # not even another weight, since Consul comes first
            file.set("web", [a], weight=7)
            await until_told(world, {"a": (1, ["dc1", "local"]), "b": (1, ["dc1"])})

            file.path.unlink()
            await world.until_failing("local")
            file.write()
            await world.until_failing()

            consul.pause()  # killed, this one would come back with nothing, and that would be in doubt for a while
            await world.until_failing("dc1")
            await until_told(world, {"a": (1, ["dc1", "local"]), "b": (1, ["dc1"])})

        consul.resume()
        await world.converges()
        await consul.deregister("node-a", "a")
        await until_told(world, {"a": (7, ["local"]), "b": (1, ["dc1"]), "c": (1, ["dc1"])})
        await world.until("a", "b", "c")

        file.set("web", [])
        await world.until("b", "c")
        await world.load.more(20)
        assert world.load.failures == []
