"""A real Envoy as the subject of a test of our server: what it has and what happened to it, by its own account."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.bootstrap import BRIDGE_CLUSTER
from support.envoy import EnvoyProcess
from support.envoy_content import FETCH_TIMEOUT, Content
from support.transports import Bootstrap, Transport, config_source
from support.waiting import eventually


@dataclass
class Subject:
    """An Envoy that gets its clusters, and their endpoints, in one of the four ways."""

    envoy: EnvoyProcess
    url: str
    """Of the listener that leads to the service `web`."""

    async def has(self, content: Content, **timeouts: str) -> None:
        """Wait until Envoy has exactly the clusters of `content`, all of them warm and with their endpoints.

        Args:
            content: what it must have.
            timeouts: `connect_timeout` that the configuration in effect must have, by name of the cluster.
        """
        expected = {
            name: {str(one.key) for one in content.services[content.shared.get(name, name)]}
            for name in content.services
        }

        async def matches() -> bool:
            return await self.hosts() == expected and await self._in_effect(timeouts) and not await self.warming()

        await eventually(matches, what=f"Envoy has {expected} {timeouts}, see {self.envoy.log}")

    async def endpoints_are(self, content: Content) -> None:
        """Wait until Envoy has these clusters with these endpoints, warm or not."""
        expected = {name: {str(one.key) for one in endpoints} for name, endpoints in content.services.items()}

        async def matches() -> bool:
            return await self.hosts() == expected

        await eventually(matches, what=f"Envoy has {expected}, see {self.envoy.log}")

    async def hosts(self) -> dict[str, set[str]]:
        """Endpoints by cluster, for clusters from xDS."""
        clusters = await self.envoy.clusters()
        return {name: set(hosts) for name, hosts in clusters.items() if name != BRIDGE_CLUSTER}

    async def warming(self) -> int:
        """How many clusters wait for their endpoints."""
        return await self.stat("cluster_manager.warming_clusters")

    async def warms(self, *names: str) -> None:
        """Wait until exactly these clusters wait for their endpoints."""

        async def matches() -> bool:
            return (await self.envoy.cluster_configs("warming")).keys() == set(names)

        await eventually(matches, what=f"{names} are warming, see {self.envoy.log}")

    async def stat(self, name: str) -> int:
        """One counter or gauge; a name that Envoy does not have fails the test."""
        return (await self.envoy.counts(name))[name]

    async def until(self, name: str, value: int) -> None:
        """Wait until a counter or gauge has a value."""

        async def matches() -> bool:
            return (await self.envoy.stats(name)).get(name) == value

        await eventually(matches, what=f"{name} is {value}, see {self.envoy.log}")

    async def history(self) -> Mapping[str, int]:
        """Counters that stay as they are while neither clusters nor their endpoints change."""
        changes = ("cluster_added", "cluster_modified", "cluster_removed", "membership_change")
        return {name: value for name, value in (await self._dynamic_stats()).items() if name.endswith(changes)}

    async def fetch_timeouts(self) -> Mapping[str, int]:
        """Where Envoy gave up waiting for something; empty if it never did."""
        given_up = ("init_fetch_timeout", "assignment_timeout_received", "assignment_use_cached")
        stats = await self._dynamic_stats()
        return {name: value for name, value in stats.items() if name.endswith(given_up) and value}

    async def _dynamic_stats(self) -> Mapping[str, int]:
        stats = await self.envoy.stats("cluster")
        return {name: value for name, value in stats.items() if not name.startswith(f"cluster.{BRIDGE_CLUSTER}.")}

    async def _in_effect(self, timeouts: Mapping[str, str]) -> bool:
        configs = await self.envoy.cluster_configs("active") if timeouts else {}
        return all(configs.get(name, {}).get("connect_timeout") == timeout for name, timeout in timeouts.items())


@asynccontextmanager
async def subject(
    transport: Transport, ports: list[int], directory: Path, *, node: str = "test", wait_ready: bool = True
) -> AsyncIterator[Subject]:
    """An Envoy in front of these replicas, ready by default."""
    bootstrap = Bootstrap(transport, ports, "web", node, static=False)
    dynamic = bootstrap.config["dynamic_resources"]
    assert isinstance(dynamic, dict)
    dynamic["cds_config"] = config_source(transport, FETCH_TIMEOUT)
    async with EnvoyProcess(bootstrap.config, directory, wait_ready=wait_ready) as process:
        yield Subject(process, bootstrap.url)
