import asyncio

import pytest

from adapters.consul.agent import Agent
from adapters.consul.outage import Outage
from adapters.consul.transport import ConsulError

LOST = ConsulError("no answer")
DROPPED = ConsulError("dropped", dropped=True)


class Leader:
    """Says whether the agent answers and knows a leader."""

    def __init__(self, *, known: bool) -> None:
        self.known = known
        self.asked = 0

    async def has_leader(self) -> bool:
        self.asked += 1
        return self.known


def outage(*, known: bool, agent: Agent | None = None, failing: bool = False) -> Outage:
    return Outage(Leader(known=known), agent or Agent(), failing=failing)


@pytest.mark.parametrize("status", [200, 400, 403, 429])
async def test_answer_is_no_outage(status: int) -> None:
    assert not await outage(known=False).waited_out(ConsulError("x", status=status))


@pytest.mark.parametrize("error", [LOST, DROPPED, ConsulError("x", status=500)])
async def test_failure_while_the_agent_has_a_leader_is_the_reads_own(error: ConsulError) -> None:
    assert not await outage(known=True).waited_out(error)


async def test_connection_dropped_while_others_are_served_is_no_outage() -> None:
    agent = Agent()
    with agent.blocking_query():
        assert not await outage(known=False, agent=agent).waited_out(DROPPED)


async def test_connections_that_are_lost_one_after_the_other_are_an_outage() -> None:
    agent, leader = Agent(), Leader(known=False)
    dying = Outage(leader, agent, failing=False)
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(10):
        with agent.blocking_query():
            waiting = tasks.create_task(dying.waited_out(DROPPED))
            for _ in range(3):
                await asyncio.sleep(0)
        leader.known = True

    assert leader.asked > 0
    assert waiting.result()


async def test_outage_is_over_when_the_catalog_answers() -> None:
    gone = outage(known=False)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(gone.waited_out(LOST))
        gone.catalog_failed()
        await asyncio.sleep(0)
        assert not waiting.done()

        gone.catalog_answered()

    assert waiting.result()
    assert gone.recent


async def test_sign_of_life_ends_the_wait_although_the_catalogs_own_query_sleeps() -> None:
    leader = Leader(known=False)
    blind = Outage(leader, Agent(), failing=False)
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(10):
        waiting = [tasks.create_task(blind.waited_out(LOST)) for _ in range(50)]
        await asyncio.sleep(0)

        leader.known = True

    assert all(task.result() for task in waiting)
    assert leader.asked < 60, "one asks for all"


async def test_without_a_failure_nothing_is_doubtful() -> None:
    quiet = outage(known=True)
    quiet.catalog_answered()

    assert not quiet.recent
    assert outage(known=True, failing=True).recent


async def test_two_services_dropped_are_the_agents_limit() -> None:
    limited = outage(known=True)

    assert not limited.over_limit("web", LOST)
    assert not limited.over_limit("web", DROPPED)
    assert not limited.over_limit("web", DROPPED), "one service may have troubles of its own"
    assert limited.over_limit("db", DROPPED)
