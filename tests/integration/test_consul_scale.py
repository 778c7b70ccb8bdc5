"""Many services on one agent: few connections, and nothing lost."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import aiohttp
import pytest

from bridge.model import Health
from support.consul import ConsulAgent, consul_agent, consul_source, registration
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

    async with running(consul_source(proxy.address), first), running(consul_source(proxy.address), second):
        await eventually(lambda: first.spoken and second.spoken, timeout=60)

        for context in (first, second):
            assert len(context.sink.services) == SERVICES
            assert all(len(endpoints) == INSTANCES for endpoints in context.sink.services.values())
        assert proxy.most <= 20
        assert not first.failures


async def test_more_services_than_watches_are_followed_over_few_connections_and_back(
    proxy: FaultProxy, writer: Writer
) -> None:
    await writer.put_all("/v1/catalog/register", catalog(60, 1))
    context = RecordingContext()

    async with running(consul_source(proxy.address, wait="2s"), context):
        await eventually(lambda: context.spoken)
        await eventually(lambda: proxy.open >= 61, what="every service has its watch")

        await writer.put_all("/v1/catalog/register", catalog(70, 1))
        await eventually(lambda: len(context.sink.services) == 70)
        await eventually(lambda: proxy.open <= 20, timeout=20, what="three queries are left")

        gone = [{"Node": f"n{number % 30}", "ServiceID": f"s{number}-0"} for number in range(20, 70)]
        await writer.put_all("/v1/catalog/deregister", gone)
        await eventually(lambda: len(context.sink.services) == 20)
        asked = len(proxy.asked("/v1/health/service/s7?index="))
        await eventually(lambda: len(proxy.asked("/v1/health/service/s7?index=")) > asked, what="watched alone again")

        assert not context.failures, context.messages


async def test_sources_at_one_agent_share_its_watches(proxy: FaultProxy, writer: Writer) -> None:
    await writer.put_all("/v1/catalog/register", catalog(40, 1))
    process: dict[str, object] = {}
    contexts = [RecordingContext(str(number), process=process) for number in range(2)]

    async with running(consul_source(proxy.address), contexts[0]):
        await eventually(lambda: contexts[0].spoken and proxy.open >= 41)
        async with running(consul_source(proxy.address, mode="per_service"), contexts[1]):
            await eventually(lambda: contexts[1].spoken)

            assert proxy.most <= 64 + 20
            assert contexts[1].notices == [("consul.watches_exhausted", {"services": 40, "max_watches": 64})]
            await writer.put_all("/v1/catalog/register", [registration("s7", "10.0.9.9", node="n7", id="s7-9")])
            await eventually(lambda: all("10.0.9.9:80" in context.sink.addresses("s7") for context in contexts))


async def test_fifty_flaps_a_second_are_followed_without_loss(
    agent: ConsulAgent, proxy: FaultProxy, writer: Writer
) -> None:
    await writer.put_all("/v1/catalog/register", catalog(SERVICES))
    context = RecordingContext()
    picks = random.Random(7)
    down: set[tuple[int, int]] = set()

    async with running(consul_source(proxy.address), context):
        await eventually(lambda: context.spoken, timeout=60)
        async for _ in _paced(context, 500, 50):
            flap = picks.randrange(SERVICES), picks.randrange(INSTANCES)
            down ^= {flap}
            status = "critical" if flap in down else "passing"
            body = {"Node": check(*flap, status)["Node"], "SkipNodeUpdate": True, "Check": check(*flap, status)}
            await writer.put("/v1/catalog/register", body)

        await eventually(lambda: _unhealthy(context) == down, timeout=5, what="every flap was seen")
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
