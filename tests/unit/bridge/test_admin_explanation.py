from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bridge.audit import Action, Event
from bridge.config import ViewRule
from bridge.history import Age
from bridge.merge import Candidate, Origin, Policy, Report, Ruling, ServedEndpoint, Service, Share, Standing, Vote
from bridge.model import (
    Endpoint,
    EndpointKey,
    Health,
    InstanceId,
    Scope,
    ServiceName,
    SetAside,
    SourceName,
    UpstreamProtocol,
)
from bridge.operator import Drain, Pause
from bridge.outage import Failure
from bridge.provenance import Question, Sighting, Statement, Verdict
from bridge.registry import ReportedSetAside
from bridge.views import ShownView
from support.admin_bench import Bench, admin_bench
from support.admin_fakes import DC1, LOCAL, ORIGIN, served
from xds import CLUSTER, ENDPOINT, Node, Progress, Receipt, Receiver, Resource, Snapshot

WEB = ServiceName("web")
KEY = EndpointKey("10.0.0.1", 80)
SHOWN = (
    Snapshot().replace(CLUSTER.url, [Resource("web", b"c", "c1")]).replace(ENDPOINT.url, [Resource("web", b"e", "e1")])
)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with admin_bench() as bench:
        bench.serving.snapshot = SHOWN
        yield bench


def seen(verdict: Verdict, reason: str = "", instance: str = "web-1", reported: str = "10.0.0.1:80") -> Statement:
    found = Sighting(Scope("dc1/web"), InstanceId(instance), ("web",), reported, verdict, reason, (("team", "blue"),))
    return Statement("3 services", (found,))


def receiver(node: str, cluster: Progress, endpoints: Progress = Progress.SYNCED, message: str = "") -> Receiver:
    receipts = (
        Receipt(type_url=CLUSTER.url, progress=cluster, rejection=message),
        Receipt(type_url=ENDPOINT.url, progress=endpoints),
    )
    return Receiver(node=Node(node, "edge"), peer="ipv4:127.0.0.1:1", view="default", receipts=receipts)


def put(bench: Bench, *endpoints: ServedEndpoint, ruling: Ruling | None = None) -> None:
    bench.knowledge.put(Service(WEB, endpoints, ruling=ruling or Ruling(Policy.UNION)))


async def conclusion(bench: Bench, target: str = "10.0.0.1:80", *, finding: bool) -> str:
    document = await bench.get(f"/api/v1/explain?target={target}")
    assert document["finding"] is finding
    return str(document["conclusion"])


async def test_a_large_service_is_counted_whole_and_told_in_part(bench: Bench) -> None:
    put(bench, *(served(f"10.0.{number // 200}.{number % 200 + 1}") for number in range(250)))

    document = await bench.get("/api/v1/explain?target=web")

    assert "250 endpoints, 250 of them healthy" in str(document["conclusion"])
    (told,) = document["story"]["services"]  # type: ignore[index]  # it is a mapping
    assert (len(told["endpoints"]), told["more"]) == (100, 150)


async def test_an_endpoint_that_all_is_well_with(bench: Bench) -> None:
    put(bench, served("10.0.0.1"))
    bench.history.ages[WEB] = {KEY: Age(0.0, 0.0), EndpointKey("10.0.0.1", 80): Age(1.0, 1.0)}
    bench.streams.receiving = (receiver("a", Progress.SYNCED), receiver("b", Progress.BEHIND))

    said = await conclusion(bench, finding=False)

    assert said == (
        "10.0.0.1:80 is served in web since 1970-01-01 00:00:01 UTC; "
        "1 of 2 Envoys that asked for it have it as it is now, b has not answered yet"
    )


async def test_an_envoy_without_ads_is_one_envoy_that_has_it_when_all_its_streams_do(bench: Bench) -> None:
    put(bench, served("10.0.0.1"))
    streams = [
        replace(each, receipts=(receipt,))
        for each in (receiver("a", Progress.SYNCED), receiver("b", Progress.SYNCED, Progress.BEHIND))
        for receipt in each.receipts
    ]
    bench.streams.receiving = tuple(streams)

    said = await conclusion(bench, finding=False)

    assert "1 of 2 Envoys that asked for it have it as it is now, b has not answered yet" in said


