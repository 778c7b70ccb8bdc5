from bridge.config import ServiceRule, ViewRule
from bridge.merge import MergePolicy, Report, Weighted, merged, union
from bridge.model import InstanceId, Scope, ServiceName, SetAside, SourceName, UpstreamProtocol
from bridge.operator import Pause
from bridge.registry import RefusedService, ReportedSetAside
from support.admin_bench import Bench
from support.admin_fakes import DC1
from support.reports import report, reports

Json = dict[str, object]


def put(bench: Bench, name: str, *found: Report, policy: MergePolicy = union) -> None:
    bench.knowledge.put(merged(ServiceName(name), found, policy, None, 0.0))


async def shown(bench: Bench) -> dict[str, Json]:
    services = (await bench.get("/api/v1/services"))["services"]
    assert isinstance(services, list)
    return {service["name"]: service for service in services}


async def test_services_are_listed_by_name_each_with_everything(bench: Bench) -> None:
    put(bench, "web", report("dc1", "10.0.0.1"))
    put(bench, "api")

    services = await shown(bench)

    none = {"healthy": 0, "degraded": 0, "unhealthy": 0, "draining": 0, "unknown": 0}
    assert list(services) == ["api", "web"]
    assert services["api"] == {
        "name": "api",
        "endpoints": none,
        "sources": [],
        "policy": "union",
        "rule": None,
        "match": None,
        "diverted": False,
        "merged": [],
        "shared": [],
        "protocol": None,
        "disputed": [],
        "asked_by": {},
        "paused": [],
        "held": 0,
        "restored": 0,
        "drained": 0,
        "set_aside": 0,
        "retained_until": None,
    }
    assert services["web"]["endpoints"] == {**none, "healthy": 1}
    assert services["web"]["sources"] == ["dc1"]


async def test_the_rule_that_counts_is_named(bench: Bench) -> None:
    bench.rules.services = tuple(ServiceRule(match=glob) for glob in ("db", "w*", "web"))
    put(bench, "web", report("dc1", "10.0.0.1"))
    put(bench, "api", report("dc1", "10.0.0.2"))

    services = await shown(bench)

    assert {name: (each["rule"], each["match"]) for name, each in services.items()} == {
        "api": (None, None),
        "web": ("services[1]", "w*"),
    }


async def test_what_is_held_set_aside_and_retained_is_counted(bench: Bench) -> None:
    put(bench, "web", report("dc1", "10.0.0.1"))
    put(bench, "old")
    entry = SetAside(InstanceId("web-2"), "db.internal:80", "not an IP address")
    bench.knowledge.aside = (ReportedSetAside(DC1, Scope("dc1/web"), entry),)
    bench.knowledge.gone = {ServiceName("old"): 5_000.0}

    services = await shown(bench)

    assert [(each["set_aside"], each["retained_until"]) for each in services.values()] == [(0, 5_000.0), (1, None)]


async def test_a_paused_source_is_named_where_it_has_an_endpoint(bench: Bench) -> None:
    put(bench, "web", report("dc1", "10.0.0.1"), report("local", "10.0.0.2"))
    put(bench, "api", report("local", "10.0.0.1"))
    bench.operation.paused_sources = {DC1: Pause(DC1, 0.0, "anna")}

    services = await shown(bench)

    assert {name: each["paused"] for name, each in services.items()} == {"api": [], "web": ["dc1"]}


async def test_conflicts_are_shown_with_the_rule_that_decided(bench: Bench) -> None:
    both = [report(source, f"10.0.0.{number}") for source in ("dc1", "local") for number in (1, 2)]
    shares = Weighted(((SourceName("dc1"), 0), (SourceName("local"), 1)))
    put(bench, "web", *both)
    put(bench, "pay", *both, policy=shares)

    services = await shown(bench)

    assert services["web"]["shared"] == [
        {
            "won": "dc1",
            "lost": ["local"],
            "endpoints": 2,
            "example": "10.0.0.1:80",
            "decided_by": "the source that stands first in the configuration wins an address",
        }
    ]
    assert services["pay"]["shared"] == [
        {
            "won": "local",
            "lost": ["dc1"],
            "endpoints": 2,
            "example": "10.0.0.1:80",
            "decided_by": "the first source whose weight is not 0 wins an address",
        }
    ]


async def test_protocols_that_are_asked_for_beside_each_other_are_shown(bench: Bench) -> None:
    put(
        bench,
        "web",
        report("dc1", "10.0.0.1", protocol=UpstreamProtocol.GRPC),
        report("local", "10.0.0.2", protocol=UpstreamProtocol.HTTP2),
    )

    web = (await shown(bench))["web"]

    assert (web["protocol"], web["disputed"]) == (None, ["grpc", "http2"])
    assert web["asked_by"] == {"grpc": ["dc1"], "http2": ["local"]}


async def test_shares_are_shown_with_what_was_given_away(bench: Bench) -> None:
    shares = Weighted(((SourceName("vms"), 60), (SourceName("ecs"), 40)))
    put(bench, "web", *reports({"vms": "u", "ecs": "h"}), policy=shares)

    web = (await shown(bench))["web"]

    assert web["diverted"] is True
    assert isinstance(web["merged"], list)
    assert [(each["source"], each["weight"], each["share"], each["given_away"]) for each in web["merged"]] == [
        ("vms", 60, 0.0, 0.6),
        ("ecs", 40, 1.0, 0.0),
    ]


async def test_what_the_configuration_names_in_vain_and_what_is_refused_is_shown(bench: Bench) -> None:
    put(bench, "web", report("dc1", "10.0.0.1"))
    bench.rules.services = (ServiceRule(match="wbe"),)
    bench.rules.views = (ViewRule(services=("w*", "db")),)
    bench.knowledge.impossible = (RefusedService(Scope("s"), ServiceName("x" * 300), "too long"),)

    document = await bench.get("/api/v1/services")

    assert document["unmatched"] == [
        {"where": "services[0].match", "glob": "wbe", "reason": "no service has such a name"},
        {"where": "views[0].services[1]", "glob": "db", "reason": "no service has such a name"},
    ]
    assert document["refused"] == [{"source": "dc1", "scope": "s", "name": "x" * 255, "reason": "too long"}]
