"""`xds-bridge endpoints`, of an admin server over fakes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from bridge.history import Age
from bridge.merge import Service
from bridge.model import EndpointKey, Health, InstanceId, Scope, ServiceName, SetAside
from bridge.registry import ReportedSetAside
from support.admin_bench import Bench
from support.admin_fakes import DC1, served
from support.cli import Outcome, commands, fields

WEB = ServiceName("web")

Endpoints = Callable[..., Awaitable[Outcome]]


@pytest.fixture
async def endpoints(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Endpoints]:
    with commands(capsys, monkeypatch) as command:
        yield lambda *options: asyncio.to_thread(command, "endpoints", "--admin", bench.url, *options)


async def test_what_is_served_is_shown_beside_what_is_reported(bench: Bench, endpoints: Endpoints) -> None:
    drained = replace(served("10.0.0.2", Health.DRAINING), reported=Health.HEALTHY, weight=6)
    bench.knowledge.put(Service(WEB, (served("10.0.0.1"), drained)))
    day = time.time() - 86_400
    bench.history.ages = {WEB: {EndpointKey("10.0.0.1", 80): Age(day - 7200, day - 7200)}}

    outcome = await endpoints()

    assert (outcome.status, outcome.error) == (0, "")
    reporter = "dc1 (dc1/web web-1)"
    assert [fields(line) for line in outcome.output.splitlines()[1:]] == [
        ["web", "10.0.0.1:80", "healthy", "3", "0", "eu/eu-a/rack", reporter, "1 d 2 h"],
        [
            *("web", "10.0.0.2:80", "draining (healthy reported)", "3 (6 served)", "0", "eu/eu-a/rack"),
            *(reporter, "not served yet", "drained by an operator"),
        ],
    ]


async def test_more_than_a_page_is_shown_whole(bench: Bench, endpoints: Endpoints) -> None:
    many = [served(f"10.0.{number // 250}.{number % 250}") for number in range(1500)]
    bench.knowledge.put(Service(WEB, tuple(sorted(many, key=lambda each: each.endpoint.key))))

    outcome = await endpoints("web", "-o", "json")

    found = [each["endpoint"]["address"] for each in json.loads(outcome.output)["endpoints"]]
    assert found == sorted(each.endpoint.address for each in many)


async def test_those_are_shown_that_are_asked_for(bench: Bench, endpoints: Endpoints) -> None:
    bench.knowledge.put(Service(WEB, (served("10.0.0.1"), served("10.0.0.2", Health.UNHEALTHY))))

    some = await endpoints("web", "--health", "unhealthy", "--source", "dc1", "--zone", "eu-a", "-o", "json")
    none = await endpoints("--source", "local")

    assert [each["endpoint"]["address"] for each in json.loads(some.output)["endpoints"]] == ["10.0.0.2"]
    assert (none.status, none.output) == (0, "there are no such endpoints\n")


async def test_what_there_is_not_is_told_with_what_there_is(bench: Bench, endpoints: Endpoints) -> None:
    bench.knowledge.put(Service(WEB, (served("10.0.0.1"),)))

    service, zone, health = await endpoints("wbe"), await endpoints("--zone", "x"), await endpoints("--health", "bad")

    assert (service.status, service.error) == (1, "there is no service 'wbe'; did you mean 'web'?\n")
    assert (zone.status, zone.error) == (1, "zone: there is none called 'x'; there are eu-a\n")
    assert health.status == 2


async def test_that_something_cannot_be_served_is_told_with_who_says_why(bench: Bench, endpoints: Endpoints) -> None:
    bench.knowledge.put(Service(WEB, (served("10.0.0.1"),)))
    bench.knowledge.aside = (ReportedSetAside(DC1, Scope("s"), SetAside(InstanceId("i"), "10.0.0.1:0", "port 0")),)

    of_one, of_all, as_json = await endpoints("web"), await endpoints(), await endpoints("web", "-o", "json")

    assert of_one.output.endswith("! 1 entry cannot be served\n    $ xds-bridge explain web\n")
    assert of_all.output.endswith("! 1 entry cannot be served\n    $ xds-bridge status\n")
    assert json.loads(as_json.output)["set_aside"] == 1


async def test_what_a_source_says_cannot_move_the_cursor(bench: Bench, endpoints: Endpoints) -> None:
    bench.knowledge.put(Service(ServiceName("\x1b[2Jweb"), (served("10.0.0.1"),)))

    outcome = await endpoints()

    assert "\x1b" not in outcome.output
    assert "\\x1b[2Jweb" in outcome.output
