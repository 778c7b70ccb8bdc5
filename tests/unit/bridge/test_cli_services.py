"""What `services` and `events` print of what the API says."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from ruamel.yaml import YAML

from bridge.audit import Action, Event
from bridge.config import ServiceRule
from bridge.merge import First, MergePolicy, Report, Standing, failover, merged, union
from bridge.model import Health, Scope, ServiceName
from bridge.registry import RefusedService
from support.admin_bench import Bench
from support.cli import Command, Outcome
from support.reports import report, reports


async def shown(bench: Bench, command: Command, *arguments: str) -> Outcome:
    return await asyncio.to_thread(command, *arguments, "--admin", bench.url)


def put(bench: Bench, name: str, policy: MergePolicy, *found: Report) -> None:
    bench.knowledge.put(merged(ServiceName(name), found, policy, None, 0.0))


def row(outcome: Outcome, service: str) -> list[str]:
    """The cells of a service's row."""
    (line,) = [line for line in outcome.output.splitlines() if line.startswith(f"{service} ")]
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


async def test_priorities_are_told_in_their_order(bench: Bench, command: Command) -> None:
    put(bench, "web", failover, *reports({"vms": "hu", "ecs": "h"}))

    assert row(await shown(bench, command, "services"), "web") == [
        *("web", "failover", "default", "2/3", "vms 2 at priority 0, ecs 1 at priority 1"),
    ]


async def test_the_source_in_use_and_those_in_reserve_are_told(bench: Bench, command: Command) -> None:
    bench.rules.services = (ServiceRule(match="*"),)
    put(bench, "web", First(30.0), *reports({"vms": "u", "ecs": "hh", "dc1": "h"}))

    assert row(await shown(bench, command, "services"), "web") == [
        *("web", "first", "services[0] *", "2/2", "vms nothing available, ecs 2 in use, dc1 1 in reserve"),
        "vms is first and not in use",
    ]


async def test_what_is_odd_is_told_in_the_remarks(bench: Bench, command: Command) -> None:
    put(bench, "old", union)
    bench.knowledge.gone = {ServiceName("old"): 1_700_000_000.0}
    found = merged(ServiceName("web"), reports({"vms": "hh"}), union, None, 0.0)
    first, second = found.endpoints
    held = replace(first, origins=(replace(first.origins[0], standing=Standing.HELD),), reported=Health.HEALTHY)
    restored = replace(second, origins=(replace(second.origins[0], standing=Standing.RESTORED),))
    bench.knowledge.put(replace(found, endpoints=(held, restored)))

    outcome = await shown(bench, command, "services")

    assert row(outcome, "old")[-1] == "gone; kept empty until 2023-11-14 22:13:20 UTC"
    assert row(outcome, "web")[-1] == (
        "1 held (`xds-bridge guard list` says why), 1 known from before the restart and not read since, "
        "1 drained by an operator"
    )


async def test_a_glob_chooses_and_one_that_matches_nothing_fails(bench: Bench, command: Command) -> None:
    for name in ("web", "api"):
        put(bench, name, union, report("vms", "10.0.0.1"))

    chosen = await shown(bench, command, "services", "w*", "-o", "json")
    nothing = await shown(bench, command, "services", "wbe")

    assert '"name": "web"' in chosen.output
    assert '"name": "api"' not in chosen.output
    assert (nothing.status, nothing.error) == (1, "there is no service 'wbe'; did you mean 'web'?\n")


async def test_without_services_the_refused_ones_are_told(bench: Bench, command: Command) -> None:
    bench.knowledge.impossible = (RefusedService(Scope("s"), ServiceName("a\nb"), "holds a control character"),)

    outcome = await shown(bench, command, "services")

    assert outcome.output.startswith("there are no services\n")
    assert "holds a control character" in outcome.output
    assert "a\nb" not in outcome.output


