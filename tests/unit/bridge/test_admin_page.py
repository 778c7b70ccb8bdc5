import asyncio
import re
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import quote

import aiohttp
import pytest

from bridge.audit import Action, Event
from bridge.guard import Reason
from bridge.merge import Origin, ServedEndpoint, Service
from bridge.model import Endpoint, Health, InstanceId, Locality, Scope, ServiceName, SetAside, SourceName
from bridge.operator import Drain, Pause
from bridge.outage import Failure
from bridge.registry import Hold, RefusedService, ReportedSetAside
from bridge.reload import ReloadOutcome, ReloadReport
from support.admin_bench import Bench, admin_bench
from support.admin_fakes import DC1, LOCAL, served, stream

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&"
PAGES = ("/", "/services", "/envoys", "/events", "/config")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with admin_bench() as bench:
        bench.knowledge.put(Service(ServiceName("web"), (served("10.0.0.1"), served("10.0.0.2", Health.UNHEALTHY))))
        yield bench


class _Found(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += f"{data} "


async def found(bench: Bench, path: str, status: int = 200) -> _Found:
    answered, page = await bench.text(path)
    assert answered == status, page
    return _Found(page)


def words(page: _Found) -> str:
    return " ".join(page.words.split())


@pytest.mark.parametrize("path", [*PAGES, "/services/web", "/services/none", "/services?zone=moon", "/static/page.css"])
async def test_nothing_of_a_page_comes_from_elsewhere_or_is_inline(bench: Bench, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(bench.url + path) as answer:
        headers, page = answer.headers, await answer.text()

    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "://" not in re.sub(r"xmlns=\"\S+\"", "", page)
    for tag, attributes in _Found(page).tags:
        assert tag != "style"
        assert not (tag == "script" and "src" not in attributes)
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_without_anything_to_show_is_still_a_page(path: str) -> None:
    async with admin_bench() as bench:
        page = await found(bench, path)

    assert "xds-bridge" in page.words
    assert [attributes["href"] for tag, attributes in page.tags if attributes.get("aria-current") == "page"] == [path]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_pages_are_read_and_nothing_else(bench: Bench, method: str) -> None:
    status, _document = await bench.request("/services", method)

    assert status == 405


async def test_the_overview_says_how_it_is_in_numbers(bench: Bench) -> None:
    bench.metrics.quantile = 0.0123
    bench.streams.connected = [stream(1, "edge-1"), stream(2, "edge-2")]
    bench.trail.record(Event(at=1.0, action=Action.ADDED, why="", service="web", endpoint="10.0.0.1:80"))

    shown = words(await found(bench, "/"))

    assert "Ready yes" in shown
    assert "Sources fresh 2 of 2" in shown
    assert "Endpoints healthy 1 of 2" in shown
    assert "Envoys in sync 0 of 2" in shown
    assert "Propagation p99 12 ms" in shown
    assert "added 10.0.0.1:80 of web" in shown


async def test_the_picture_says_in_words_what_it_shows(bench: Bench) -> None:
    picture = next(
        attributes for tag, attributes in (await found(bench, "/")).tags if attributes.get("class") == "flow"
    )

    assert picture["aria-label"] == "2 sources report 1 services with 2 endpoints, of which 1 are healthy, to 0 Envoys."


async def test_when_all_is_well_nothing_asks_for_a_person() -> None:
    async with admin_bench() as bench:
        shown = await found(bench, "/")

    assert "Nothing needs a person" in shown.words


async def test_what_a_person_should_look_at_stands_first_with_its_command(bench: Bench) -> None:
    bench.readiness.silent = {LOCAL: "a first endpoint"}
    bench.knowledge.held = (Hold(DC1, Reason.EMPTIED, "", 1.0, 7, (ServiceName("web"),)),)
    bench.reading.failures = {LOCAL: (Failure("", "refused", 1.0, 3, ("ec2:DescribeInstances",)),)}
    bench.streams.connected = [stream(1, "edge 1"), stream(2, "edge-2")]
    bench.reloads.report = ReloadReport(1.0, ReloadOutcome(2.0, ok=False, by="SIGHUP", error="no", losses=("web",)))
    bench.operation.paused_sources = {DC1: Pause(DC1, 1.0, "anna")}
    bench.operation.drained = (Drain(ServiceName("web"), 2.0, "anna"),)
    bench.operation.aged = frozenset({LOCAL})

    page = words(await found(bench, "/"))

    assert "8 things to look at" in page
    for command in (
        "xds-bridge check --live",
        "xds-bridge guard list",
        "xds-bridge guard release local",
        "xds-bridge envoys 'edge 1'",
        "xds-bridge reload --accept-loss",
        "xds-bridge iam-policy",
        "xds-bridge resume dc1",
        "xds-bridge undrain web",
    ):
        assert command in page
    assert "7 of its 9 endpoints held since 1970-01-01 00:00:01 UTC (web)" in page
    assert "Rejects clusters and stays with what it accepted before: bad. So does 1 other Envoy." in page
    assert page.index("guard list") < page.index("iam-policy") < page.index("undrain web")


async def test_what_is_set_aside_is_told_with_the_reason_and_the_way_to_it(bench: Bench) -> None:
    entry = SetAside(InstanceId("i-1"), "10.0.0.9:0", "port 0 cannot be served")
    bench.knowledge.aside = (ReportedSetAside(DC1, Scope("dc1"), entry),)

    overview = await found(bench, "/")
    service = words(await found(bench, "/services/web"))

    assert "10.0.0.9:0 of dc1 is set aside: port 0 cannot be served" in words(overview)
    assert "/services/web#set-aside" in [attributes.get("href") for _, attributes in overview.tags]
    assert "10.0.0.9:0 i-1 dc1 dc1 port 0 cannot be served" in service


async def test_a_service_is_shown_with_each_endpoint_and_who_reports_it(bench: Bench) -> None:
    shown = words(await found(bench, "/services/web"))

    assert "10.0.0.2:80 unhealthy" in shown
    assert "eu / eu-a / rack" in shown
    assert "dc1 dc1/web web-1 reported for" in shown
    assert "version=v1" in shown


async def test_endpoints_are_found_by_health_and_address(bench: Bench) -> None:
    by_health = words(await found(bench, "/services/web?health=unhealthy"))
    by_address = words(await found(bench, "/services/web?q=0.0.1"))

    assert "10.0.0.2:80" in by_health
    assert "10.0.0.1:80" not in by_health
    assert "10.0.0.1:80" in by_address
    assert "10.0.0.2:80" not in by_address


async def test_an_endpoint_is_found_as_every_table_writes_it(bench: Bench) -> None:
    address = Endpoint("fd00::7", 8080)
    bench.knowledge.put(Service(ServiceName("six"), (replace(served("10.0.0.1"), endpoint=address),)))

    assert "10.0.0.2:80 unhealthy" in words(await found(bench, "/services/web?q=10.0.0.2:80"))
    assert "[fd00::7]:8080 healthy" in words(await found(bench, "/services/six?q=[fd00::7]:8080"))


async def test_a_service_of_which_all_is_set_aside_is_found_by_who_reports_that(bench: Bench) -> None:
    bench.knowledge.put(Service(ServiceName("web")))
    bench.knowledge.aside = (ReportedSetAside(DC1, Scope("dc1"), SetAside(InstanceId("i-1"), "10.0.0.9:0", "port 0")),)

    by_reporter = words(await found(bench, "/services?source=dc1&state=set_aside"))
    by_another = words(await found(bench, "/services?source=local&state=set_aside"))

    assert "1 of 1 services" in by_reporter or "1 services" in by_reporter
    assert "No service fits" in by_another


async def test_what_nobody_knows_of_counts_as_healthy_as_it_does_for_envoy(bench: Bench) -> None:
    bench.knowledge.put(Service(ServiceName("web"), (served("10.0.0.1", Health.UNKNOWN),)))

    assert "Endpoints healthy 1 of 1" in words(await found(bench, "/"))
    assert "none healthy" not in words(await found(bench, "/services"))


async def test_changes_that_come_late_do_not_look_good(bench: Bench) -> None:
    bench.metrics.quantile = 45.0

    tiles = [attributes for _, attributes in (await found(bench, "/")).tags if "tile" in str(attributes.get("class"))]

    assert "tile warn" in [attributes["class"] for attributes in tiles if attributes.get("href") == "/metrics"]


async def test_a_refused_configuration_says_what_has_it_accepted(bench: Bench) -> None:
    bench.reloads.report = ReloadReport(1.0, ReloadOutcome(2.0, ok=False, by="SIGHUP", error="no", losses=("web",)))

    assert "xds-bridge reload --accept-loss" in words(await found(bench, "/config"))


async def test_an_unknown_service_is_not_found_and_the_nearest_is_offered(bench: Bench) -> None:
    shown = await found(bench, "/services/wbe", status=404)

    assert "no source reports a service 'wbe'; did you mean 'web'?" in shown.words


def zoned(address: str, zone: str, source: str) -> ServedEndpoint:
    origin = Origin(SourceName(source), Scope(source), InstanceId("i"), since=1.0)
    return ServedEndpoint(Endpoint(address, 80, locality=Locality(zone=zone)), (origin,))


@pytest.fixture
async def many(bench: Bench) -> Bench:
    for number in range(120):
        source, zone = ("dc1", "a") if number % 2 else ("local", "b")
        bench.knowledge.put(Service(ServiceName(f"s{number:03}"), (zoned(f"10.1.0.{number}", zone, source),)))
    bench.knowledge.put(Service(ServiceName("empty")))
    return bench


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 122),
        ("q=S01", 10),
        ("q=10.1.0.11", 11),
        ("source=local", 60),
        ("zone=a", 60),
        ("zone=eu-a", 1),
        ("health=unhealthy", 1),
        ("health=none", 1),
        ("state=empty", 1),
        ("source=dc1&zone=b", 0),
        ("q=&source=&zone=&health=&state=", 122),
    ],
)
async def test_services_are_found(many: Bench, query: str, count: int) -> None:
    shown = words(await found(many, f"/services?{query}"))

    expected = "122 services" if count == 122 else f"{count} of 122 services"
    assert expected in shown


