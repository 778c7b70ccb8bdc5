"""Traffic through Envoy on a service that is in ECS and in EC2: both in moto, behind a proxy that can misbehave."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from support.aws import REGION, moto_server, use_credentials
from support.backends import Backends, backends
from support.bridge import BridgeProcess, Json
from support.ec2 import MotoFleet
from support.ecs import container
from support.ecs_moto import MotoEcs
from support.fault_proxy import FaultProxy, Response, fault_proxy, rewritten
from support.ports import free_port
from support.traffic import Traffic, followed
from support.transports import Transport
from support.waiting import eventually

ECS_CALLS, EC2_CALLS = b"AmazonEC2ContainerService", b"Action=Describe"
"""What the requests to ECS, and those to EC2, have in them."""

LATER_PAGES = (b'"nextToken"', b"NextToken=")
"""What the requests for all pages but the first have in them: of ECS, and of EC2."""


class AwsSite:
    """The service `web`: tasks, whose names begin with a `t`, and instances, with a `v`; each with a backend."""

    def __init__(self, moto: str, proxy: FaultProxy, running: Backends) -> None:
        self.moto = moto
        self.proxy = proxy
        self.running = running
        self.port = free_port()
        """Of every backend; each has an address of its own."""
        self._ecs = MotoEcs(moto)
        self._ecs.ecs.create_cluster(clusterName="prod")
        self._fleet = MotoFleet(moto)
        labels = {"xds-service": f"web:{self.port}"}
        self._definition = self._ecs.define("web", {"name": "app", "dockerLabels": labels})
        self._ids: dict[str, str] = {}

    def tasks(self, **options: object) -> Json:
        """The source of the tasks."""
        return {"name": "tasks", "type": "ecs", "clusters": ["prod"], **self._source(), **options}

    def vms(self, **options: object) -> Json:
        """The source of the instances."""
        return {"name": "vms", "type": "ec2", **self._source(), **options}

    async def add(self, *names: str) -> None:
        """Let there be further tasks and instances."""
        await self.prepare(*names)
        self.start(*names)

    async def prepare(self, *names: str) -> None:
        """Let there be tasks and instances that do not run yet."""
        for name in names:
            address = f"127.0.1.{len(self._ids) + 1}"
            await self.running.start(name, address, self.port)
            if name.startswith("t"):
                self._ids[name] = self._ecs.run(self._definition, container(address=address), group="service:web")
                self._ecs.tell(self._ids[name], last_status="PENDING")
            else:
                self._ids[name] = self._fleet.launch({"Name": name}, address)
                self._fleet.tell(self._ids[name], "pending")
                self._fleet.tag(self._ids[name], "xds-service", f"web:{self.port}")
                self._fleet.tag(self._ids[name], "env", "prod")

    def start(self, *names: str) -> None:
        """Let them run; without asking moto anything."""
        self._tell(names, "RUNNING", "running")

    def end(self, *names: str) -> None:
        """Let them have ended, as AWS says for about an hour."""
        self._tell(names, "STOPPED", "terminated")

    def forget(self, *names: str) -> None:
        """Let AWS know nothing of them any more, and say nothing of it."""
        for name in names:
            (self._ecs if name.startswith("t") else self._fleet).forget(self._ids[name])

    def in_pages(self) -> None:
        """Have every list come in pages: of one instance, and of half of the tasks."""
        self.proxy.ask(lambda request: request.replace(b"MaxResults=100", b"MaxResults=001"))
        self.proxy.fault("/", rewritten(_first_page), containing=b".ListTasks")
        self.proxy.fault("/", rewritten(_last_page), containing=LATER_PAGES[0])

    def _source(self) -> Json:
        return {"region": REGION, "endpoint_url": self.proxy.address, "interval": "100ms", "api_budget": 100}

    def _tell(self, names: tuple[str, ...], task: str, instance: str) -> None:
        for name in names:
            if name.startswith("t"):
                self._ecs.tell(self._ids[name], last_status=task)
            else:
                self._fleet.tell(self._ids[name], instance)


@dataclass
class AwsTraffic(Traffic):
    """Requests for `web` through an Envoy, and what the bridge says of its sources."""

    async def until_serving(self, *names: str) -> None:
        """Wait until Envoy has exactly these backends, all healthy."""
        expected = dict.fromkeys(names, "HEALTHY")

        async def matches() -> bool:
            return await self.health() == expected

        await eventually(matches, timeout=60, what=f"Envoy has {names}")  # a source that failed may wait for seconds

    async def until_failing(self, *sources: str) -> None:
        """Wait until the bridge says that exactly these sources fail."""

        async def failing() -> bool:
            return (await self.bridge.get("/api/v1/status"))["sources_failing"] == sorted(sources)

        await eventually(failing, timeout=60, what=f"failing: {sources}")

    async def said(self, source: str) -> str:
        """Why a source fails."""
        return str((await self.source(source))["failures"])

    async def until_said(self, source: str, part: str) -> None:
        """Wait until a source says so of why it fails."""

        async def heard() -> bool:
            return part in await self.said(source)

        await eventually(heard, timeout=60, what=f"{source} says {part!r}")

    async def source(self, name: str) -> Json:
        """What the bridge tells of a source."""
        listed = (await self.bridge.get("/api/v1/sources"))["sources"]
        assert isinstance(listed, list)
        return next(each for each in listed if each["name"] == name)

    @asynccontextmanager
    async def undisturbed(self, requests: int = 100) -> AsyncIterator[None]:
        """Within the block, and for so many requests after it, none fails and Envoy is told nothing at all."""
        before = await self._told()
        yield
        await self.load.more(requests)
        assert self.load.failures == []
        assert await self._told() == before

    async def _told(self) -> Mapping[str, int]:
        """How often Envoy was told of clusters and endpoints, and what it has."""
        stats = await self.envoy.stats(f"cluster.{self.cluster}.")
        stats |= await self.envoy.stats("cluster_manager.cds.")
        names = (
            "cds.update_success",
            "cds.update_rejected",
            ".update_success",
            ".membership_change",
            ".membership_total",
        )
        return {name: value for name, value in stats.items() if name.endswith(names)}


@asynccontextmanager
async def aws_site(*names: str) -> AsyncIterator[AwsSite]:
    """A site with these tasks and instances."""
    with pytest.MonkeyPatch.context() as patch, moto_server() as moto:
        use_credentials(patch)
        async with backends() as running, fault_proxy(moto) as proxy:
            site = AwsSite(moto, proxy, running)
            await site.add(*names)
            yield site


@asynccontextmanager
async def aws_traffic(
    site: AwsSite, directory: Path, *sources: Json, environment: Mapping[str, str] | None = None, **config: object
) -> AsyncIterator[AwsTraffic]:
    """A bridge with these sources, else those of the site; and requests through an Envoy without any retry."""
    bridge = BridgeProcess(directory / "bridge", [*sources] or [site.tasks(), site.vms()], **config)
    bridge.environment = environment or {}
    async with followed(bridge, site.running, Transport.DELTA_ADS, directory) as web:
        yield AwsTraffic(bridge, web.envoy, web.load, site.running, web.cluster)


def _first_page(answer: Response) -> Response:
    listed = _task_arns(answer)
    return _tasks(answer, listed[: len(listed) // 2], nextToken="2")


def _last_page(answer: Response) -> Response:
    listed = _task_arns(answer)
    return _tasks(answer, listed[len(listed) // 2 :])


def _task_arns(answer: Response) -> list[str]:
    return sorted(json.loads(answer.body)["taskArns"])


def _tasks(answer: Response, arns: list[str], **more: str) -> Response:
    return replace(answer, body=json.dumps({"taskArns": arns, **more}).encode())
