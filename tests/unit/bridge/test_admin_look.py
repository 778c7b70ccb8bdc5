"""Looking at every open stream without keeping the event loop, and once for all who ask."""

import asyncio
from collections.abc import Iterator

import pytest

from bridge.admin.look import PORTION, Connected, Look, by_portions
from support.admin_fakes import FakeStreams, stream
from xds import StreamStatus


class CountedStreams(FakeStreams):
    """Counts how often it is looked at all streams, and how many of them in one go."""

    looks = 0
    taken = 0

    def streams(self) -> Iterator[StreamStatus]:
        self.looks += 1
        for each in self.connected:
            self.taken += 1
            yield each


def connected(streams: CountedStreams) -> Connected:
    return Look(lambda: by_portions(streams.streams()))


async def test_others_have_their_turn_between_two_portions() -> None:
    streams = CountedStreams([stream(number, f"envoy-{number}") for number in range(3 * PORTION)])
    most, before = 0, 0
    looking = asyncio.create_task(connected(streams)())

    while not looking.done():
        await asyncio.sleep(0)
        most, before = max(most, streams.taken - before), streams.taken

    assert list(await looking) == streams.connected
    assert most == PORTION


async def test_who_asks_meanwhile_shares_the_next_look_and_no_earlier_one() -> None:
    streams = CountedStreams([stream(number, f"envoy-{number}") for number in range(2 * PORTION)])
    look = connected(streams)
    first = asyncio.create_task(look())
    await asyncio.sleep(0)
    assert streams.taken == PORTION, "the first look is under way"

    streams.connected = [stream(1, "new")]
    others = await asyncio.gather(*(look() for _ in range(5)))

    assert len(await first) == 2 * PORTION
    assert [[each.name for each in found] for found in others] == [["new"]] * 5
    assert streams.looks == 2


async def test_each_look_is_a_new_one_for_who_asks_later() -> None:
    streams = CountedStreams([stream(1, "a")])
    look = connected(streams)
    await look()

    streams.connected = []

    assert await look() == ()


async def test_one_who_goes_away_costs_the_others_nothing() -> None:
    streams = CountedStreams([stream(number, f"envoy-{number}") for number in range(2 * PORTION)])
    look = connected(streams)
    gone, waiting = asyncio.create_task(look()), asyncio.create_task(look())
    await asyncio.sleep(0)

    gone.cancel()

    assert len(await waiting) == 2 * PORTION


async def test_what_is_fresh_is_given_out_again() -> None:
    looks = 0

    async def look() -> int:
        nonlocal looks
        looks += 1
        return looks

    lasting, brief = Look(look, fresh=3600.0), Look(look, fresh=0.0)

    assert [await lasting(), await lasting()] == [1, 1]
    assert [await brief(), await brief()] == [2, 3]


async def test_one_that_fails_is_no_answer_for_the_next() -> None:
    failures = [OSError("away")]

    async def look() -> str:
        if failures:
            raise failures.pop()
        return "there"

    looking = Look(look, fresh=3600.0)

    with pytest.raises(OSError, match="away"):
        await looking()
    assert await looking() == "there"


async def test_portions_keep_the_order() -> None:
    assert await by_portions(range(2 * PORTION + 1)) == tuple(range(2 * PORTION + 1))