async def test_the_story_has_the_raw_labels_the_versions_and_the_events(bench: Bench) -> None:
    put(bench, served("10.0.0.1"), served("10.0.0.2"))
    bench.inquiry.answers = {DC1: seen(Verdict.REPORTED), LOCAL: "its type of source cannot be asked"}
    for number in range(20):
        bench.trail.record(Event(float(number), Action.CHANGED, "why", service="web", endpoint="10.0.0.1:80"))

    story = (await bench.get("/api/v1/explain?target=web"))["story"]

    assert isinstance(story, dict)
    dc1, local = story["sources"]
    assert dc1["sightings"][0]["raw"] == {"team": "blue"}
    assert local["unanswered"] == "its type of source cannot be asked"
    [service] = story["services"]
    [view] = service["views"]
    assert (view["cluster_version"], view["endpoints_version"]) == ("c1", "e1")
    assert view["cds_version"] == SHOWN.version(CLUSTER.url)
    assert [event["at"] for event in story["events"]] == [float(number) for number in range(10, 20)]
    assert bench.inquiry.asked == [Question(service="web")]


async def test_a_mistake_is_told_with_who_has_to_mend_it(bench: Bench) -> None:
    bench.inquiry.answers = {DC1: seen(Verdict.SET_ASIDE, "xds-weight 'abc' is no number")}

    said = await conclusion(bench, finding=True)

    assert said == "not served: dc1 says: xds-weight 'abc' is no number — mend it there"


async def test_what_is_left_out_is_told_with_the_rule(bench: Bench) -> None:
    bench.inquiry.answers = {DC1: seen(Verdict.LEFT_OUT, "`filter` does not select it")}

    assert await conclusion(bench, finding=True) == "not served: dc1 leaves web-1 out: `filter` does not select it"


async def test_a_mistake_is_told_also_when_the_source_does_not_answer(bench: Bench) -> None:
    put(bench)
    bench.inquiry.answers = {DC1: "no connection"}
    bench.knowledge.aside = (ReportedSetAside(DC1, Scope("s"), SetAside(InstanceId("i"), "10.0.0.1:80", "twice")),)

    assert await conclusion(bench, "web", finding=True) == "not served: dc1 says: twice — mend it there"


async def test_what_a_source_spells_otherwise_is_told_by_its_instance(bench: Bench) -> None:
    put(bench, served("10.0.0.2"))
    bench.inquiry.answers = {DC1: seen(Verdict.SET_ASIDE, "port 0", "task/app", "app:0")}
    entries = (SetAside(InstanceId("task/app"), "app:0", "port 0"), SetAside(InstanceId("other"), "app:0", "port 0"))
    bench.knowledge.aside = tuple(ReportedSetAside(DC1, Scope("s"), entry) for entry in entries)

    story = (await bench.get("/api/v1/explain?target=10.0.0.1:80"))["story"]

    assert isinstance(story, dict)
    ((aside,),) = (service["set_aside"] for service in story["services"])
    assert aside["instance"] == "task/app"


async def test_an_entry_of_a_file_is_told_by_its_address_beside_those_that_are_served(bench: Bench) -> None:
    put(bench, ServedEndpoint(Endpoint("10.0.0.1", 80), (Origin(LOCAL, Scope("f"), InstanceId(""), 1.0),)))
    right, wrong = seen(Verdict.REPORTED, instance=""), seen(Verdict.SET_ASIDE, "twice", "", "10.0.0.2:80")
    bench.inquiry.answers = {LOCAL: Statement("f", (*wrong.sightings, *right.sightings))}

    said = await conclusion(bench, "web", finding=False)

    assert said.endswith("; beside it, 1 is not served: local says: twice — mend it there")


async def test_each_bad_port_of_an_instance_is_told_beside_the_good_one(bench: Bench) -> None:
    put(bench, served("10.0.0.1"))
    ports = (
        ("10.0.0.1:80", Verdict.REPORTED, ""),
        ("10.0.0.1:0", Verdict.SET_ASIDE, "port 0"),
        ("10.0.0.1:99999", Verdict.SET_ASIDE, "port 99999"),
    )
    sightings = [seen(verdict, reason, "web-1", place).sightings[0] for place, verdict, reason in ports]
    bench.inquiry.answers = {DC1: Statement("1 service", tuple(sightings))}

    said = await conclusion(bench, "web", finding=False)

    assert said.endswith("; beside it, 2 are not served: dc1 says: port 0 — mend it there")


async def test_an_envoy_that_refuses_it_goes_before_everything_else(bench: Bench) -> None:
    put(bench, served("10.0.0.1"))
    message = 'name: "web" health_checks { }\n}\n: Proto constraint validation failed (Timeout: value is required)'
    bench.streams.receiving = (receiver("a", Progress.SYNCED), receiver("b", Progress.REJECTED, message=message))

    said = await conclusion(bench, finding=True)

    assert said == (
        "web: b refuses the CDS of default: Proto constraint validation failed (Timeout: value is required)"
        " — mend the cluster's template (`services[].cluster`, `cluster_defaults`)"
    )