async def test_an_event_is_a_line_whatever_is_in_it(bench: Bench, command: Command) -> None:
    bench.trail.record(Event(0.0, Action.SET_ASIDE, "no IP\naddress", "dc1", "s", "web", "db\x1b[2J:80", "i1"))
    bench.trail.record(Event(1.0, Action.OPERATED, "pause dc1, asked for by anna", "dc1"))

    outcome = await shown(bench, command, "events", "--limit", "2")

    first, second = outcome.output.splitlines()
    assert first.startswith("1970-01-01 00:00:00Z  set_aside  web db")
    assert first.endswith("(i1)  [dc1: s]  no IP address")
    assert "\x1b" not in first
    assert second == "1970-01-01 00:00:01Z  operated   [dc1]  pause dc1, asked for by anna"


@pytest.mark.parametrize("form", ["table", "json"])
async def test_no_end_of_line_of_any_alphabet_makes_two_lines_of_an_event(
    bench: Bench, command: Command, form: str
) -> None:
    why = "a\rb\u2028c\u2029d\x85e\x9b2Jf\vg\fh\x1ci"
    bench.trail.record(Event(0.0, Action.REJECTED, why, "dc1\x85", "s\u2028", "we\rb", "", "i\u2029"))

    outcome = await shown(bench, command, "events", "-o", form)

    (line,) = outcome.output.splitlines()
    assert line.isprintable()
    if form == "json":
        assert json.loads(line)["why"] == why


READ = (
    Event(0.0, Action.SET_ASIDE, "no IP\naddress", "dc1", "s", "web", "db\x1b[2J:80", "i1"),
    Event(1.0, Action.ADDED, "because: it is there", "dc1", "s", "web", "10.0.0.1:80", "on"),
)


def documents(text: str) -> list[dict[str, object]]:
    return list(YAML(typ="safe", pure=True).load_all(text))


async def test_an_event_is_a_line_of_json_or_a_document_of_yaml(bench: Bench, command: Command) -> None:
    for event in READ:
        bench.trail.record(event)

    as_json = await shown(bench, command, "events", "-o", "json")
    as_yaml = await shown(bench, command, "events", "-o", "yaml")

    lines = [json.loads(line) for line in as_json.output.splitlines()]
    assert [(each["number"], each["why"], each["endpoint"], each["instance"]) for each in lines] == [
        (number, event.why, event.endpoint, event.instance) for number, event in enumerate(READ, 1)
    ]
    assert documents(as_yaml.output) == lines
    assert as_yaml.output.count("---\n") == len(READ)
    assert "\x1b" not in as_json.output + as_yaml.output


@pytest.mark.parametrize("form", ["json", "yaml"])
async def test_without_events_there_is_no_document(bench: Bench, command: Command, form: str) -> None:
    outcome = await shown(bench, command, "events", "-o", form)

    assert (outcome.status, outcome.output, outcome.error) == (0, "", "nothing of that is remembered\n")


@asynccontextmanager
async def following(bench: Bench, form: str) -> AsyncIterator[asyncio.StreamReader]:
    """What `xds-bridge events --follow` prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "events", "--follow", "-o", form, "--admin", bench.url),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
async def test_who_follows_has_each_event_in_the_same_form_as_it_happens(bench: Bench, form: str) -> None:
    size = 10 if form == "yaml" else 1  # the mark and nine fields

    bench.trail.record(READ[0])
    async with following(bench, form) as told, asyncio.timeout(30):
        first = [(await told.readline()).decode() for _ in range(size)]
        bench.trail.record(READ[1])
        second = [(await told.readline()).decode() for _ in range(size)]

    texts = ["".join(first), "".join(second)]
    if form == "table":
        assert ["set_aside" in texts[0], "10.0.0.1:80" in texts[1]] == [True, True]
    else:
        found = [json.loads(text) if form == "json" else documents(text)[0] for text in texts]
        assert [(each["action"], each["instance"]) for each in found] == [("set_aside", "i1"), ("added", "on")]


@pytest.mark.parametrize("verb", ["services", "events"])
def test_an_address_that_is_no_url_is_wrong_usage(command: Command, verb: str) -> None:
    outcome = command(verb, "--admin", "127.0.0.1:19000")

    assert outcome.status == 2
    assert "is no URL" in outcome.error
