import asyncio
import threading

import pytest

from adapters._aws.budget import Budget
from support.waiting import eventually


async def test_a_full_budget_lets_five_seconds_worth_through_at_once() -> None:
    budget = Budget(2)

    async with asyncio.timeout(0.4):
        for _ in range(10):
            await budget.take()

    assert budget.left == pytest.approx(0, abs=1)


async def test_whoever_comes_first_goes_first() -> None:
    budget, order = Budget(50), list[int]()
    budget.charge(250)

    async def take(number: int) -> None:
        await budget.take()
        order.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            tasks.create_task(take(number))

    assert order == [0, 1, 2, 3, 4]


async def test_who_is_cancelled_while_waiting_gives_the_place_back() -> None:
    budget = Budget(0.001)
    waiting = asyncio.create_task(budget.take())
    await eventually(lambda: budget.left < 0)

    waiting.cancel()
    await asyncio.wait([waiting])

    assert budget.left == pytest.approx(0.005, abs=0.001)


async def test_the_lowest_limit_holds_for_as_long_as_its_user_is_there() -> None:
    budget, first, second = Budget(10), threading.Event(), threading.Event()

    budget.limit(first, 20)
    budget.limit(second, 1)
    assert budget.rate == 1
    assert budget.left == 5
    del second
    assert budget.rate == 20
    del first
    assert budget.rate == 10


def test_what_all_users_want_counts_for_as_long_as_they_are_there() -> None:
    budget, first, second = Budget(5), threading.Event(), threading.Event()

    budget.want(first, 4)
    assert budget.excess == 1
    budget.want(second, 6)
    assert budget.excess == 2
    budget.want(second, 11)
    assert budget.excess == 3
    del second
    assert budget.excess == 1