async def test_a_long_list_has_pages_that_keep_the_question(many: Bench) -> None:
    first = await found(many, "/services?source=local")
    second = words(await found(many, "/services?source=local&page=2"))
    beyond = words(await found(many, "/services?source=local&page=99"))

    assert "?source=local&page=2" in [attributes.get("href") for _, attributes in first.tags]
    assert "s000" in words(first)
    assert "s118" not in words(first)
    assert "s118" in second
    assert "page 2 of 2" in beyond


async def test_envoys_are_shown_by_type_with_what_they_say(bench: Bench) -> None:
    bench.streams.connected = [stream(1, "edge-1"), stream(2, "edge-2"), stream(3, "other")]

    everybody = words(await found(bench, "/envoys"))
    some = words(await found(bench, "/envoys?q=edge-&state=refused"))

    assert "3 Envoys" in everybody
    assert "edge-1 edge refused bad clusters everything 1" in everybody
    assert "2 of 3 Envoys" in some


async def test_events_are_shown_newest_first_and_can_be_narrowed(bench: Bench) -> None:
    for number in range(120):
        service = "web" if number % 2 else "api"
        bench.trail.record(Event(at=float(number), action=Action.ADDED, why=f"read {number}.", service=service))

    newest = words(await found(bench, "/events"))
    narrowed = words(await found(bench, "/events?service=web&page=2"))
    submitted = words(await found(bench, "/events?service=web&source=&endpoint=&page=2"))

    assert newest.index("read 119.") < newest.index("read 118.")
    assert "120 events, page 1 of 3" in newest
    assert "60 of 120 events, page 2 of 2" in narrowed
    assert "60 of 120 events, page 2 of 2" in submitted
    assert "read 1." in narrowed
    assert "read 2." not in narrowed


