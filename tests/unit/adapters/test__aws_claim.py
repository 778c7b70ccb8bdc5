import asyncio

from adapters._aws.claim import Claim
from bridge.model import SourceName

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/xds-bridge"


class Queues:
    """The queues of a process, and who had to wait for whom."""

    def __init__(self) -> None:
        self.holders: dict[str, Claim] = {}
        self.waits: list[tuple[str, str]] = []

    def claim(self, source: str, url: str = URL) -> Claim:
        return Claim(self.holders, url, SourceName(source))

    def wanted(self, claim: Claim) -> asyncio.Task[None]:
        return asyncio.create_task(claim.take(lambda other: self.waits.append((claim.source, other))))


async def test_a_free_queue_is_had_at_once() -> None:
    queues = Queues()

    await queues.wanted(queues.claim("one"))
    await queues.wanted(queues.claim("two", URL + "-2"))

    assert queues.waits == []


async def test_one_after_the_other_has_a_queue_and_says_once_who_is_before_it() -> None:
    queues = Queues()
    one, two, three = (queues.claim(name) for name in ("one", "two", "three"))
    await queues.wanted(one)
    second, third = queues.wanted(two), queues.wanted(three)
    await asyncio.sleep(0)
    assert queues.waits == [("two", "one"), ("three", "one")]

    one.give_up()
    await second
    await asyncio.sleep(0)
    assert (third.done(), queues.waits[2:]) == (False, [("three", "two")])

    two.give_up()
    await third


async def test_who_gives_up_waiting_takes_the_queue_from_nobody() -> None:
    queues = Queues()
    one, two, three = (queues.claim(name) for name in ("one", "two", "three"))
    await queues.wanted(one)
    waiting = queues.wanted(two)
    await asyncio.sleep(0)
    waiting.cancel()
    two.give_up()

    last = queues.wanted(three)
    await asyncio.sleep(0)
    assert queues.holders == {URL: one}

    one.give_up()
    await last


async def test_a_source_that_runs_again_has_its_queue_again() -> None:
    queues = Queues()
    first = queues.claim("one")
    await queues.wanted(first)
    first.give_up()

    await queues.wanted(queues.claim("one"))

    assert queues.waits == []
