"""Somebody registers in Consul whatever Consul takes: that alone is not served, and said to be; everything else is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from support.consul import consul_agent
from support.consul_traffic import ConsulTraffic, consul_traffic
from support.waiting import eventually

NO_ENDPOINTS: Mapping[str, tuple[dict[str, object], str]] = {
    "bad-ip": ({"address": "999.1.1.1"}, "is not an IP address"),
    "host-name": ({"address": "db.example.com"}, "is not an IP address"),
    "two-lines": ({"address": "10.0.0.1\n10.0.0.2"}, "is not an IP address"),
    "port-0": ({"port": 0}, "port 0 is not between 1 and 65535"),
    "port-70000": ({"port": 70000}, "port 70000 is not between 1 and 65535"),
    "region": ({"Meta": {"xds-region": "eu\nus"}}, "holds the control character"),
    "weight": ({"Meta": {"xds-weight": "1e9"}}, "xds-weight"),
    "renamed": ({"Meta": {"xds-service": "we\x1bb"}}, "xds-service"),
    "\x1b[2J\n": ({"port": 0}, "port 0"),
}
"""Instances of `web` by their id: what is wrong with each, and what the API has to say of it."""

UNREADABLE = ("evil\nname", 'web"} 1\nxds_bridge_forged 7\n{x="', "../../v1/agent/self", "\u202ebew")
"""Names under which Consul itself finds nothing, although it took them."""

TOO_LONG = "n" * 5000
"""No cluster can have this name."""

ODD = ("a/b?c=d#e", "%0d%0aX: y", 'web",forged="1', "{{}}${jndi:x}")
"""Names that a cluster can have, however they look."""

LARGE = {"Tags": ["t" * 1_000_000, "a\nb\x00\x1b[2J"], "Meta": {"a": "\u2028\r\n"}, "EnableTagOverride": True}


async def register_hostile(world: ConsulTraffic) -> None:
    for instance, (wrong, _) in NO_ENDPOINTS.items():
        await world.consul.register("web", node="bad\nnode", id=instance, **wrong)  # type: ignore[arg-type]  # each has its type
    for number, name in enumerate((*UNREADABLE, TOO_LONG, *ODD)):
        await world.consul.register(name, f"10.0.1.{number}", node="odd", id=f"odd{number}")


async def set_aside(world: ConsulTraffic) -> dict[str, str]:
    """Why an instance of `web` is not served, by its id."""
    content = await world.bridge.get("/api/v1/services/web")
    aside = cast("list[dict[str, str]]", content["set_aside"])
    return {each["instance"].partition("/")[2]: each["reason"] for each in aside}


async def services(world: ConsulTraffic) -> set[str]:
    listed = cast("list[dict[str, object]]", (await world.bridge.get("/api/v1/services"))["services"])
    return {str(each["name"]) for each in listed}


def unreadable(world: ConsulTraffic) -> set[object]:
    """The services that the log says cannot be read."""
    return {event["service"] for event in world.bridge.events("consul.service_unreadable")}


async def families(world: ConsulTraffic) -> set[str]:
    """The metrics, as Prometheus would read them."""
    async with aiohttp.ClientSession() as session, session.get(world.bridge.url("/metrics")) as response:
        return {family.name for family in text_string_to_metric_families(await response.text())}


async def test_hostile_registrations_harm_nobody(tmp_path: Path) -> None:
    async with consul_agent() as consul, consul_traffic(tmp_path, consul) as world:
        before = await families(world)
        await register_hostile(world)
        await eventually(
            lambda: bool(world.bridge.events("service.refused")), timeout=30, what="the long name is refused"
        )
        for name in UNREADABLE:
            await eventually(lambda name=name: name in unreadable(world), timeout=30, what=f"{name!r} is told of")  # type: ignore[misc]  # bound per round

        # The third backend comes with a tag of a megabyte, and with an id that wants to be a line of its own.
        key = world.backends.addresses["c"]
        await consul.register("web", key.address, node="big\nnode", id="c\nc", port=key.port, **LARGE)
        await world.until("a", "b", "c")
        await eventually(lambda: "c" in world.load.answers, what="the large one answers")
        await eventually(lambda: _odd_in_envoy(world), timeout=30, what="odd names arrive in Envoy")

        reasons = await set_aside(world)
        assert set(reasons) == set(NO_ENDPOINTS)
        assert [each for each, (_, reason) in NO_ENDPOINTS.items() if reason not in reasons[each]] == []
        assert await services(world) == {"web", *ODD}
        await eventually(lambda: _all_counted(world), what="the metrics count what is set aside")
        assert await families(world) == before
        assert all(isinstance(json.loads(line), dict) for line in world.bridge.log.read_text().splitlines())
        assert set((await world.envoy.stats("cluster_manager.cds.update_rejected")).values()) == {0}
        assert (await world.bridge.get("/api/v1/status"))["sources_failing"] == []
        assert world.load.failures == []

        await consul.deregister("bad\nnode")
        await eventually(lambda: _nothing_set_aside(world), what="nothing is set aside any more")


async def _odd_in_envoy(world: ConsulTraffic) -> bool:
    return set(ODD) <= set(await world.envoy.clusters())


async def _all_counted(world: ConsulTraffic) -> bool:
    counted = (await world.bridge.metrics())['xds_bridge_source_set_aside_endpoints{source="dc1"}']
    return counted == len(NO_ENDPOINTS)


async def _nothing_set_aside(world: ConsulTraffic) -> bool:
    return await set_aside(world) == {}
