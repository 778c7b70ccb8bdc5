from collections.abc import AsyncIterator

import pytest

from bridge.audit import Action, Event
from bridge.merge import Service
from bridge.model import ServiceName
from support.admin_bench import Bench, admin_bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with admin_bench() as bench:
        bench.trail.record(Event(1.0, Action.ADDED, "a complete read shows it", "dc1", "s", "web", "10.0.0.1:80", "i1"))
        bench.trail.record(Event(2.0, Action.ADDED, "a complete read shows it", "dc1", "s", "api", "10.0.0.1:80", "i2"))
        bench.knowledge.put(Service(ServiceName("served")))
        bench.trail.record(Event(3.0, Action.OPERATED, "pause old, asked for by anna", "old"))
        yield bench


async def numbers(bench: Bench, query: str) -> list[int]:
    events = (await bench.get(f"/api/v1/events?{query}"))["events"]
    assert isinstance(events, list)
    return [event["number"] for event in events]


async def test_events_are_shown_whole_and_newest_last(bench: Bench) -> None:
    document = await bench.get("/api/v1/events")

    events = document.pop("events")
    assert document == {"trail": bench.trail.remembered().trail, "first": 1, "after": 3}
    assert isinstance(events, list)
    assert [event["number"] for event in events] == [1, 2, 3]
    assert events[0] == {
        "number": 1,
        "at": 1.0,
        "action": "added",
        "why": "a complete read shows it",
        "source": "dc1",
        "scope": "s",
        "service": "web",
        "endpoint": "10.0.0.1:80",
        "instance": "i1",
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("service=web", [1]),
        ("service=served", []),
        ("service=later&after=0", []),
        ("source=dc1", [1, 2]),
        ("source=old", [3]),
        ("endpoint=10.0.0.1:80", [1, 2]),
        ("endpoint=10.0.0.1:80&service=api", [2]),
        ("limit=2", [2, 3]),
        ("after=0&limit=2", [1, 2]),
        ("after=2", [3]),
        ("after=99", []),
    ],
)
async def test_a_query_selects(bench: Bench, query: str, expected: list[int]) -> None:
    assert await numbers(bench, query) == expected


async def test_asking_with_after_again_and_again_misses_nothing(bench: Bench) -> None:
    seen: list[int] = []
    after: object = 0
    for _ in range(4):
        document = await bench.get(f"/api/v1/events?after={after}&limit=1")
        assert isinstance(document["events"], list)
        seen += [event["number"] for event in document["events"]]
        after = document["after"]

    assert seen == [1, 2, 3]
    assert after == 3


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("sevice=web", "there is no parameter 'sevice'; there are service, source, endpoint, after, limit"),
        ("source=dc2", "source: there is none called 'dc2'; there are dc1, local, old"),
        ("source=dc1&source=old", "source: is given twice"),
        ("service=wbe", "service: neither served nor remembered is 'wbe'; did you mean 'web'?"),
        ("endpoint=web", "endpoint: 'web' is not written as IP:PORT, such as 10.0.0.7:8080 or [fd00::7]:80"),
        ("limit=0", "limit: '0' is not a number from 1 to 10000"),
        ("limit=", "limit: '' is not a number from 1 to 10000"),
        ("limit=10001", "limit: '10001' is not a number from 1 to 10000"),
        ("after=-1", "after: '-1' is not the number of an event, or 0"),
        ("after=x", "after: 'x' is not the number of an event, or 0"),
    ],
)
async def test_what_is_not_understood_is_refused_with_what_there_is(bench: Bench, query: str, error: str) -> None:
    assert await bench.request(f"/api/v1/events?{query}") == (400, {"error": error})
