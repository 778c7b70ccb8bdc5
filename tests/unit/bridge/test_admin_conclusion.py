from dataclasses import replace

from bridge.merge import Policy, Ruling, ServedEndpoint, Service, Standing
from bridge.model import Health, InstanceId, Scope, ServiceName
from bridge.provenance import Sighting, Statement, Verdict
from support.admin_bench import Bench
from support.admin_fakes import DC1, ORIGIN, served

WEB = ServiceName("web")


def endpoints(count: int, sick: int = 0) -> list[ServedEndpoint]:
    return [
        served(f"10.0.0.{number}", Health.UNHEALTHY if number <= sick else Health.HEALTHY)
        for number in range(1, count + 1)
    ]


def seen(verdict: Verdict, instance: str, reported: str, reason: str = "") -> Statement:
    found = Sighting(Scope("dc1/web"), InstanceId(instance), ("web",), reported, verdict, reason, ())
    return Statement("3 services", (found,))


async def test_endpoints_count_that_are_not_told_of(bench: Bench) -> None:
    *others, last = endpoints(250, sick=20)
    last = replace(last, origins=(replace(ORIGIN, instance=InstanceId("web-250"), standing=Standing.HELD),))
    bench.knowledge.put(Service(WEB, (*others, last), ruling=Ruling(Policy.UNION)))
    bench.inquiry.answers = {DC1: seen(Verdict.REPORTED, "web-250", "10.0.0.250:80")}

    document = await bench.get("/api/v1/explain?target=web")

    assert document["finding"] is True  # no view shows it here
    assert document["conclusion"] == (
        "web is served with 250 endpoints, 230 of them healthy; no Envoy asks for it; "
        "1 held by the guard, no longer reported (`xds-bridge guard list`)"
    )


async def test_what_is_set_aside_is_concluded_beside_many_that_are_served(bench: Bench) -> None:
    bench.knowledge.put(Service(WEB, tuple(endpoints(150))))
    bench.inquiry.answers = {DC1: seen(Verdict.SET_ASIDE, "web-150", "10.0.0.150:0", "port 0")}

    document = await bench.get("/api/v1/explain?target=web")

    assert "; beside it, 1 is not served: dc1 says: port 0 — mend it there" in str(document["conclusion"])


async def test_the_address_that_is_asked_about_counts_alone(bench: Bench) -> None:
    bench.knowledge.put(Service(WEB, tuple(endpoints(150))))

    document = await bench.get("/api/v1/explain?target=10.0.0.150:80")

    assert str(document["conclusion"]).startswith("10.0.0.150:80 is served in web; no Envoy asks for it")
