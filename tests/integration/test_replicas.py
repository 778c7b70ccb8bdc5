"""Two replicas over a real Consul and a file, told in different orders, serve equal bytes under equal versions."""

from pathlib import Path

from bridge.model import EndpointKey
from support.bridge import BridgeProcess
from support.consul import ConsulAgent, consul_agent
from support.endpoints_file import EndpointsFile
from support.replicas import Replicas
from support.waiting import eventually
from support.xds_client import TRANSPORTS, Transport, Update, connected
from xds import CLUSTER, ENDPOINT

HOST = EndpointKey("10.0.0.9", 80)


async def taken(bridge: BridgeProcess, transport: Transport) -> list[Update]:
    """What an Envoy gets that is new: clusters, and their endpoints."""
    async with connected(bridge.xds_port, transport) as client:
        await client.subscribe(CLUSTER)
        clusters = await client.accept(CLUSTER)
        await client.subscribe(ENDPOINT, clusters.names)
        return [clusters, await client.accept(ENDPOINT)]


async def change(consul: ConsulAgent, file: EndpointsFile) -> None:
    """Everything that can happen to an endpoint, in an order of its own."""
    await consul.register("web", "10.0.0.3", node="vm3", id="web-3")
    await consul.deregister("vm1", "web-1")
    await consul.register("web", "10.0.0.1", node="vm1", id="web-1", port=81)
    await consul.check("vm2", "alive", "critical", service_id="web-2")
    await consul.register("cache", "10.0.0.4", node="vm3", id="cache-1")
    file.set("both", [HOST])
    file.set("web", [HOST, EndpointKey("10.0.0.2", 80)])


async def test_replicas_that_learned_in_different_orders_serve_the_same(tmp_path: Path) -> None:
    file = EndpointsFile(tmp_path / "endpoints.json")
    file.set("api", [EndpointKey("10.0.0.7", 80), HOST])
    async with consul_agent() as consul:
        await consul.register("web", "10.0.0.1", node="vm1", id="web-1")
        await consul.register("both", "10.0.0.1", node="vm1", id="both-1", port=90)
        await consul.register("web", "10.0.0.2", node="vm2", id="web-2")
        source: dict[str, object] = {"name": "dc1", "type": "consul", "address": consul.address}
        async with Replicas(tmp_path, [source, file.source()]) as replicas:
            await replicas.one.start()
            await change(consul, file)
            await replicas.two.start()  # it reads as a whole what the other one learned bit by bit
            await consul.register("late", "10.0.0.5", node="vm4", id="late-1")
            file.set("api", [HOST])
            await eventually(lambda: _same(replicas, services=5), timeout=60, what="both serve the same")

            for transport in TRANSPORTS:
                one, two = await taken(replicas.one, transport), await taken(replicas.two, transport)
                assert [(each.type_url, each.version, each.resources, each.versions) for each in one] == [
                    (each.type_url, each.version, each.resources, each.versions) for each in two
                ]
                assert one[0].names == {"web", "both", "cache", "late", "api"}
            await replicas.until("same")


async def _same(replicas: Replicas, *, services: int) -> bool:
    one, two = await replicas.versions()
    counts = [(await bridge.get("/api/v1/status"))["services"] for bridge in replicas.both]
    return one == two and counts == [services, services]
