import asyncio
from contextlib import AsyncExitStack

import pytest

from adapters.consul.agent import CONNECTIONS, SHORT_READS, WATCHES_OF_SOURCE, Agent


async def short_reads(agent: Agent) -> int:
    """How many short reads may go on at the same time."""
    async with AsyncExitStack() as stack:
        for count in range(CONNECTIONS + 1):
            try:
                async with asyncio.timeout(0.01):
                    await stack.enter_async_context(agent.short_read())
            except TimeoutError:
                return count
    raise AssertionError("there is no limit")


@pytest.mark.parametrize("sources", [1, 2, 5, 6, 9])
async def test_blocking_queries_and_short_reads_share_the_connections(sources: int) -> None:
    agent = Agent()
    async with AsyncExitStack() as stack:
        for _ in range(sources):
            await stack.enter_async_context(agent.joined())

        allowed = await short_reads(agent)

        assert allowed >= SHORT_READS
        assert allowed == max(SHORT_READS, CONNECTIONS - WATCHES_OF_SOURCE * sources)

    async with agent.joined():
        assert await short_reads(agent) == CONNECTIONS - WATCHES_OF_SOURCE


async def test_source_that_joins_waits_for_reads_that_are_on_their_way() -> None:
    agent = Agent()
    async with AsyncExitStack() as sources:
        await sources.enter_async_context(agent.joined())
        async with AsyncExitStack() as reads:
            for _ in range(CONNECTIONS - WATCHES_OF_SOURCE):
                await reads.enter_async_context(agent.short_read())
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01), agent.joined():
                    pass

        assert await short_reads(agent) == CONNECTIONS - WATCHES_OF_SOURCE, "what was cancelled has left nothing behind"


async def test_session_lives_as_long_as_a_source() -> None:
    agent = Agent()
    async with agent.joined():
        async with agent.joined():
            session = agent.session
        assert not session.closed
        assert agent.session is session
    assert session.closed

    async with agent.joined():
        assert agent.session is not session


def test_watches_of_all_owners_stay_within_the_limit() -> None:
    agent = Agent()
    first, second = object(), object()

    assert agent.reserve_watches(first, 40, 64)
    assert not agent.reserve_watches(second, 25, 64)
    assert agent.reserve_watches(second, 24, 64)
    assert not agent.reserve_watches(first, 41, 64)
    agent.release_watches(second)
    assert agent.reserve_watches(first, 64, 64)
