"""`xds-bridge sources`, of an admin server over fakes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bridge.guard import Reason
from bridge.model import ServiceName
from bridge.operator import Pause
from bridge.outage import Failure
from bridge.poll import Calls, Poll
from bridge.registry import Hold
from bridge.supervisor import ReadingStatus
from support.admin_bench import Bench
from support.admin_fakes import DC1, LOCAL
from support.cli import Outcome, commands, fields

T = 1_700_000_000.0
THEN = "2023-11-14 22:13:20 UTC"

Sources = Callable[..., Awaitable[Outcome]]


@pytest.fixture
async def sources(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Sources]:
    with commands(capsys, monkeypatch) as command:
        yield lambda *options: asyncio.to_thread(command, "sources", "--admin", bench.url, *options)


async def test_sources_that_are_well_are_a_table_and_no_finding(sources: Sources) -> None:
    outcome = await sources()

    assert (outcome.status, outcome.error) == (0, "")
    success = f"{THEN}, 2 s ago"
    assert [fields(line) for line in outcome.output.splitlines()] == [
        ["source", "type", "required", "state", "last success", "services", "endpoints", "set aside", "held"],
        [
            "dc1",
            "consul",
            "yes",
            "fresh; restarted 1 time after a bug in its adapter",
            success,
            "0",
            "2 healthy",
            "0",
            "0",
        ],
        ["local", "file", "no", "fresh; restarted 1 time after a bug in its adapter", success, "0", "none", "0", "0"],
    ]


async def test_what_fails_and_what_is_held_is_a_finding(bench: Bench, sources: Sources) -> None:
    bench.reading.failures = {LOCAL: (Failure("web", "no\nfile", T + 1, 1), Failure("", "refused", T, 3))}
    failing = await sources()
    bench.reading.failures = {}
    bench.knowledge.held = (Hold(DC1, Reason.LOSS, "", T, 7, (ServiceName("web"),)),)
    held = await sources()

    assert (failing.status, held.status) == (1, 1)
    assert f"failing since {THEN}" in failing.output
    assert failing.output.splitlines()[-1] == f"! source local fails since {THEN}: refused"
    assert "! source local web fails since 2023-11-14 22:13:21 UTC: no" in failing.output
    assert fields(held.output.splitlines()[1])[-1] == "7 (loss)"


async def test_a_paused_source_is_shown_and_no_finding(bench: Bench, sources: Sources) -> None:
    bench.operation.paused_sources = {DC1: Pause(DC1, T, "anna")}

    outcome = await sources()

    assert outcome.status == 0
    assert f"paused since {THEN} by anna, has 7 endpoints by now" in outcome.output


async def test_a_source_of_which_a_part_was_never_read_says_which(bench: Bench, sources: Sources) -> None:
    read, unread = ReadingStatus("api", 4.0, 3.0, None), [ReadingStatus(name, None, None, None) for name in "abcde"]
    bench.reading.success = None

    bench.reading.readings = ()
    nothing = await sources()
    bench.reading.readings = (read, *unread)
    a_part = await sources()

    assert fields(nothing.output.splitlines()[1])[3].startswith("not read yet")
    assert fields(a_part.output.splitlines()[1])[3].startswith("fresh, but for a, b, c and 2 more, not answered yet")


async def test_what_polling_costs_is_shown_read_by_read(bench: Bench, sources: Sources) -> None:
    poll = Poll("self/eu-west-1", (Calls("ecs:ListTasks", 2),), configured=15, interval=90, budget=5)
    bench.reading.readings = (ReadingStatus("api", 4.0, 3700.0, None), ReadingStatus("web", None, None, poll))

    outcome = await sources()

    assert fields(outcome.output.split("\n\n")[1].splitlines()[1]) == [
        *("dc1", "web", "1 min 30 s, stretched from 15 s", "2 ecs:ListTasks"),
        *("5 calls a second in self/eu-west-1", "never"),
    ]


async def test_json_has_all_that_the_bridge_says(bench: Bench, sources: Sources) -> None:
    outcome = await sources("-o", "json")

    assert [source["name"] for source in json.loads(outcome.output)["sources"]] == ["dc1", "local"]
