import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from bridge.admin import live
from bridge.audit import Action, Event
from support.admin_bench import Bench
from support.admin_fakes import stream
from support.waiting import eventually

STREAM = {"Accept": "text/event-stream"}


def happened(number: int, service: str = "web") -> Event:
    return Event(at=float(number), action=Action.ADDED, why=f"read {number}", service=service)


class Following:
    """The messages of a stream, as they came: their kind, id and data."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self, kind: str = "message") -> dict[str, str]:
        """The next message of a kind."""
        message: dict[str, str] = {}
        async with asyncio.timeout(20):
            while line := (await self.answer.content.readline()).decode():
                name, _, value = line.rstrip("\n").partition(": ")
                if name:
                    message[name] = value
                elif message.get("data") and message.get("event", "message") == kind:
                    return message
                else:
                    message = {}
        raise AssertionError("the stream has ended")


@asynccontextmanager
async def following(bench: Bench, query: str = "", **headers: str) -> AsyncIterator[Following]:
    url, said = f"{bench.url}/api/v1/events{query}", {**STREAM, **headers}
    async with aiohttp.ClientSession() as session, session.get(url, headers=said) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        yield Following(answer)


async def test_what_happens_is_told_as_it_happens(bench: Bench) -> None:
    bench.trail.record(happened(1))
    async with following(bench) as stream_of_events:
        bench.trail.record(happened(2))

        message = await stream_of_events.next()

    shown = json.loads(message["data"])
    assert (shown["number"], shown["service"], shown["why"]) == (2, "web", "read 2")


async def test_only_what_is_asked_for_is_told(bench: Bench) -> None:
    for number in (1, 2):
        bench.trail.record(happened(number, "api"))
    async with following(bench, "?service=api") as stream_of_events:
        bench.trail.record(happened(3, "web"))
        bench.trail.record(happened(4, "api"))

        message = await stream_of_events.next()

    assert json.loads(message["data"])["number"] == 4


async def test_who_comes_back_is_told_what_was_missed(bench: Bench) -> None:
    async with following(bench) as first:
        bench.trail.record(happened(1))
        last = (await first.next())["id"]
    for number in range(2, 2 + 2 * live.BATCH):
        bench.trail.record(happened(number))

    async with following(bench, **{"Last-Event-ID": last}) as second:
        numbers = [json.loads((await second.next())["data"])["number"] for _ in range(2 * live.BATCH)]

    assert numbers == list(range(2, 2 + 2 * live.BATCH))


async def test_who_comes_back_goes_on_whatever_its_address_says(bench: Bench) -> None:
    for number in (1, 2, 3):
        bench.trail.record(happened(number))
    async with following(bench, "?after=0") as first:
        last = [(await first.next())["id"] for _ in range(2)][-1]

    async with following(bench, "?after=0", **{"Last-Event-ID": last}) as second:
        assert json.loads((await second.next())["data"])["number"] == 3


async def test_a_place_that_is_still_to_come_is_the_end(bench: Bench) -> None:
    bench.trail.record(happened(1))
    async with following(bench, f"?after={10**15}") as stream_of_events:
        bench.trail.record(happened(2))

        assert json.loads((await stream_of_events.next())["data"])["number"] == 2


async def test_who_comes_back_to_another_process_begins_with_what_happens_then(bench: Bench) -> None:
    bench.trail.record(happened(1))
    async with following(bench, **{"Last-Event-ID": "another-0"}) as stream_of_events:
        bench.trail.record(happened(2))

        assert json.loads((await stream_of_events.next())["data"])["number"] == 2


async def test_who_was_away_for_too_long_is_told_how_much_is_lost(bench: Bench) -> None:
    for number in range(10_050):
        bench.trail.record(happened(number))

    async with following(bench, "?after=0") as stream_of_events:
        missed = await stream_of_events.next("missed")
        first = await stream_of_events.next()

    assert json.loads(missed["data"]) == {"events": 50}
    assert json.loads(first["data"])["number"] == 51


async def test_a_change_of_anything_that_is_shown_is_told(bench: Bench) -> None:
    async with following(bench) as stream_of_events:
        bench.streams.connected = [stream(1, "edge-1")]

        assert await stream_of_events.next("state")


async def test_a_wrong_question_is_refused_before_the_stream_begins(bench: Bench) -> None:
    status, document = await bench.request("/api/v1/events?source=moon", headers=STREAM)

    assert status == 400
    assert "there is none called 'moon'" in str(document["error"])


async def test_there_is_an_end_to_the_number_of_streams(bench: Bench) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        url = f"{bench.url}/api/v1/events"
        answers = await asyncio.gather(*(session.get(url, headers=STREAM) for _ in range(live.CLIENTS)))

        status, document = await bench.request("/api/v1/events", headers=STREAM)
        answers[0].close()

        async def room() -> bool:
            async with session.get(url, headers=STREAM) as answer:
                return answer.status == 200

        assert {answer.status for answer in answers} == {200}
        assert status == 503
        assert "are open already" in str(document["error"])
        await eventually(room, what="the place of one that has gone")
        for answer in answers:
            answer.close()


async def test_streams_end_when_the_bridge_stops() -> None:
    bench = Bench()
    server = bench.server()
    bench.url = f"http://127.0.0.1:{await server.start()}"
    async with following(bench) as stream_of_events:
        await asyncio.gather(server.stop(), stream_of_events.answer.content.read())

        assert stream_of_events.answer.content.at_eof()