async def test_the_configuration_is_shown_as_it_was_written(bench: Bench) -> None:
    bench.rules.written = {
        "sources": [{"name": "dc1", "type": "consul", "token_file": "/etc/token", "token": "s3cret"}]
    }
    bench.reloads.report = ReloadReport(1.0, ReloadOutcome(2.0, ok=False, by="anna", error="line 3: no"))

    shown = (await found(bench, "/config")).words

    assert "sources:\n  - name: dc1\n    type: consul\n    token_file: /etc/token\n    token: ‹redacted›" in shown
    assert "line 3: no" in shown


def hostile(bench: Bench) -> Iterator[str]:
    """Put the same text wherever a registry, an Envoy or an operator could, and name every page that shows it."""
    name, evil = ServiceName(EVIL[:200]), EVIL
    endpoint = Endpoint("10.0.0.1", 80, Health.HEALTHY, 1, Locality(evil, evil, evil), ((evil, evil),))
    bench.knowledge.put(
        Service(name, (ServedEndpoint(endpoint, (Origin(DC1, Scope(evil), InstanceId(evil), since=1.0),)),))
    )
    entry = SetAside(InstanceId(evil), evil, evil)
    bench.knowledge.aside = (ReportedSetAside(DC1, Scope(evil), entry),)
    bench.knowledge.impossible = (RefusedService(Scope(evil), ServiceName(evil), evil),)
    bench.knowledge.held = (Hold(DC1, Reason.DOUBT, evil, 1.0, 1, (name,)),)
    bench.reading.failures = {DC1: (Failure(evil, evil, 1.0, 1, (evil,)),)}
    bench.streams.connected = [stream(1, evil)]
    bench.operation.paused_sources = {DC1: Pause(DC1, 1.0, evil)}
    bench.reloads.report = ReloadReport(1.0, ReloadOutcome(2.0, ok=False, by=evil, error=evil, losses=(evil,)))
    bench.rules.written = {evil: evil, "list": [evil]}
    texts = {"why": evil, "source": evil, "scope": evil, "service": evil, "endpoint": evil, "instance": evil}
    bench.trail.record(Event(at=1.0, action=Action.ADDED, **texts))
    yield from ("/", "/services", f"/services/{quote(name, safe='')}", "/services/web", "/envoys", "/events", "/config")
    yield from (
        f"/services/{quote(evil + 'x', safe='')}",
        f"/services?q={quote(evil)}",
        f"/services?zone={quote(evil)}",
    )
    yield from (f"/services?state={quote(evil)}", f"/events?service={quote(evil)}", f"/envoys?{quote(evil)}=1")


async def test_what_comes_from_elsewhere_is_text_on_every_page(bench: Bench) -> None:
    for path in hostile(bench):
        _status, page = await bench.text(path)
        shown = _Found(page)

        assert "alert(1)" in shown.words or "alert(1)" in str(shown.tags), f"{path} does not show it"
        assert {attributes.get("src") for tag, attributes in shown.tags if tag in ("script", "img")} <= {
            "/static/page.js",
            "/static/icon.svg",
        }, path
        assert not [attributes for _, attributes in shown.tags if any(name.startswith("on") for name in attributes)], (
            path
        )


async def test_pages_are_made_off_the_loop(bench: Bench) -> None:
    made: set[int] = set()

    class Watched(str):
        __slots__ = ()

        def __html__(self) -> str:
            made.add(threading.get_ident())
            return "watched"

    bench.rules.written = {Watched("x"): 1}
    bench.streams.connected = [stream(1, Watched("edge"))]

    await found(bench, "/envoys")

    assert made
    assert threading.get_ident() not in made


async def test_many_pages_at_once_are_all_answered(bench: Bench) -> None:
    answers = await asyncio.gather(*(bench.text(path) for path in PAGES * 4))

    assert {status for status, _page in answers} == {200}
