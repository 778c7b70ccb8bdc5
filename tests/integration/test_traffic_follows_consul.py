"""The main job: what changes in a real Consul changes where a real Envoy sends its requests."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.model import Locality
from support.backends import Backends, backends
from support.bridge import BridgeProcess
from support.consul import ConsulAgent, consul_agent
from support.envoy import EnvoyProcess, Host, envoy
from support.load import Load
from support.transports import Bootstrap, Transport
from support.waiting import eventually


@dataclass
class World:
    """Consul, the bridge, Envoy, and backends `a` and `b`, of which `a` is registered as `web`."""

    consul: ConsulAgent
    bridge: BridgeProcess
    envoy: EnvoyProcess
    load: Load
    backends: Backends
    cluster: str

    async def register(self, name: str, **more: object) -> None:
        """Register a backend on a node of its own."""
        key = self.backends.addresses[name]
        await self.consul.register("web", key.address, node=f"node-{name}", id=name, port=key.port, **more)

    async def hosts(self) -> dict[str, Host]:
        """What Envoy has of the service, by the name of the backend."""
        names = {str(key): name for name, key in self.backends.addresses.items()}
        return {names.get(key, key): host for key, host in (await self.envoy.clusters())[self.cluster].items()}

    async def health(self) -> dict[str, str]:
        return {name: host.health for name, host in (await self.hosts()).items()}

    async def until_health(self, **expected: str) -> None:
        """Wait until Envoy has exactly these backends with this health."""
        seen: dict[str, str] = {}

        async def matches() -> bool:
            seen.clear()
            seen.update(await self.health())
            return seen == expected

        await eventually(matches, what=f"Envoy has {expected}")

    async def answering(self, requests: int = 20) -> set[str]:
        """The backends that answer the next requests; none of these may fail."""
        await self.load.more(self.load.workers)  # what was under way before
        self.load.answers.clear()
        await self.load.more(requests)
        assert self.load.failures == []
        return set(self.load.answers)


@pytest.fixture(params=list(Transport))
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    transport: Transport = request.param
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(backends("a", "b"))
        consul = await stack.enter_async_context(consul_agent())
        key = running.addresses["a"]
        await consul.register("web", key.address, node="node-a", id="a", port=key.port)
        source: dict[str, object] = {"name": "dc1", "type": "consul", "address": consul.address}
        bridge = await stack.enter_async_context(BridgeProcess(tmp_path / "bridge", [source]))
        bootstrap = Bootstrap(transport, [bridge.xds_port], "web")
        subject = await stack.enter_async_context(envoy(bootstrap.config, tmp_path))
        load = await stack.enter_async_context(Load(bootstrap.url))
        yield World(consul, bridge, subject, load, running, transport.cluster("web"))


async def test_traffic_follows_the_catalog(world: World) -> None:
    assert await world.answering() == {"a"}

    await world.register("b")
    await world.until_health(a="HEALTHY", b="HEALTHY")
    assert await world.answering() == {"a", "b"}

    await world.consul.check("node-b", "alive", "critical", service_id="b")
    await world.until_health(a="HEALTHY", b="UNHEALTHY")
    assert await world.answering() == {"a"}

    await world.consul.check("node-b", "alive", "passing", service_id="b")
    await world.until_health(a="HEALTHY", b="HEALTHY")
    assert await world.answering() == {"a", "b"}

    await world.consul.check("node-a", "_node_maintenance", "critical")
    await world.until_health(a="DRAINING", b="HEALTHY")
    assert await world.answering() == {"b"}

    await world.consul.deregister("node-a", check="_node_maintenance")
    await world.until_health(a="HEALTHY", b="HEALTHY")

    await world.register("b", Weights={"Passing": 7, "Warning": 1}, Meta={"zone": "z2", "xds-meta-version": "v2"})
    await eventually(lambda: _has(world, "b", weight=7, locality=Locality("dc1", "z2")))
    # Envoy judges panic by locality here, so `a` still gets its part.
    assert await world.answering(100) == {"a", "b"}

    await world.consul.deregister("node-a", "a")
    await world.until_health(b="HEALTHY")
    assert await world.answering() == {"b"}


async def test_a_port_that_changes_takes_traffic_with_it(world: World) -> None:
    key = world.backends.addresses["b"]

    await world.consul.register("web", key.address, node="node-a", id="a", port=key.port)

    await world.until_health(b="HEALTHY")
    assert await world.answering() == {"b"}


async def test_a_lost_node_takes_its_endpoints_with_it(world: World) -> None:
    await world.register("b")
    await world.until_health(a="HEALTHY", b="HEALTHY")

    await world.consul.deregister("node-a")

    await world.until_health(b="HEALTHY")
    assert await world.answering() == {"b"}


async def test_a_service_that_appears_later_is_there_for_the_route_that_waits_for_it(world: World) -> None:
    key = world.backends.addresses["b"]

    await world.consul.register("later", key.address, id="later", port=key.port)

    await eventually(lambda: _clusters(world, "later"))


async def _clusters(world: World, name: str) -> bool:
    return len((await world.envoy.clusters()).get(name, {})) == 1


async def _has(world: World, name: str, *, weight: int, locality: Locality) -> bool:
    host = (await world.hosts()).get(name)
    return host is not None and host.weight == weight and host.locality == locality
