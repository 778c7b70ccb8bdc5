"""The main job: what changes in a real Consul changes where a real Envoy sends its requests."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.model import Locality
from support.backends import backends
from support.consul import ConsulAgent, consul_agent
from support.traffic import Traffic, traffic
from support.transports import Transport
from support.waiting import eventually


@dataclass
class World:
    """Consul, and traffic to backends `a` and `b`, of which `a` is registered as `web`."""

    consul: ConsulAgent
    traffic: Traffic

    async def register(self, name: str, **more: object) -> None:
        """Register a backend on a node of its own."""
        key = self.traffic.backends.addresses[name]
        await self.consul.register("web", key.address, node=f"node-{name}", id=name, port=key.port, **more)


@pytest.fixture(params=list(Transport))
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    transport: Transport = request.param
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(backends("a", "b"))
        consul = await stack.enter_async_context(consul_agent())
        key = running.addresses["a"]
        await consul.register("web", key.address, node="node-a", id="a", port=key.port)
        source: dict[str, object] = {"name": "dc1", "type": "consul", "address": consul.address}
        following = await stack.enter_async_context(traffic(source, running, transport, tmp_path))
        yield World(consul, following)


async def test_traffic_follows_the_catalog(world: World) -> None:
    assert await world.traffic.answering() == {"a"}

    await world.register("b")
    await world.traffic.until_health(a="HEALTHY", b="HEALTHY")
    assert await world.traffic.answering() == {"a", "b"}

    await world.consul.check("node-b", "alive", "critical", service_id="b")
    await world.traffic.until_health(a="HEALTHY", b="UNHEALTHY")
    assert await world.traffic.answering() == {"a"}

    await world.consul.check("node-b", "alive", "passing", service_id="b")
    await world.traffic.until_health(a="HEALTHY", b="HEALTHY")
    assert await world.traffic.answering() == {"a", "b"}

    await world.consul.check("node-a", "_node_maintenance", "critical")
    await world.traffic.until_health(a="DRAINING", b="HEALTHY")
    assert await world.traffic.answering() == {"b"}

    await world.consul.deregister("node-a", check="_node_maintenance")
    await world.traffic.until_health(a="HEALTHY", b="HEALTHY")

    await world.register("b", Weights={"Passing": 7, "Warning": 1}, Meta={"zone": "z2", "xds-meta-version": "v2"})
    await eventually(lambda: _has(world, "b", weight=7, locality=Locality("dc1", "z2")))
    # Envoy judges panic by locality here, so `a` still gets its part.
    assert await world.traffic.answering(100) == {"a", "b"}

    await world.consul.deregister("node-a", "a")
    await world.traffic.until_health(b="HEALTHY")
    assert await world.traffic.answering() == {"b"}


async def test_a_port_that_changes_takes_traffic_with_it(world: World) -> None:
    key = world.traffic.backends.addresses["b"]

    await world.consul.register("web", key.address, node="node-a", id="a", port=key.port)

    await world.traffic.until_health(b="HEALTHY")
    assert await world.traffic.answering() == {"b"}


async def test_a_lost_node_takes_its_endpoints_with_it(world: World) -> None:
    await world.register("b")
    await world.traffic.until_health(a="HEALTHY", b="HEALTHY")

    await world.consul.deregister("node-a")

    await world.traffic.until_health(b="HEALTHY")
    assert await world.traffic.answering() == {"b"}


async def test_a_service_that_appears_later_is_there_for_the_route_that_waits_for_it(world: World) -> None:
    key = world.traffic.backends.addresses["b"]

    await world.consul.register("later", key.address, id="later", port=key.port)

    await eventually(lambda: _clusters(world, "later"))


async def _clusters(world: World, name: str) -> bool:
    return len((await world.traffic.envoy.clusters()).get(name, {})) == 1


async def _has(world: World, name: str, *, weight: int, locality: Locality) -> bool:
    host = (await world.traffic.hosts()).get(name)
    return host is not None and host.weight == weight and host.locality == locality
