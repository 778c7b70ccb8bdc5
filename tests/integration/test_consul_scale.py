"""Many services on one agent: few connections, and nothing lost."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import aiohttp
import pytest

from adapters.consul import Config, ConsulAdapter
from bridge.model import Health
from support.consul import ConsulAgent, consul_agent, registration
from support.fault_proxy import FaultProxy, fault_proxy
from support.recording import RecordingContext, running
from support.waiting import eventually

SERVICES = 2000
INSTANCES = 3


@pytest.fixture(autouse=True)
async def at_full_speed() -> None:
    # In debug mode every callback of the loop takes down its whole stack: thousands of reads would last minutes.
    asyncio.get_running_loop().set_debug(False)


@pytest.fixture
async def agent() -> AsyncIterator[ConsulAgent]:
    async with consul_agent() as agent:
        yield agent


@pytest.fixture
async def proxy(agent: ConsulAgent) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(agent.address) as proxy:
        yield proxy


def adapter(address: str, **config: object) -> ConsulAdapter:
    return ConsulAdapter(Config.model_validate({"address": address, **config}))


@dataclass
class Writer:
    """Writes to the catalog over a few connections that stay open."""

    agent: ConsulAgent
    session: aiohttp.ClientSession
    limit: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))

    async def put(self, path: str, body: object) -> None:
        async with self.limit, self.session.put(self.agent.address + path, json=body) as response:
            assert response.status == 200, await response.text()

    async def put_all(self, path: str, bodies: Sequence[object]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for body in bodies:
                tasks.create_task(self.put(path, body))


@pytest.fixture
async def writer(agent: ConsulAgent) -> AsyncIterator[Writer]:
    async with aiohttp.ClientSession() as session:
        yield Writer(agent, session)


def catalog(services: int, instances: int = INSTANCES) -> list[object]:
    """Registrations of services over thirty nodes, each instance with a check of its own."""
    return [
        registration(
            f"s{number}",
            f"10.{number // 250}.{number % 250}.{instance}",
            node=f"n{(number + instance) % 30}",
            id=f"s{number}-{instance}",
            Checks=[check(number, instance, "passing")],
        )
        for number in range(services)
        for instance in range(instances)
    ]


def check(number: int, instance: int, status: str) -> dict[str, object]:
    return {
        "Node": f"n{(number + instance) % 30}",
        "CheckID": f"c{number}-{instance}",
        "Name": "alive",
        "ServiceID": f"s{number}-{instance}",
        "Status": status,
    }


async def test_two_sources_read_thousands_of_services_over_twenty_connections(
    agent: ConsulAgent, proxy: FaultProxy, writer: Writer
) -> None:
    await writer.put_all("/v1/catalog/register", catalog(SERVICES))
    process: dict[str, object] = {}
    first, second = (RecordingContext(name, process=process) for name in ("first", "second"))

    async with running(adapter(proxy.address), first), running(adapter(proxy.address), second):
        await eventually(lambda: first.spoken and second.spoken, timeout=60)

        for context in (first, second):
            assert len(context.sink.services) == SERVICES
            assert all(len(endpoints) == INSTANCES for endpoints in context.sink.services.values())
        assert proxy.most <= 20
        assert not first.failures


async def test_fifty_flaps_a_second_are_followed_without_loss(
    agent: ConsulAgent, proxy: FaultProxy, writer: Writer
) -> None:
    await writer.put_all("/v1/catalog/register", catalog(SERVICES))
    context = RecordingContext()
    picks = random.Random(7)
    down: set[tuple[int, int]] = set()

    async with running(adapter(proxy.address), context):
        await eventually(lambda: context.spoken, timeout=60)
        async for _ in _paced(context, 500, 50):
            flap = picks.randrange(SERVICES), picks.randrange(INSTANCES)
            down ^= {flap}
            status = "critical" if flap in down else "passing"
            body = {"Node": check(*flap, status)["Node"], "SkipNodeUpdate": True, "Check": check(*flap, status)}
            await writer.put("/v1/catalog/register", body)

        await eventually(lambda: _unhealthy(context) == down, timeout=2, what="every flap was seen within two seconds")
        assert not context.sink.lost
        assert proxy.most <= 20


async def _paced(context: RecordingContext, count: int, rate: float) -> AsyncIterator[None]:
    done = 0
    async for _ in context.ticks(0.1):
        for _ in range(int(rate / 10)):
            yield
            done += 1
        if done >= count:
            return


def _unhealthy(context: RecordingContext) -> set[tuple[int, int]]:
    return {
        (int(name[1:]), int(address.split(":")[0].rsplit(".", 1)[1]))
        for name, endpoints in context.sink.services.items()
        for address, endpoint in endpoints.items()
        if endpoint.health is Health.UNHEALTHY
    }
