"""The places where endpoints are registered, each as its own clients do it: Consul, a file, ECS."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bridge.model import EndpointKey
from support.aws import REGION
from support.consul import ConsulAgent
from support.ecs import container
from support.ecs_moto import MotoEcs
from support.endpoints_file import EndpointsFile
from support.fault_proxy import FaultProxy

Json = dict[str, object]


@dataclass
class Place:
    """An endpoint that runs."""

    name: str
    key: EndpointKey
    up: bool = True
    """What its check says."""
    drained: bool = False

    @property
    def service(self) -> str:
        return self.name.partition("-")[0]

    @property
    def health(self) -> str:
        """What Envoy is to be told of it."""
        if self.drained:
            return "DRAINING"
        return "HEALTHY" if self.up else "UNHEALTHY"


class Registry(Protocol):
    """Where the endpoints of one service are registered."""

    @property
    def source(self) -> Json:
        """How a bridge reads it."""

    def address(self) -> tuple[str, int]:
        """Where the next endpoint is to listen; port 0 for any."""

    async def tell(self, place: Place) -> None:
        """Register an endpoint, or say how it is now."""

    async def remove(self, place: Place) -> None:
        """Take it out."""


class InConsul:
    """An agent that keeps its data on disk, read by the bridges through a proxy."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.agent = ConsulAgent(dev=("-server", "-bootstrap-expect", "1", "-data-dir", str(directory)))
        self.proxy = FaultProxy(self.agent.address)

    @property
    def source(self) -> Json:
        return {"name": "dc1", "type": "consul", "address": self.proxy.address, "wait": "2s"}

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", 0

    async def tell(self, place: Place) -> None:
        check = {"CheckID": f"check-{place.name}", "Name": "check", "Status": "passing" if place.up else "critical"}
        checks = [{**check, "Node": f"node-{place.name}", "ServiceID": place.name}]
        await self.agent.register(
            "web", place.key.address, node=f"node-{place.name}", id=place.name, port=place.key.port, Checks=checks
        )

    async def remove(self, place: Place) -> None:
        await self.agent.deregister(f"node-{place.name}")

    async def forget(self) -> None:
        """Lose everything, as with a new disk."""
        await self.agent.kill()
        await asyncio.to_thread(shutil.rmtree, self.directory)
        await self.agent.start()


class InFile:
    """A file that is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self.file = EndpointsFile(path)
        self._places: dict[str, Place] = {}

    @property
    def source(self) -> Json:
        return {**self.file.source(), "interval": "200ms"}

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", 0

    async def tell(self, place: Place) -> None:
        self._places[place.name] = place
        self.write()

    async def remove(self, place: Place) -> None:
        del self._places[place.name]
        self.write()

    def write(self) -> None:
        """Write what is to be there."""
        self.file.replace(
            {
                "api": [
                    {
                        "address": each.key.address,
                        "port": each.key.port,
                        "health": "healthy" if each.up else "unhealthy",
                    }
                    for each in self._places.values()
                ]
            }
        )


class InEcs:
    """Fargate tasks, each with an address of its own; moto keeps them in this process."""

    def __init__(self, url: str, port: int) -> None:
        self.proxy = FaultProxy(url)
        self._ecs = MotoEcs(url)
        self._ecs.ecs.create_cluster(clusterName="prod")
        described = {"name": "app", "dockerLabels": {"xds-service": f"jobs:{port}"}}
        self._definition = self._ecs.define("jobs", {**described, "healthCheck": {"command": ["CMD-SHELL", "true"]}})
        self._port = port
        self._tasks: dict[str, str] = {}
        self._started = 0

    @property
    def source(self) -> Json:
        place = {"region": REGION, "endpoint_url": self.proxy.address, "clusters": ["prod"]}
        return {"name": "ecs", "type": "ecs", **place, "interval": "1s", "api_budget": 100}

    def address(self) -> tuple[str, int]:
        self._started += 1
        return f"127.1.{self._started // 250}.{self._started % 250 + 1}", self._port

    async def tell(self, place: Place) -> None:
        told = container(address=place.key.address, healthStatus="HEALTHY" if place.up else "UNHEALTHY")
        if place.name not in self._tasks:
            task = await asyncio.to_thread(self._ecs.run, self._definition, told, group="service:jobs")
            self._ecs.tell(task, attachments=[])
            self._tasks[place.name] = task
        self._ecs.tell(self._tasks[place.name], [told], last_status="RUNNING")

    async def remove(self, place: Place) -> None:
        self._ecs.tell(self._tasks[place.name], last_status="STOPPED", desired_status="STOPPED")

    def forget(self, place: Place) -> None:
        """Let a task that was stopped be gone."""
        self._ecs.forget(self._tasks.pop(place.name))