async def test_a_source_in_reserve_is_told_with_the_one_that_is_served(bench: Bench) -> None:
    ruling = Ruling(Policy.FIRST, candidates=(Candidate(LOCAL, 1, 1), Candidate(DC1, 1, 1)), chosen=LOCAL)
    put(bench, served("10.0.0.2"), ruling=ruling)
    bench.knowledge.reported[WEB] = [Report(served("10.0.0.1").endpoint, ORIGIN)]
    bench.inquiry.answers = {DC1: seen(Verdict.REPORTED)}

    document = await bench.get("/api/v1/explain?target=10.0.0.1:80")

    assert document["finding"] is True
    assert "the policy `first` serves local and keeps dc1 in reserve" in str(document["story"])


@pytest.mark.parametrize(
    ("endpoint", "note"),
    [
        (
            ServedEndpoint(Endpoint("10.0.0.1", 80), (ORIGIN, Origin(LOCAL, Scope("f"), InstanceId(""), 1.0))),
            "local reports it too; the source that stands first in the configuration wins an address: dc1",
        ),
        (
            ServedEndpoint(Endpoint("10.0.0.1", 80), (Origin(DC1, Scope("s"), InstanceId("i"), 1.0, Standing.HELD),)),
            "dc1 no longer reports it; the guard holds it (loss)",
        ),
        (
            ServedEndpoint(Endpoint("10.0.0.1", 80, Health.DRAINING), (ORIGIN,), reported=Health.HEALTHY),
            "an operator drains 10.0.0.1:80 until 1970-01-01 00:00:09 UTC (anna): it gets no new requests",
        ),
        (
            ServedEndpoint(
                Endpoint("10.0.0.1", 80), (Origin(DC1, Scope("s"), InstanceId("i"), 1.0, Standing.RESTORED),)
            ),
            "known from before the restart; dc1 has not told of it since",
        ),
    ],
)
async def test_each_rule_that_has_a_say_is_noted(bench: Bench, endpoint: ServedEndpoint, note: str) -> None:
    put(bench, endpoint)
    bench.operation.drained = (Drain(KEY, 9.0, "anna"),)

    assert note in await conclusion(bench, finding=False)


async def test_what_is_held_and_who_cannot_be_read_is_in_the_last_line(bench: Bench) -> None:
    held = Origin(DC1, Scope("s"), InstanceId("i"), 1.0, Standing.HELD)
    put(bench, served("10.0.0.1"), ServedEndpoint(Endpoint("10.0.0.2", 80), (held,)))
    bench.reading.failures = {LOCAL: (Failure("", "refused", 1.0, 1),)}

    said = await conclusion(bench, "web", finding=False)

    assert said == (
        "web is served with 2 endpoints, 2 of them healthy; no Envoy asks for it; "
        "1 held by the guard, no longer reported (`xds-bridge guard list`); "
        "local cannot be read, so what was known last is served"
    )


async def test_a_weight_of_0_and_a_pause_are_noted(bench: Bench) -> None:
    put(
        bench,
        served("10.0.0.1"),
        ruling=Ruling(Policy.WEIGHTED, shares=(Share(DC1, 0, counts=True), Share(LOCAL, 1, counts=True))),
    )
    bench.operation.paused_sources[DC1] = Pause(DC1, 0.0, "anna")

    story = (await bench.get("/api/v1/explain?target=web"))["story"]

    assert "dc1 has the weight 0 in `weights`, so it is drained" in str(story)
    assert "dc1 is paused since 1970-01-01 00:00:00 UTC by anna: what it says now counts for nothing" in str(story)


async def test_a_view_that_does_not_show_it_says_which_globs(bench: Bench) -> None:
    put(bench, served("10.0.0.1"))
    bench.serving.views = {"views[0]": Snapshot()}
    bench.rules.views = (ViewRule(services=("api-*",)), ViewRule(services=("db",)), ViewRule())

    story = (await bench.get("/api/v1/explain?target=web"))["story"]

    assert isinstance(story, dict)
    views = {view["view"]: view["reason"] for view in story["services"][0]["views"] if not view["shown"]}
    assert views == {
        "views[0]": "`services` of views[0] (api-*) does not match it",
        "views[1]": "`services` of views[1] (db) does not match it",
    }


async def test_a_view_that_no_envoy_can_have_is_not_told_of(bench: Bench) -> None:
    put(bench, served("10.0.0.1"))
    bench.serving.other = [ShownView("views[0]", 0, "", Snapshot())]
    bench.rules.views = (ViewRule(services=("api-*",)),)

    document = await bench.get("/api/v1/explain?target=web")

    assert document["finding"] is True
    assert str(document["conclusion"]).endswith("; not shown in views[0]")


