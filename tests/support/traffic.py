"""Requests through a real Envoy that follows a bridge: what Envoy holds, and who answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.backends import Backends
from support.bridge import BridgeProcess
from support.envoy import EnvoyProcess, Host, envoy
from support.load import Load
from support.transports import Bootstrap, Transport
from support.waiting import eventually


@dataclass
class Traffic:
    """Load on a service through an Envoy, whose hosts are backends with names."""

    bridge: BridgeProcess
    envoy: EnvoyProcess
    load: Load
    backends: Backends
    cluster: str

    async def hosts(self) -> dict[str, Host]:
        """What Envoy has of the service, by the name of the backend."""
        names = {str(key): name for name, key in self.backends.addresses.items()}
        return {names.get(key, key): host for key, host in (await self.envoy.clusters())[self.cluster].items()}

    async def health(self) -> dict[str, str]:
        """What EDS said of each backend."""
        return {name: host.health for name, host in (await self.hosts()).items()}

    async def until_health(self, **expected: str) -> None:
        """Wait until Envoy has exactly these backends with this health."""

        async def matches() -> bool:
            return await self.health() == expected

        await eventually(matches, what=f"Envoy has {expected}")

    async def answering(self, requests: int = 20) -> set[str]:
        """The backends that answer the next requests; none of these may fail."""
        await self.load.more(self.load.workers)  # what was under way before
        self.load.answers.clear()
        await self.load.more(requests)
        assert self.load.failures == []
        return set(self.load.answers)

    async def until_read(self, operation: str, times: int = 2) -> None:
        """Wait until the bridge has made a call to its source so many more times, all of them well."""
        before = await self._calls(operation)

        async def made() -> bool:
            return await self._calls(operation) >= before + times

        await eventually(made, what=f"{times} more {operation}")

    async def _calls(self, operation: str) -> float:
        labels = ('code="200"', f'operation="{operation}"')
        samples = await self.bridge.metrics()
        counted = [
            value
            for name, value in samples.items()
            if name.startswith("xds_bridge_source_api_requests_total") and all(label in name for label in labels)
        ]
        return sum(counted)


@asynccontextmanager
async def traffic(
    source: dict[str, object], running: Backends, transport: Transport, directory: Path
) -> AsyncIterator[Traffic]:
    """A bridge with this source, and requests for its service `web` through an Envoy, without any retry."""
    async with followed(BridgeProcess(directory / "bridge", [source]), running, transport, directory) as web:
        yield web


@asynccontextmanager
async def followed(
    bridge: BridgeProcess, running: Backends, transport: Transport, directory: Path
) -> AsyncIterator[Traffic]:
    """Start a bridge, and requests for its service `web` through an Envoy, without any retry."""
    async with bridge:
        bootstrap = Bootstrap(transport, [bridge.xds_port], "web")
        async with envoy(bootstrap.config, directory) as subject, Load(bootstrap.url) as load:
            yield Traffic(bridge, subject, load, running, transport.cluster("web"))
