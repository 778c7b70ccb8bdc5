"""The wall clock of a running bridge is set by an hour: it goes on reading its sources, and loses nothing."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import time

import aiohttp
import pytest

from support.aws import REGION, assumed, moto_server, use_credentials
from support.bridge import BridgeProcess
from support.clock import ProcessClock
from support.consul import ConsulAgent, consul_agent
from support.ec2 import MotoFleet
from support.ecs import container
from support.ecs_moto import MotoEcs
from support.waiting import eventually

HOUR = 3600
OTHER_ACCOUNT = "222222222222"
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/xds-bridge"
TAGS = {"xds-service": "vms:80"}


@dataclass
class World:
    """A bridge whose clock can be set, and three kinds of sources: services `catalog`, `vms` and `tasks`."""

    bridge: BridgeProcess
    clock: ProcessClock
    consul: ConsulAgent
    moto: str
    fleet: MotoFleet
    ecs: MotoEcs

    async def add(self, number: int) -> None:
        """Let there be one more endpoint in each source."""
        await self.consul.register("catalog", f"10.0.0.{number}", node=f"n{number}", id=f"c{number}", port=80)
        self.fleet.launch(TAGS, f"10.0.1.{number}")
        definition = self.ecs.define("tasks", {"name": "app", "dockerLabels": {"xds-service": "tasks:80"}})
        self.ecs.run(definition, container(address=f"10.0.2.{number}"), group="service:tasks")

    async def until_known(self, *numbers: int) -> None:
        """Wait until the bridge knows these endpoints of each source."""
        for position, service in enumerate(("catalog", "vms", "tasks")):
            expected = {f"10.0.{position}.{number}" for number in numbers}
            await eventually(lambda: self._known(service, expected), what=f"{service} has {expected}")  # noqa: B023 (awaited here)

    async def _known(self, service: str, expected: set[str]) -> bool:
        return await self.addresses(service) == expected

    async def addresses(self, service: str) -> set[str]:
        """What the bridge knows of a service."""
        found = await self.bridge.get(f"/api/v1/services/{service}")
        endpoints = found["endpoints"]
        assert isinstance(endpoints, list)
        return {endpoint["address"] for endpoint in endpoints}

    async def until_set(self, seconds: float) -> None:
        """Wait until the bridge itself says that its clock is wrong by so much."""

        async def wrong() -> bool:
            async with aiohttp.ClientSession() as session, session.get(self.bridge.url("/livez")) as response:
                said = parsedate_to_datetime(response.headers["Date"]).timestamp()
            return abs(said - time() - seconds) < HOUR / 2

        await eventually(wrong, what=f"a clock that is wrong by {seconds} s")


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    use_credentials(monkeypatch)
    async with AsyncExitStack() as stack:
        moto = stack.enter_context(moto_server())
        consul = await stack.enter_async_context(consul_agent())
        clock = ProcessClock(tmp_path)
        ecs = MotoEcs(moto)
        ecs.ecs.create_cluster(clusterName="prod")
        aws = {"region": REGION, "endpoint_url": moto, "interval": "100ms", "api_budget": 100}
        sources: list[dict[str, object]] = [
            {"name": "dc1", "type": "consul", "address": consul.address},
            {"name": "vms", "type": "ec2", "accounts": [{}, {"assume_role": ROLE}], **aws},
            {"name": "prod", "type": "ecs", "clusters": ["prod"], **aws},
        ]
        bridge = BridgeProcess(tmp_path / "bridge", sources)
        bridge.environment = clock.environment
        world = World(bridge, clock, consul, moto, MotoFleet(moto), ecs)
        await world.add(1)
        MotoFleet(moto, **assumed(moto, ROLE)).launch({"xds-service": "theirs:80"}, "10.0.9.1")
        await stack.enter_async_context(bridge)
        yield world


async def test_a_clock_that_is_set_back_and_forward_stops_no_source(world: World) -> None:
    await world.until_known(1)

    world.clock.set("-1h")
    await world.until_set(-HOUR)
    await world.add(2)
    await world.until_known(1, 2)
    await world.add(3)
    await world.until_known(1, 2, 3)
    assert await _recovered(world)

    world.clock.set("+1h")
    await world.until_set(HOUR)
    await world.add(4)
    await world.until_known(1, 2, 3, 4)
    await world.add(5)
    await world.until_known(1, 2, 3, 4, 5)


async def test_credentials_that_are_over_by_a_wrong_clock_hold_up_no_other_account(world: World) -> None:
    """The SDK gets new ones then, which are over as well by that clock."""
    await world.until_known(1)

    world.clock.set("+2h")
    await world.until_set(2 * HOUR)
    await eventually(lambda: bool(_failures(world)), what="expired credentials")
    await world.add(2)
    await world.until_known(1, 2)
    assert await world.addresses("theirs") == {"10.0.9.1"}
    assert all("is the clock of this machine right?" in str(each["error"]) for each in _failures(world))
    assert world.bridge.events("source.crashed") == []

    world.clock.set("+0h")
    await eventually(lambda: _recovered(world), timeout=30)


def _failures(world: World) -> list[dict[str, object]]:
    return [each for each in world.bridge.events("source.failed") if each["source"] == "vms"]


async def _recovered(world: World) -> bool:
    status = await world.bridge.get("/api/v1/status")
    return "vms" not in str(status["sources_failing"])
