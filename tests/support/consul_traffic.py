"""Traffic through Envoy on a service that is in Consul, and what every story of a fault of Consul asks of it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.backends import Backends, backends
from support.bridge import BridgeProcess, Json
from support.command import Outcome, command
from support.consul import ConsulAgent
from support.envoy import EnvoyProcess
from support.load import Load
from support.transports import Bootstrap, Transport
from support.waiting import eventually


@dataclass
class ConsulTraffic:
    """A service `web` of two backends in Consul, with traffic on it; backend `c` is not registered yet."""

    consul: ConsulAgent
    bridge: BridgeProcess
    envoy: EnvoyProcess
    load: Load
    backends: Backends

    async def register(self, *names: str) -> None:
        for name in names:
            key = self.backends.addresses[name]
            await self.consul.register("web", key.address, node=f"node-{name}", id=name, port=key.port)

    async def until(self, *names: str) -> None:
        """Wait until Envoy has exactly these backends."""
        expected = {str(self.backends.addresses[name]) for name in names}

        async def matches() -> bool:
            return set((await self.envoy.clusters())["web"]) == expected

        await eventually(matches, timeout=60, what=f"Envoy has {names}")

    async def until_failing(self, *sources: str) -> None:
        """Wait until the bridge says that these of its sources fail, and no others."""

        async def failing() -> bool:
            return (await self.bridge.get("/api/v1/status"))["sources_failing"] == list(sources)

        await eventually(failing, timeout=60, what=f"{sources} are said to fail")

    @asynccontextmanager
    async def unnoticed(self, requests: int = 100) -> AsyncIterator[None]:
        """What happens in the block, and in so many requests after it, Envoy and its clients do not notice."""
        before = await self.counters()
        yield
        await self.load.more(requests)
        assert await self.counters() == before
        assert self.load.failures == []

    async def converges(self) -> None:
        """A change in Consul arrives: backend `c`, beside those that were there, which are registered once more."""
        await self.register("a", "b", "c")
        await self.until("a", "b", "c")
        await eventually(lambda: "c" in self.load.answers, what="the new backend answers")
        assert self.load.failures == []

    async def counters(self) -> dict[str, int]:
        """What Envoy counts of changes to its clusters, and to what the service consists of."""
        return await self.envoy.changes("web")

    async def updates(self) -> int:
        """How often Envoy was told the service's endpoints."""
        name = "cluster.web.update_success"
        return (await self.envoy.counts(name))[name]

    async def back(self, before: int) -> None:
        """Wait until Envoy was told its endpoints once more, which it is on a new stream."""

        async def told() -> bool:
            return await self.updates() > before

        await eventually(told, timeout=60, what="Envoy has come back")

    @property
    def state(self) -> Path:
        """The state that the bridge keeps."""
        return self.bridge.config.parent / "state" / "state.json"

    async def until_kept(self, *names: str) -> None:
        """Wait until the state file knows these backends, so that `kill -9` costs nothing."""
        ports = {self.backends.addresses[name].port for name in names}

        def kept() -> bool:
            return self.state.exists() and all(str(port) in self.state.read_text() for port in ports)

        await eventually(kept, timeout=30, what=f"the state knows {names}")

    async def guard_list(self) -> Outcome:
        """`xds-bridge guard list`, which exits with 1 while something is held."""
        return await command("guard", "list", "-o", "json", "--admin", self.bridge.url(""))

    async def until_held(self, reason: str, endpoints: int) -> None:
        """Wait until so many endpoints are held for one reason, and none for another."""

        async def held() -> bool:
            holds = (await self.bridge.get("/api/v1/guard"))["held"]
            assert isinstance(holds, list)
            return {hold["reason"] for hold in holds} == {reason} and sum(
                hold["endpoints"] for hold in holds
            ) == endpoints

        await eventually(held, timeout=30, what=f"{endpoints} endpoints are held: {reason}")


@asynccontextmanager
async def consul_traffic(
    directory: Path,
    consul: ConsulAgent,
    *,
    transport: Transport = Transport.DELTA_ADS,
    source: Json | None = None,
    others: tuple[Json, ...] = (),
    **config: object,
) -> AsyncIterator[ConsulTraffic]:
    """Traffic on backends `a` and `b`, which are registered with this agent.

    Args:
        directory: for the files of the bridge, its state among them, and of Envoy.
        consul: started; the source that reads it is `dc1`.
        transport: how Envoy gets what it has.
        source: further keys of the source.
        others: sources that come after it.
        config: further sections of the bridge's configuration.
    """
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(backends("a", "b", "c"))
        # A short wait, so that an agent that answers no more is noticed within the test.
        dc1: Json = {"name": "dc1", "type": "consul", "address": consul.address, "wait": "1s", **(source or {})}
        own = directory / "bridge"
        bridge = BridgeProcess(own, [dc1, *others], state_directory=str(own / "state"), **config)
        bootstrap = Bootstrap(transport, [bridge.xds_port], "web")
        subject = EnvoyProcess(bootstrap.config, directory)
        world = ConsulTraffic(consul, bridge, subject, Load(bootstrap.url), running)
        await world.register("a", "b")
        await stack.enter_async_context(bridge)
        await stack.enter_async_context(subject)
        await stack.enter_async_context(world.load)
        await world.load.more(20)
        yield world
