"""The wall clock of a running bridge is set by an hour: it goes on reading its sources, and no request fails."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import time

import aiohttp
import pytest

from support.aws import REGION, assumed, moto_server, use_credentials
from support.backends import Backends, backends
from support.bridge import BridgeProcess
from support.clock import ProcessClock
from support.consul import ConsulAgent, consul_agent
from support.ec2 import MotoFleet
from support.ecs import container
from support.ecs_moto import MotoEcs
from support.ports import free_port
from support.traffic import Traffic, followed
from support.transports import Transport
from support.waiting import eventually

HOUR = 3600
OTHER_ACCOUNT = "222222222222"
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/xds-bridge"


@dataclass
class World:
    """A bridge whose clock can be set, with three kinds of sources of one service, and requests for that by Envoy."""

    web: Traffic
    clock: ProcessClock
    site: "Site"

    @property
    def bridge(self) -> BridgeProcess:
        return self.web.bridge

    async def until_known(self, *numbers: int) -> None:
        """Wait until Envoy has exactly these endpoints of each source, and see that all of them answer."""
        names = {f"{kind}{number}" for kind in "ctv" for number in numbers}
        await self.web.until_health(**dict.fromkeys(names, "HEALTHY"))
        assert await self.web.answering(5 * len(names)) == names

    async def addresses(self, service: str) -> set[str]:
        """What the bridge knows of a service."""
        found = await self.bridge.get(f"/api/v1/services/{service}")
        endpoints = found["endpoints"]
        assert isinstance(endpoints, list)
        return {endpoint["address"] for endpoint in endpoints}

    @asynccontextmanager
    async def unnoticed(self) -> AsyncIterator[None]:
        """What happens in the block, and in some reads of AWS after it, Envoy does not notice."""
        before = await self.web.envoy.changes(self.web.cluster)
        yield
        await self.web.until_read("ec2.DescribeInstances")
        await self.web.until_read("ecs.DescribeTasks")
        await self.web.load.more(20)
        assert await self.web.envoy.changes(self.web.cluster) == before
        assert self.web.load.failures == []

    async def until_set(self, seconds: float) -> None:
        """Wait until the bridge itself says that its clock is wrong by so much."""

        async def wrong() -> bool:
            async with aiohttp.ClientSession() as session, session.get(self.bridge.url("/livez")) as response:
                said = parsedate_to_datetime(response.headers["Date"]).timestamp()
            return abs(said - time() - seconds) < HOUR / 2

        await eventually(wrong, what=f"a clock that is wrong by {seconds} s")


class Site:
    """The service `web` in Consul, ECS and EC2: backends `c…`, `t…` and `v…`."""

    def __init__(self, consul: ConsulAgent, moto: str, running: Backends) -> None:
        self._consul = consul
        self._running = running
        self._port = free_port()
        self._fleet, self._ecs = MotoFleet(moto), MotoEcs(moto)
        self._ecs.ecs.create_cluster(clusterName="prod")
        labels = {"xds-service": f"web:{self._port}"}
        self._definition = self._ecs.define("web", {"name": "app", "dockerLabels": labels})

    async def add(self, number: int) -> None:
        """Let there be one more endpoint in each source."""
        catalog, task, vm = (f"127.0.{place}.{number}" for place in (1, 2, 3))
        for name, address in ((f"c{number}", catalog), (f"t{number}", task), (f"v{number}", vm)):
            await self._running.start(name, address, self._port)
        await self._consul.register("web", catalog, node=f"n{number}", id=f"c{number}", port=self._port)
        self._ecs.run(self._definition, container(address=task), group="service:web")
        self._fleet.launch({"xds-service": f"web:{self._port}"}, vm)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    use_credentials(monkeypatch)
    async with AsyncExitStack() as stack:
        moto = stack.enter_context(moto_server())
        consul = await stack.enter_async_context(consul_agent())
        running = await stack.enter_async_context(backends())
        clock, site = ProcessClock(tmp_path), Site(consul, moto, running)
        aws = {"region": REGION, "endpoint_url": moto, "interval": "100ms", "api_budget": 100}
        sources: list[dict[str, object]] = [
            {"name": "dc1", "type": "consul", "address": consul.address},
            {"name": "vms", "type": "ec2", "accounts": [{}, {"assume_role": ROLE}], **aws},
            {"name": "prod", "type": "ecs", "clusters": ["prod"], **aws},
        ]
        bridge = BridgeProcess(tmp_path / "bridge", sources)
        bridge.environment = clock.environment
        await site.add(1)
        MotoFleet(moto, **assumed(moto, ROLE)).launch({"xds-service": "theirs:80"}, "10.0.9.1")
        web = await stack.enter_async_context(followed(bridge, running, Transport.DELTA_ADS, tmp_path))
        yield World(web, clock, site)


async def test_a_clock_that_is_set_back_and_forward_stops_no_source(world: World) -> None:
    await world.until_known(1)

    async with world.unnoticed():
        world.clock.set("-1h")
        await world.until_set(-HOUR)
    await world.site.add(2)
    await world.until_known(1, 2)
    await world.site.add(3)
    await world.until_known(1, 2, 3)
    assert await _recovered(world)

    async with world.unnoticed():
        world.clock.set("+1h")
        await world.until_set(HOUR)
    await world.site.add(4)
    await world.until_known(1, 2, 3, 4)
    await world.site.add(5)
    await world.until_known(1, 2, 3, 4, 5)
    assert world.web.load.failures == []


async def test_credentials_that_are_over_by_a_wrong_clock_hold_up_no_other_account(world: World) -> None:
    """The SDK gets new ones then, which are over as well by that clock."""
    await world.until_known(1)

    before = await world.web.envoy.changes(world.web.cluster)
    world.clock.set("+2h")
    await world.until_set(2 * HOUR)
    await eventually(lambda: bool(_failures(world)), what="expired credentials")
    assert await world.web.envoy.changes(world.web.cluster) == before
    await world.site.add(2)
    await world.until_known(1, 2)
    assert await world.addresses("theirs") == {"10.0.9.1"}
    assert all("is the clock of this machine right?" in str(each["error"]) for each in _failures(world))
    assert world.bridge.events("source.crashed") == []

    before = await world.web.envoy.changes(world.web.cluster)
    world.clock.set("+0h")
    await eventually(lambda: _recovered(world), timeout=30)
    assert await world.web.envoy.changes(world.web.cluster) == before
    assert world.web.load.failures == []


def _failures(world: World) -> list[dict[str, object]]:
    return [each for each in world.bridge.events("source.failed") if each["source"] == "vms"]


async def _recovered(world: World) -> bool:
    status = await world.bridge.get("/api/v1/status")
    return "vms" not in str(status["sources_failing"])
