"""A world worth looking at: a bridge with several sources, Envoys that follow it, and something wrong with each.

For the tests of the status page in a browser, and for the pictures of it in the documentation.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.bridge import BridgeProcess, Json
from support.consul import ConsulAgent, consul_agent, registration
from support.endpoints_file import EndpointsFile
from support.waiting import eventually
from support.xds_client import Transport, XdsClient
from xds import CLUSTER, ENDPOINT

ZONES = ("eu-west-1a", "eu-west-1b", "eu-west-1c")
REFUSED = "unknown lb_policy MAGLEVV"
"""What one of the Envoys says of its clusters."""

HOSTILE = "<img src=x onerror=alert(1)>"
"""A name that somebody gave an instance in the registry."""

TYPO = "xds-wieght"
"""What somebody wrote in place of `xds-weight`."""

_FOREVER = 3600.0


@dataclass
class World:
    """What is there, and what tests change of it."""

    bridge: BridgeProcess
    consul: ConsulAgent
    batch: EndpointsFile

    def url(self, path: str = "/") -> str:
        """A page of the bridge."""
        return self.bridge.url(path)

    async def register(self, service: str, number: int, instance: str = "", **fields: object) -> None:
        """An instance in Consul."""
        address, node = f"10.0.{len(service)}.{number + 10}", f"{service}-{number}"
        meta = {"xds-zone": ZONES[number % len(ZONES)], "xds-region": "eu-west-1"}
        more: dict[str, object] = {"Meta": meta, **fields}
        await self.consul.put(
            "/v1/catalog/register", registration(service, address, node=node, id=instance, port=8080, **more)
        )

    async def lose(self) -> None:
        """Have a source lose so much that the guard holds it."""
        self.batch.replace({"batch": [{"address": "10.3.0.1", "port": 80}]})
        await eventually(self._held, what="endpoints that are held")

    async def _held(self) -> bool:
        return bool((await self.bridge.get("/api/v1/guard"))["held"])


@asynccontextmanager
async def shown_world(directory: Path, mistaken: str = "api-4") -> AsyncIterator[World]:
    """The world with two services in Consul, one in a file, and no Envoy.

    Args:
        directory: for its files.
        mistaken: the id of the instance that has a mistake in its metadata.
    """
    batch = EndpointsFile(directory / "batch.json")
    batch.replace({"batch": [{"address": f"10.3.0.{number}", "port": 80} for number in range(1, 15)]})
    async with consul_agent() as consul:
        dc1: Json = {"name": "dc1", "type": "consul", "address": consul.address}
        bridge = BridgeProcess(directory, [dc1, batch.source("batch")], cluster_defaults={"connect_timeout": "1s"})
        world = World(bridge, consul, batch)
        for number in range(5):
            await world.register("web", number)
        for number in range(3):
            await world.register("api", number)
        check = {"CheckID": "c", "Name": "http", "Status": "critical"}
        await world.register("api", 3, Checks=[{**check, "ServiceID": "api-10.0.3.13", "Node": "api-3"}])
        await world.register("api", 4, mistaken, Meta={TYPO: "3"})
        async with bridge:
            yield world


@asynccontextmanager
async def envoys(world: World, fleet: Sequence[tuple[str, str]], refusing: str = "") -> AsyncIterator[None]:
    """Envoys that take what they are sent, but for one.

    Args:
        world: whose bridge they connect to.
        fleet: the id and the cluster of the node of each.
        refusing: the id of the one that rejects its clusters.
    """
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        tasks = []
        for node, cluster in fleet:
            client = XdsClient(
                world.bridge.xds_port, Transport(delta=False, aggregated=True), node=node, cluster=cluster
            )
            stack.push_async_callback(client.close)
            tasks.append(group.create_task(_follow(client, refuses=node == refusing)))
        await eventually(lambda: _connected(world, len(fleet)), timeout=30, what="all Envoys in sync")
        yield
        for task in tasks:
            task.cancel()


async def _follow(client: XdsClient, *, refuses: bool) -> None:
    await client.subscribe(CLUSTER)
    while True:
        update = await client.receive_any(client.stream(CLUSTER), _FOREVER)
        if refuses and update.type_url == CLUSTER.url:
            await client.nack(update, REFUSED)
        else:
            await client.ack(update)
        if update.type_url == CLUSTER.url and not refuses:
            await client.subscribe(ENDPOINT, update.names, nonce="", version="")


async def _connected(world: World, count: int) -> bool:
    answer = await world.bridge.get("/api/v1/envoys")
    streams = answer["streams"]
    assert isinstance(streams, list)
    return (
        sum(bool(types) and all(of["version_sent"] for of in types) for types in (each["types"] for each in streams))
        == count
    )
