"""`/api/v1/endpoints`: which are shown, page by page, and why one is not healthy."""

import asyncio
import threading
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from bridge.history import Age
from bridge.merge import MergePolicy, Origin, Report, ServedEndpoint, Service, Standing, Weighted, merged, union
from bridge.model import EndpointKey, Health, Locality, ServiceName, SourceName
from bridge.operator import Drain
from support.admin_bench import Bench
from support.admin_fakes import DC1, LOCAL
from support.reports import report

WEB = ServiceName("web")


def put(bench: Bench, name: str, *found: Report, policy: MergePolicy = union) -> Service:
    service = merged(ServiceName(name), found, policy, None, 0.0)
    bench.knowledge.put(service)
    return service


def zoned(source: str, address: str, zone: str, health: Health = Health.HEALTHY) -> Report:
    found = report(source, address, health)
    return replace(found, endpoint=replace(found.endpoint, locality=Locality("eu", zone)))


async def shown(bench: Bench, **query: object) -> list[str]:
    """Service and endpoint of each, on one page."""
    found = (await bench.get(f"/api/v1/endpoints?{urlencode(query)}"))["endpoints"]
    assert isinstance(found, list)
    return [f"{each['service']} {each['endpoint']['address']}" for each in found]


async def why(bench: Bench) -> list[str]:
    found = (await bench.get("/api/v1/endpoints"))["endpoints"]
    assert isinstance(found, list)
    return [each["why"] for each in found]


async def test_an_endpoint_is_shown_with_its_service_and_its_age(bench: Bench) -> None:
    put(bench, "web", zoned("dc1", "10.0.0.1", "a"))
    bench.history.ages = {WEB: {EndpointKey("10.0.0.1", 80): Age(5.0, 7.0)}}

    document = await bench.get("/api/v1/endpoints")
    service = await bench.get("/api/v1/services/web")

    assert isinstance(service["endpoints"], list)
    (alone,) = service["endpoints"]
    assert document == {"endpoints": [{"service": "web", "endpoint": alone, "why": ""}], "after": None, "set_aside": 0}
    assert (alone["since"], alone["changed"], alone["zone"]) == (5.0, 7.0, "a")


async def test_those_are_shown_that_fit_everything_that_is_asked_for(bench: Bench) -> None:
    put(bench, "web", zoned("dc1", "10.0.0.1", "a"), zoned("local", "10.0.0.2", "b", Health.UNHEALTHY))
    put(bench, "api", zoned("local", "10.0.0.3", "a"))

    assert await shown(bench) == ["api 10.0.0.3", "web 10.0.0.1", "web 10.0.0.2"]
    assert await shown(bench, service="web") == ["web 10.0.0.1", "web 10.0.0.2"]
    assert await shown(bench, source="local") == ["api 10.0.0.3", "web 10.0.0.2"]
    assert await shown(bench, zone="a") == ["api 10.0.0.3", "web 10.0.0.1"]
    assert await shown(bench, health="unhealthy") == ["web 10.0.0.2"]
    assert await shown(bench, zone="a", source="local") == ["api 10.0.0.3"]
    assert await shown(bench, zone="a", health="unhealthy") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 500])
async def test_pages_together_are_everything_once_and_in_order(bench: Bench, limit: int) -> None:
    for name in ("a service", "b", "c"):
        put(bench, name, *(report("dc1", address) for address in ("10.0.0.10", "10.0.0.9", "fd00::1")))
    found: list[tuple[str, str]] = []
    after: object = ""

    while after is not None:
        query = urlencode({"limit": limit, **({"after": after} if after else {})})
        page = await bench.get(f"/api/v1/endpoints?{query}")
        assert isinstance(page["endpoints"], list)
        assert 0 < len(page["endpoints"]) <= limit
        found += [(each["service"], each["endpoint"]["address"]) for each in page["endpoints"]]
        after = page["after"]

    addresses = sorted(["10.0.0.10", "10.0.0.9", "fd00::1"])
    assert found == [(name, address) for name in ("a service", "b", "c") for address in addresses]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("sevice=web", "there is no parameter 'sevice'; there are service, source, zone, health, after, limit"),
        ("zone=a&zone=a", "zone: is given twice"),
        ("source=dc2", "source: there is none called 'dc2'; there are dc1, local"),
        ("zone=c", "zone: there is none called 'c'; there are a"),
        ("health=bad", "health: there is none called 'bad'; there are degraded, draining, healthy, unhealthy, unknown"),
        ("health=", "health: there is none called ''; there are degraded, draining, healthy, unhealthy, unknown"),
        ("limit=0", "limit: '0' is not a number from 1 to 500"),
        ("limit=501", "limit: '501' is not a number from 1 to 500"),
        ("after=web", "after: 'web' is not the `after` of an answer"),
    ],
)
async def test_a_wrong_query_is_told_what_there_is(bench: Bench, query: str, error: str) -> None:
    put(bench, "web", zoned("dc1", "10.0.0.1", "a"))

    assert await bench.request(f"/api/v1/endpoints?{query}") == (400, {"error": error})


