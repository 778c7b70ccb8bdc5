"""One long request at a time, in portions, clients in turn: counted in portions, not in seconds."""

import asyncio
import itertools
from collections.abc import Generator

from xds.desk import Desk


def paper(portions: int, name: str, order: list[str]) -> Generator[None, None, str]:
    """Something to read in so many portions, which notes when each is read."""
    for _ in range(portions):
        order.append(name)
        yield
    return name


async def test_what_is_read_is_handed_back() -> None:
    assert await Desk().read("client", paper(3, "a", [])) == "a"


async def test_everybody_else_has_a_turn_after_each_portion() -> None:
    order: list[str] = []
    reading = asyncio.create_task(Desk().read("client", paper(5, "portion", order)))
    while not reading.done():
        order.append("others")
        await asyncio.sleep(0)

    assert ("portion", "portion") not in list(itertools.pairwise(order))


async def test_one_is_read_at_a_time_and_clients_take_turns() -> None:
    desk, order = Desk(), list[str]()
    async with asyncio.TaskGroup() as tasks:
        for client, name in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1")):
            tasks.create_task(desk.read(client, paper(2, name, order)))

    assert order == ["a1", "a2", "a3", "b1", "a1", "a2", "b1", "a3"]


async def test_whoever_leaves_while_waiting_or_reading_makes_room() -> None:
    desk, order = Desk(), list[str]()
    tasks = [asyncio.create_task(desk.read("client", paper(100, name, order))) for name in ("first", "second")]
    last = asyncio.create_task(desk.read("client", paper(1, "last", order)))
    await asyncio.sleep(0)
    for task in reversed(tasks):
        task.cancel()

    assert await last == "last"
    assert await desk.read("client", paper(1, "later", order)) == "later"
    assert order.count("second") <= 1  # the first portion is read at once


async def test_whoever_is_cancelled_when_called_hands_its_turn_on() -> None:
    desk, order = Desk(), list[str]()
    first = asyncio.create_task(desk.read("client", paper(1, "first", order)))
    called = asyncio.create_task(desk.read("client", paper(2, "called", order)))
    last = asyncio.create_task(desk.read("client", paper(1, "last", order)))
    await first
    called.cancel()

    assert await last == "last"
    assert order == ["first", "called", "last"]
