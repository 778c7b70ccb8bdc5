"""Traffic through Envoy on a service that is in Consul."""

from dataclasses import dataclass

from support.backends import Backends
from support.bridge import BridgeProcess
from support.consul import ConsulAgent
from support.envoy import EnvoyProcess
from support.load import Load
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
