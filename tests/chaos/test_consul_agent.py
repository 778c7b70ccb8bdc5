"""What an agent or its cluster can do to us, and what stays known meanwhile."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from support.consul import ConsulAgent, consul_agent, consul_source, three_servers
from support.recording import RecordingContext, running
from support.waiting import eventually

MODES = ["per_service", "aggregate"]


@pytest.fixture
async def agent() -> AsyncIterator[ConsulAgent]:
    async with consul_agent() as agent:
        await agent.register("web", "10.0.0.1", id="w1")
        await agent.register("db", "10.0.1.1", id="d1")
        yield agent


@pytest.fixture(params=MODES)
async def source(agent: ConsulAgent, request: pytest.FixtureRequest) -> AsyncIterator[RecordingContext]:
    context = RecordingContext()
    async with running(consul_source(agent.address, mode=request.param), context):
        await eventually(lambda: context.spoken)
        yield context


def failing(context: RecordingContext) -> set[str]:
    return {name for name, errors in context.failures.items() if errors}


async def test_killed_agent_loses_nothing_and_fails_once_and_not_per_service(
    agent: ConsulAgent, source: RecordingContext
) -> None:
    await agent.kill()

    await eventually(lambda: len(source.failures["catalog"]) >= 3)
    assert source.sink.lost == []
    assert failing(source) == {"catalog"}
    assert agent.address in source.messages


async def test_agent_that_comes_back_empty_loses_nothing(agent: ConsulAgent, source: RecordingContext) -> None:
    await agent.kill()
    await eventually(lambda: len(source.failures["catalog"]) >= 1)

    await agent.start()

    await eventually(lambda: len(source.notices) > 0)
    assert source.notices == [("consul.catalog_emptied", {"datacenter": "dc1", "services": 2})]
    assert source.sink.lost == []


async def test_services_that_come_back_to_an_empty_agent_are_followed(
    agent: ConsulAgent, source: RecordingContext
) -> None:
    await agent.kill()
    await eventually(lambda: len(source.failures["catalog"]) >= 1)
    await agent.start()
    await eventually(lambda: len(source.notices) > 0)

    await agent.register("web", "10.0.0.2", id="w2")

    await eventually(lambda: source.sink.addresses("web") == {"10.0.0.2:80"}, timeout=15)
    assert source.sink.addresses("db") == {"10.0.1.1:80"}, "which has not come back yet"


async def test_the_only_service_survives_an_empty_restart(agent: ConsulAgent) -> None:
    await agent.deregister("vm1", "d1")
    context = RecordingContext()
    async with running(consul_source(agent.address), context):
        await eventually(lambda: context.spoken)

        await agent.kill()
        await eventually(lambda: len(context.failures["catalog"]) >= 1)
        await agent.start()

        await eventually(lambda: len(context.notices) > 0)
        assert context.sink.lost == []


async def test_empty_restart_is_believed_when_the_operator_says_so(agent: ConsulAgent) -> None:
    context = RecordingContext(allow_empty=True)
    async with running(consul_source(agent.address), context):
        await eventually(lambda: context.spoken)
        await agent.kill()
        await eventually(lambda: len(context.failures["catalog"]) >= 1)

        await agent.start()

        await eventually(lambda: context.sink.services == {})
        assert context.notices == []


async def test_frozen_agent_loses_nothing(agent: ConsulAgent, source: RecordingContext) -> None:
    agent.pause()
    writing = asyncio.ensure_future(agent.register("web", "10.0.0.2", id="w2"))
    await asyncio.wait({writing}, timeout=1)
    assert source.sink.lost == []

    agent.resume()

    await writing
    await eventually(lambda: source.sink.addresses("web") == {"10.0.0.1:80", "10.0.0.2:80"})
    assert source.sink.lost == []


async def test_watches_of_a_dead_process_leave_room_for_the_next_one(agent: ConsulAgent) -> None:
    """The agent keeps answering queries of clients that are gone, and counts their connections."""
    for number in range(55):
        await agent.register(f"s{number}", f"10.0.2.{number}")
    for _ in range(2):
        context = RecordingContext()
        async with running(consul_source(agent.address, mode="per_service"), context):
            await eventually(lambda context=context: context.spoken)  # type: ignore[misc]  # bound per round
            await eventually(lambda context=context: context.requests["health.service", "200"] >= 57)  # type: ignore[misc]  # bound per round
            await agent.register("s7", "10.0.3.7", id=f"more-{id(context)}")
            await eventually(lambda context=context: "10.0.3.7:80" in context.sink.addresses("s7"))  # type: ignore[misc]  # bound per round
        assert context.notices == [], context.messages


async def test_agent_that_refuses_connections_is_watched_with_fewer() -> None:
    async with consul_agent(hcl="limits { http_max_conns_per_client = 32 }") as agent:
        for number in range(40):
            await agent.register(f"s{number}", f"10.0.2.{number}")
        context = RecordingContext()
        async with running(consul_source(agent.address, wait="2s"), context):
            await eventually(lambda: [event for event, _ in context.notices] == ["consul.connections_limited"])
            await eventually(lambda: context.spoken)

            await _until_written(agent, "s7", "10.0.3.7")

            await eventually(lambda: context.sink.addresses("s7") == {"10.0.2.7:80", "10.0.3.7:80"})
            assert context.sink.lost == []


async def _until_written(agent: ConsulAgent, service: str, address: str) -> None:
    """Write although the agent's limit holds for us, too."""

    async def written() -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            await agent.register(service, address)
            return True
        return False

    await eventually(written, timeout=20)


@pytest.mark.parametrize("consistency", ["default", "stale"])
async def test_lost_leader_and_lost_quorum_lose_nothing(tmp_path: Path, consistency: str) -> None:
    async with three_servers(tmp_path) as servers:
        first, *others = servers
        await first.register("web", "10.0.0.1", id="w1")
        await first.register("db", "10.0.1.1", id="d1")
        context = RecordingContext()
        async with running(consul_source(first.address, consistency=consistency, wait="2s"), context):
            await eventually(lambda: context.spoken)

            for server in others:
                await server.kill()

            if consistency == "default":
                await eventually(lambda: "500" in context.messages, timeout=30)
            else:
                await eventually(lambda: "no leader" in context.messages, timeout=30)
            assert context.sink.lost == []

            for server in others:
                await server.start(wait=False)
            await first.ready()
            await first.register("web", "10.0.0.2", id="w2")
            await eventually(lambda: len(context.sink.addresses("web")) == 2, timeout=30)
            assert context.sink.lost == []
