"""Looking for what is missing costs a few reads, however many miss something."""

import asyncio

import pytest

from adapters.consul.client import Reply
from adapters.consul.payload import NODES, Catalog, Node
from adapters.consul.sight import Sight
from bridge.errors import SourceError


class FakeLooks:
    """Counts what is read; `fails` in its place."""

    def __init__(self) -> None:
        self.looks = 0
        self.fails: SourceError | None = None
        self.sees_canary = True
        self.sees_nodes = True

    async def services(self, *, consistent: bool = False) -> Reply[Catalog]:
        assert consistent
        self.looks += 1
        look = self.looks
        await asyncio.sleep(0.01)
        if self.fails:
            raise self.fails
        return Reply({}, look)

    async def nodes(self, *, consistent: bool = False) -> Reply[tuple[Node, ...]]:
        assert consistent
        return Reply(NODES.validate_python([{"Node": "n1"}] if self.sees_nodes else []), 1)

    async def canary(self) -> bool:
        return self.sees_canary


async def test_many_who_ask_together_share_a_look() -> None:
    looks = FakeLooks()
    sight = Sight(looks)

    await asyncio.gather(*(sight.catalog(canary=True) for _ in range(100)))

    assert looks.looks <= 2


async def test_who_asks_while_a_look_is_on_its_way_gets_the_next_one() -> None:
    sight = Sight(FakeLooks())
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(sight.catalog(canary=True))
        await asyncio.sleep(0.005)
        second = tasks.create_task(sight.catalog(canary=True))

    assert (first.result().index, second.result().index) == (1, 2)


async def test_a_look_that_fails_fails_for_all_who_share_it() -> None:
    looks = FakeLooks()
    looks.fails = SourceError("no answer", retry_after=7)
    sight = Sight(looks)

    outcomes = await asyncio.gather(*(sight.catalog(canary=True) for _ in range(100)), return_exceptions=True)

    assert {(str(each), each.retry_after) for each in outcomes if isinstance(each, SourceError)} == {("no answer", 7)}
    assert len(outcomes) == 100
    assert looks.looks <= 2


async def test_who_is_cancelled_while_looking_leaves_the_look_to_the_next() -> None:
    sight = Sight(FakeLooks())
    first = asyncio.ensure_future(sight.catalog(canary=True))
    second = asyncio.ensure_future(sight.catalog(canary=True))
    await asyncio.sleep(0)

    first.cancel()

    assert (await second).index > 0


@pytest.mark.parametrize(("canary", "unseen"), [(True, "sees_canary"), (False, "sees_nodes")])
async def test_an_absence_means_nothing_to_who_cannot_see(canary: bool, unseen: str) -> None:
    looks = FakeLooks()
    setattr(looks, unseen, False)

    with pytest.raises(SourceError, match="has the token lost its rights"):
        await Sight(looks).catalog(canary=canary)
    assert await Sight(looks).catalog(canary=not canary)
