"""What `explain` prints of what the API says, and what it exits with."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from ruamel.yaml import YAML

from bridge.audit import Action, Event
from bridge.merge import Policy as MergeRule
from bridge.merge import Report, Ruling, Service
from bridge.model import InstanceId, Scope, ServiceName, SetAside
from bridge.provenance import Sighting, Statement, Verdict
from bridge.registry import ReportedSetAside
from support.admin_bench import Bench, admin_bench
from support.admin_fakes import DC1, LOCAL, ORIGIN, served
from support.cli import Command, Outcome
from xds import CLUSTER, ENDPOINT, Node, Progress, Receipt, Receiver, Resource, Snapshot

WEB = ServiceName("web")
SHOWN = (
    Snapshot().replace(CLUSTER.url, [Resource("web", b"", "c1")]).replace(ENDPOINT.url, [Resource("web", b"", "e1")])
)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with admin_bench() as bench:
        bench.serving.snapshot = SHOWN
        bench.knowledge.put(Service(WEB, (served("10.0.0.1"),), ruling=Ruling(MergeRule.UNION)))
        yield bench


async def explain(bench: Bench, command: Command, target: str, *options: str) -> Outcome:
    return await asyncio.to_thread(command, "explain", target, "--admin", bench.url, *options)


def seen(verdict: Verdict, reason: str = "") -> Statement:
    raw = (("team", "blue"), ("x", "\x1b[2J"))
    found = Sighting(Scope("dc1/web"), InstanceId("web-1"), ("web",), "10.0.0.1:80", verdict, reason, raw)
    return Statement("3 services", (found,), more=2)


def receiver(node: str, progress: Progress, message: str = "") -> Receiver:
    receipt = Receipt(type_url=CLUSTER.url, progress=progress, rejection=message)
    return Receiver(node=Node(node), peer="ipv4:127.0.0.1:1", view="default", receipts=(receipt,))


async def test_the_story_is_told_in_order_and_ends_with_what_it_amounts_to(bench: Bench, command: Command) -> None:
    bench.inquiry.answers = {DC1: seen(Verdict.REPORTED), LOCAL: "broken file"}
    bench.streams.receiving = (receiver("edge-1", Progress.SYNCED), receiver("edge-2", Progress.BEHIND))
    bench.trail.record(Event(0.0, Action.ADDED, "a read shows it", "dc1", "dc1/web", "web", "10.0.0.1:80"))

    outcome = await explain(bench, command, "web")

    order = [
        "source dc1 (consul): looked through 3 services",
        "reported  web  10.0.0.1:80  web-1  [dc1/web]",
        "team=blue",
        "and 2 more",
        "source local (file): broken file",
        "service web: merged by union",
        "10.0.0.1:80  healthy",
        "1 of 2 (edge-1)",
        "1970-01-01 00:00:00 UTC  added",
        "10.0.0.1:80 is served in web",
    ]
    assert outcome.status == 0
    places = [outcome.output.index(text) for text in order]
    assert places == sorted(places)
    assert "\x1b" not in outcome.output


async def test_what_is_not_served_exits_with_1_and_says_why(bench: Bench, command: Command) -> None:
    bench.knowledge.known.clear()
    bench.inquiry.answers = {DC1: seen(Verdict.SET_ASIDE, "port 0 is not between 1 and 65535")}
    bench.knowledge.aside = (ReportedSetAside(DC1, Scope("s"), SetAside(InstanceId("web-1"), "10.0.0.1:0", "port 0")),)
    bench.knowledge.reported[WEB] = [Report(served("10.0.0.9").endpoint, ORIGIN)]

    outcome = await explain(bench, command, "web")

    assert outcome.status == 1
    assert "    because: port 0 is not between 1 and 65535\n" in outcome.output
    assert "  set aside: 10.0.0.1:0 of dc1: port 0\n" in outcome.output
    assert "  not served: 10.0.0.9:80 of dc1: it is not merged yet\n" in outcome.output
    last = outcome.output.splitlines()[-1]
    assert last.startswith("not served: dc1 says: port 0 is not between 1 and 65535 — mend it there")


async def test_an_envoy_that_refuses_it_exits_with_1_and_its_message(bench: Bench, command: Command) -> None:
    bench.streams.receiving = (receiver("edge-1", Progress.REJECTED, "bad\ncluster"),)

    outcome = await explain(bench, command, "web")

    assert outcome.status == 1
    assert "  edge-1 refused the CDS: bad cluster\n" in outcome.output


async def test_an_unknown_name_exits_with_1_and_the_nearest(bench: Bench, command: Command) -> None:
    outcome = await explain(bench, command, "wbe")

    assert (outcome.status, outcome.output) == (1, "")
    assert "did you mean web?" in outcome.error


async def test_json_and_yaml_are_what_the_api_says(bench: Bench, command: Command) -> None:
    as_json = json.loads((await explain(bench, command, "web", "-o", "json")).output)
    as_yaml = YAML(typ="safe").load((await explain(bench, command, "web", "-o", "yaml")).output)

    assert as_json == as_yaml
    assert as_json["story"]["target"] == "web"
    document = await bench.get("/api/v1/explain?target=web")
    assert as_json["conclusion"] == document["conclusion"]
    (listed,), (told,) = as_json["story"]["services"], document["story"]["services"]  # type: ignore[index]  # it is a mapping
    assert [each["endpoint"].keys() for each in listed["endpoints"]] == [
        each["endpoint"].keys() for each in told["endpoints"]
    ], "with every field"


def test_without_a_bridge_it_exits_with_3_and_says_where_it_looked(command: Command) -> None:
    outcome = command("explain", "web", "--admin", "http://127.0.0.1:1")

    assert outcome.status == 3
    assert outcome.error == "cannot reach a bridge on http://127.0.0.1:1 (Connection refused)\n"


def test_an_empty_target_is_wrong_usage(command: Command) -> None:
    outcome = command("explain", "")

    assert outcome.status == 2
    assert "name a service, or an address such as 10.0.0.7:8080" in outcome.error