async def test_a_service_that_there_is_not_is_404_with_the_nearest(bench: Bench) -> None:
    put(bench, "web", report("dc1", "10.0.0.1"))

    answer = await bench.request("/api/v1/endpoints?service=wbe")

    assert answer == (404, {"error": "there is no service 'wbe'; did you mean 'web'?"})


async def test_a_source_says_that_an_endpoint_is_not_healthy(bench: Bench) -> None:
    healths = (Health.HEALTHY, Health.UNHEALTHY, Health.UNKNOWN)
    put(bench, "web", *(report("dc1", f"10.0.0.{place}", health) for place, health in enumerate(healths)))

    assert await why(bench) == ["", "dc1 says so (`xds-bridge explain` asks it why)", "dc1 does not say how it is"]


async def test_an_operator_drains_an_endpoint(bench: Bench) -> None:
    endpoint = replace(report("dc1", "10.0.0.1").endpoint, health=Health.DRAINING)
    origins = (report("dc1", "10.0.0.1").origin,)
    bench.knowledge.put(Service(WEB, (ServedEndpoint(endpoint, origins, reported=Health.HEALTHY),)))

    over = await why(bench)
    bench.operation.drained = (Drain(WEB, 43_200.0, "anna"),)
    by_service = await why(bench)
    bench.operation.drained = (Drain(EndpointKey("10.0.0.1", 80), 43_260.0, "bert"),)
    by_address = await why(bench)

    assert over == ["drained by an operator"]
    assert by_service == ["drained until 12:00:00 UTC by anna"]
    assert by_address == ["drained until 12:01:00 UTC by bert"]


async def test_a_source_without_a_share_is_drained(bench: Bench) -> None:
    shares = Weighted(((SourceName("dc1"), 1), (SourceName("local"), 0)))
    put(bench, "web", report("dc1", "10.0.0.1"), report("local", "10.0.0.2"), policy=shares)

    assert await why(bench) == ["", "local has a weight of 0, which drains it"]


async def test_what_is_held_and_what_is_restored_is_told_of_healthy_ones_too(bench: Bench) -> None:
    def origin(source: SourceName, standing: Standing) -> Origin:
        return replace(report(source, "10.0.0.1").origin, standing=standing)

    endpoints = [report("dc1", f"10.0.0.{number}").endpoint for number in (1, 2)]
    held = ServedEndpoint(endpoints[0], (origin(DC1, Standing.HELD),))
    restored = ServedEndpoint(endpoints[1], (origin(LOCAL, Standing.RESTORED),))
    bench.knowledge.put(Service(WEB, (held, restored)))

    assert await why(bench) == [
        "dc1 no longer reports it, and the guard holds it",
        "known from before the restart; local has not been read since",
    ]


async def test_endpoints_are_looked_through_off_the_event_loop(bench: Bench) -> None:
    put(bench, "web", report("dc1", "10.0.0.1"))
    loop, threads = threading.get_ident(), set[int]()
    service = bench.knowledge.known[WEB]

    class Watched(Service):
        """A service that notes who looks at its endpoints."""

        def __getattribute__(self, name: str) -> object:
            if name == "endpoints":
                threads.add(threading.get_ident())
            return super().__getattribute__(name)

    bench.knowledge.put(Watched(service.name, service.endpoints))
    await asyncio.gather(*(bench.get("/api/v1/endpoints") for _ in range(3)))

    assert threads
    assert loop not in threads