async def test_what_merging_gives_an_endpoint_is_noted(bench: Bench) -> None:
    shares = (Share(DC1, 3, counts=True), Share(LOCAL, 1, counts=True))
    put(bench, replace(served("10.0.0.1"), weight=999), ruling=Ruling(Policy.WEIGHTED, shares=shares))
    weighted = await conclusion(bench, finding=False)
    put(bench, replace(served("10.0.0.1"), priority=1), ruling=Ruling(Policy.FAILOVER))
    failover = await conclusion(bench, finding=False)

    assert "(the policy `weighted` gives dc1 75 % of the requests; its own weight is 3)" in weighted
    assert "(the policy `failover` gives dc1 the priority 1)" in failover


async def test_protocols_that_are_disputed_are_told(bench: Bench) -> None:
    votes = (Vote(UpstreamProtocol.HTTP2, DC1), Vote(UpstreamProtocol.HTTP1, LOCAL))
    bench.knowledge.put(Service(WEB, (served("10.0.0.1"),), votes=frozenset(votes)))

    assert "its endpoints do not agree whether they speak" in await conclusion(bench, "web", finding=False)


async def test_a_cluster_that_is_kept_empty_says_until_when(bench: Bench) -> None:
    put(bench)
    bench.knowledge.gone = {WEB: 60.0}

    said = await conclusion(bench, "web", finding=True)

    assert "no source has one now, and its cluster goes 1970-01-01 00:01:00 UTC" in said


async def test_all_envoys_that_refuse_it_are_counted_and_some_are_named(bench: Bench) -> None:
    put(bench, served("10.0.0.1"))
    bench.streams.receiving = tuple(receiver(f"e{number}", Progress.REJECTED) for number in range(200))

    document = await bench.get("/api/v1/explain?target=web")

    assert "web: e0 and 199 more refuse the CDS of default" in str(document["conclusion"])
    (service,) = document["story"]["services"]  # type: ignore[index]  # it is a mapping
    (view,) = service["views"]
    assert (len(view["refused"]), view["refused_count"]) == (20, 200)


async def test_a_draining_endpoint_that_is_not_named_is_told(bench: Bench) -> None:
    put(bench, served("10.0.0.1", Health.DRAINING), served("10.0.0.2"))

    said = await conclusion(bench, finding=False)

    assert "10.0.0.1:80 is draining and not named to them" in said


async def test_before_envoys_are_answered_that_is_why(bench: Bench) -> None:
    put(bench, served("10.0.0.1"))
    bench.readiness.silent = {SourceName("dc1"): "its first read"}

    said = await conclusion(bench, finding=True)

    assert said == "not served: Envoys are answered once dc1 has spoken (its first read)"


async def test_an_address_that_is_nowhere_says_where_was_looked_and_what_is_near(bench: Bench) -> None:
    put(bench, served("10.0.0.1"))
    bench.inquiry.answers = {DC1: Statement("3 services"), LOCAL: "broken file"}
    bench.reading.failures[LOCAL] = (Failure("", "line 3 is no YAML", since=0.0, attempts=1),)

    said = await conclusion(bench, "10.0.0.1:81", finding=True)

    assert said == (
        "10.0.0.1:81 is nowhere (dc1: 3 services); it may be there all the same: local fails (line 3 is no YAML)"
        "; did you mean 10.0.0.1:80?"
    )


async def test_a_service_that_nobody_knows_is_not_found_with_the_nearest_names(bench: Bench) -> None:
    put(bench, served("10.0.0.1"))
    bench.inquiry.answers = {DC1: Statement("3 services", nearest=("wbee",))}

    status, document = await bench.request("/api/v1/explain?target=wbe")

    assert status == 404
    assert document["error"] == (
        "wbe is nowhere (dc1: 3 services); it may be there all the same: local does not say (it was not asked)"
        "; did you mean wbee or web?"
    )


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "target: the name of a service, or an address as IP:PORT"),
        ("?target=", "target: the name of a service, or an address as IP:PORT"),
        ("?target=a&target=b", "target: is given twice"),
        ("?service=web", "there is no parameter 'service'; there are target"),
    ],
)
async def test_a_wrong_question_is_answered_with_what_is_allowed(bench: Bench, query: str, told: str) -> None:
    status, document = await bench.request(f"/api/v1/explain{query}")

    assert status == 400
    assert told in str(document["error"])
    assert bench.inquiry.asked == []
