import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import ClassVar
from urllib.parse import quote

import aiohttp
import pytest

from bridge.admin.access import refusal
from bridge.admin.event import shown
from bridge.audit import Action, Event, Numbered
from bridge.config import AdminConfig, MetricsConfig, PerService
from bridge.history import Age
from bridge.merge import ServedEndpoint, Service
from bridge.model import EndpointKey, Health, InstanceId, Scope, ServiceName, SetAside
from bridge.outage import Failure
from bridge.registry import ReportedSetAside
from bridge.reload import ReloadOutcome, ReloadReport
from support.admin_bench import Bench
from support.admin_fakes import (
    DC1,
    LISTED,
    LOCAL,
    served,
    stream,
)
from support.ports import free_port
from xds import CLUSTER, ENDPOINT, Resource, Snapshot


async def test_alive_while_the_loop_runs(bench: Bench) -> None:
    bench.readiness.silent = {DC1: "its first complete read"}

    assert await bench.get("/livez") == {"alive": True}


async def test_ready_when_nobody_is_waited_for(bench: Bench) -> None:
    assert await bench.get("/readyz") == {"ready": True, "waiting": []}


async def test_not_ready_names_each_source_and_why(bench: Bench) -> None:
    bench.readiness.silent = {LOCAL: "a first endpoint", DC1: "its first complete read"}
    bench.reading.failures = {DC1: (Failure("", "refused", 0.0, 3), Failure("web", "timeout", 0.0, 1))}

    status, document = await bench.request("/readyz")

    assert status == 503
    assert document == {
        "ready": False,
        "waiting": [
            {"source": "dc1", "waiting_for": "its first complete read", "errors": ["refused", "web: timeout"]},
            {"source": "local", "waiting_for": "a first endpoint", "errors": []},
        ],
    }


async def test_metrics_are_rendered_off_the_loop_and_not_for_every_scrape(bench: Bench) -> None:
    answers = await asyncio.gather(*(bench.text("/metrics") for _ in range(20)))

    assert set(answers) == {(200, "services 0\n")}
    assert bench.metrics.renderings <= 2, "one a second, and the machine may be slow"
    assert threading.get_ident() not in bench.metrics.threads


async def test_metrics_are_of_what_the_configuration_in_use_wants_and_sources_are(bench: Bench) -> None:
    bench.rules.metrics = MetricsConfig(per_service=PerService.ON)
    bench.knowledge.gone = {ServiceName("old"): 9.0}

    await bench.text("/metrics")

    (sample,) = bench.metrics.samples
    assert sample.per_service is PerService.ON
    assert sample.types == {source.name: source.type for source in LISTED}
    assert sample.retained == {"old"}


async def test_metrics_have_the_content_type_that_prometheus_knows(bench: Bench) -> None:
    async with aiohttp.ClientSession() as session, session.get(bench.url + "/metrics") as response:
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


ADDED = Event(4.0, Action.ADDED, "a read", "dc1", service="web", endpoint="10.0.0.1:80")


async def test_status_sums_up(bench: Bench) -> None:
    bench.knowledge.put(Service(ServiceName("web"), (served("10.0.0.1"), served("10.0.0.2", Health.DRAINING))))
    bench.reading.failures = {LOCAL: (Failure("", "gone", 0.0, 1),)}
    first = stream(1, "a")
    bench.streams.connected = [first, replace(stream(2, "a"), peer=first.peer), stream(3, "a")]
    bench.serving.snapshot = snapshot = Snapshot().replace(CLUSTER.url, [Resource("web", b"body", "v1")])
    bench.metrics.quantile = 0.25
    bench.trail.record(ADDED)
    bench.trail.record(replace(ADDED, action=Action.HELD))
    bench.reloads.report = ReloadReport(5.0, ReloadOutcome(9.0, ok=False, by="SIGHUP", error="no", losses=("web",)))

    document = await bench.get("/api/v1/status")

    assert [type(document.pop(key)) for key in ("version", "started")] == [str, float]
    findings, last = document.pop("findings"), document.pop("last_change")
    assert isinstance(findings, list)
    assert last == asdict(shown(Numbered(1, ADDED)))
    assert document == {
        "ready": True,
        "waiting": [],
        "sources": 2,
        "sources_failing": ["local"],
        "services": 1,
        "endpoints": {"healthy": 1, "degraded": 0, "unhealthy": 0, "draining": 1, "unknown": 0},
        "streams": 3,
        "clients": 2,
        "clients_in_sync": 0,
        "propagation_p99": 0.25,
        "versions": {"cluster": snapshot.version(CLUSTER.url), "endpoint": snapshot.version(ENDPOINT.url)},
        "config": {
            "loaded": 5.0,
            "last_reload": {"at": 9.0, "ok": False, "by": "SIGHUP", "done": "", "error": "no", "losses": ["web"]},
        },
        "paused": [],
        "drains": [],
        "peers": [],
    }
    assert [(each["urgency"], each["about"]) for each in findings] == [
        ("act", "a"),
        ("look", "configuration"),
        ("look", "local"),
    ]
    assert findings[1] == {
        "urgency": "look",
        "about": "configuration",
        "what": "The configuration that was read 1970-01-01 00:00:09 UTC is not in use: no. It would take: web.",
        "command": "xds-bridge reload --accept-loss",
        "link": "/config",
        "lasting": None,
    }


async def test_service_shows_its_endpoints_their_origins_and_what_is_set_aside(bench: Bench) -> None:
    bench.knowledge.put(Service(ServiceName("web"), (served("10.0.0.1"),)))
    entry = SetAside(InstanceId("web-2"), "db.internal:80", "not an IP address")
    bench.knowledge.aside = (ReportedSetAside(DC1, Scope("dc1/web"), entry),)

    document = await bench.get("/api/v1/services/web")

    assert [bool(document.pop(key)) for key in ("merge", "total", "after")] == [True, True, False]
    assert document == {
        "name": "web",
        "protocol": None,
        "disputed": [],
        "endpoints": [
            {
                "address": "10.0.0.1",
                "port": 80,
                "health": "healthy",
                "reported_health": "healthy",
                "weight": 3,
                "served_weight": 3,
                "priority": 0,
                "protocol": None,
                "region": "eu",
                "zone": "eu-a",
                "sub_zone": "rack",
                "metadata": {"version": "v1"},
                "origins": [
                    {
                        "source": "dc1",
                        "scope": "dc1/web",
                        "instance": "web-1",
                        "since": 1_700_000_000.0,
                        "standing": "reported",
                        "stands_for": None,
                    },
                ],
                "since": None,
                "changed": None,
            }
        ],
        "set_aside": [
            {
                "source": "dc1",
                "scope": "dc1/web",
                "instance": "web-2",
                "reported": "db.internal:80",
                "reason": "not an IP address",
            }
        ],
    }


async def test_an_endpoint_shows_since_when_it_is_served_and_when_it_changed(bench: Bench) -> None:
    bench.knowledge.put(Service(ServiceName("web"), (served("10.0.0.1"),)))
    bench.history.ages[ServiceName("web")] = {EndpointKey("10.0.0.1", 80): Age(since=1.0, changed=2.0)}

    document = await bench.get("/api/v1/services/web")

    assert '"since": 1.0, "changed": 2.0' in json.dumps(document["endpoints"])


@pytest.mark.parametrize("name", ["team/web", "a b", "später", "100%", "a?b#c", "a//b", "..", "a/../b"])
async def test_service_of_any_name_is_found(bench: Bench, name: str) -> None:
    bench.knowledge.put(Service(ServiceName(name)))

    document = await bench.get(f"/api/v1/services/{quote(name, safe='')}")

    assert document["name"] == name


@pytest.mark.parametrize("path", ["/api/v1/services/nothing", "/api/v1/services/%00%ff", "/api/v2/status", "/x"])
async def test_unknown_paths_and_services_are_not_found(bench: Bench, path: str) -> None:
    status, document = await bench.request(path)

    assert status == 404
    assert document["error"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/api/v1/services", "/api/v1/services/web"])
async def test_nothing_can_be_changed(bench: Bench, method: str, path: str) -> None:
    status, document = await bench.request(path, method)

    assert status == 405
    assert "error" in document


@pytest.mark.parametrize("path", ["status", "sources", "services", "envoys", "guard", "views", "versions"])
async def test_what_cannot_be_narrowed_down_takes_no_parameter(bench: Bench, path: str) -> None:
    status, document = await bench.request(f"/api/v1/{path}?source=typo")

    assert (status, document) == (400, {"error": "there is no parameter 'source'; there is none"})


async def test_of_a_service_that_is_not_there_the_nearest_is_offered(bench: Bench) -> None:
    bench.knowledge.put(Service(ServiceName("web"), (served("10.0.0.1"),)))

    status, document = await bench.request("/api/v1/services/wbe")

    assert (status, document) == (404, {"error": "no source reports a service 'wbe'; did you mean 'web'?"})


async def test_envoys_show_each_stream(bench: Bench) -> None:
    bench.streams.connected = [stream(3, "b"), stream(2, "a"), stream(1, "a")]

    document = await bench.get("/api/v1/envoys")

    streams = document["streams"]
    assert isinstance(streams, list)
    assert [each["id"] for each in streams] == [1, 2, 3]
    assert {key: streams[0]["node"][key] for key in ("id", "cluster")} == {"id": "a", "cluster": "edge"}
    assert streams[0]["view"] == "views[0]"
    assert streams[0]["types"][0]["rejection"] == "bad"


async def test_equal_states_give_equal_documents(bench: Bench) -> None:
    names = [ServiceName(name) for name in ("web", "api", "db")]
    for name in names:
        bench.knowledge.put(Service(name, (served("10.0.0.1"),)))
    first = await bench.text("/api/v1/services")

    bench.knowledge.known.clear()
    for name in reversed(names):
        bench.knowledge.put(Service(name, (served("10.0.0.1"),)))

    assert await bench.text("/api/v1/services") == first


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example"]
)
async def test_web_page_with_a_name_of_its_own_for_this_machine_is_refused(bench: Bench, host: str) -> None:
    status, document = await bench.request("/api/v1/services", headers={"Host": host})

    assert status == 403
    assert "is not this machine" in str(document["error"])


@pytest.mark.parametrize("host", ["localhost", "localhost:19000", "127.0.0.1", "[::1]:19000", "10.0.0.1:80"])
async def test_this_machine_may_be_called_by_address_or_localhost(bench: Bench, host: str) -> None:
    status, _ = await bench.request("/api/v1/services", headers={"Host": host})

    assert status == 200


@pytest.mark.parametrize("expose", ["probes", "all"])
async def test_this_machine_sees_everything_wherever_the_server_listens(bench: Bench, expose: str) -> None:
    server = bench.server("0.0.0.0:0", expose)
    bench.url = f"http://127.0.0.1:{await server.start()}"

    try:
        for path in ("/api/v1/status", "/api/v1/envoys", "/metrics", "/livez", "/readyz"):
            assert (await bench.text(path))[0] == 200
        status, _ = await bench.request("/api/v1/status", headers={"Host": "bridge.internal"})
        assert status == (200 if expose == "all" else 403)
        assert (await bench.request("/readyz", headers={"Host": "bridge.internal"}))[0] == 200
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("listen", "expose", "path", "host", "peer", "reason"),
    [
        ("0.0.0.0:1", "probes", "/api/v1/status", "10.0.0.5", "10.0.0.9", "set admin.expose: all"),
        ("0.0.0.0:1", "probes", "/nothing", "localhost", "10.0.0.9", "set admin.expose: all"),
        ("0.0.0.0:1", "probes", "/api/v1/status", "localhost", "", "set admin.expose: all"),
        ("0.0.0.0:1", "probes", "/metrics", "bridge.internal", "10.0.0.9", ""),
        ("0.0.0.0:1", "all", "/api/v1/status", "bridge.internal", "10.0.0.9", ""),
        ("0.0.0.0:1", "probes", "/api/v1/status", "10.0.0.5", "127.0.0.1", ""),
        ("[::]:1", "probes", "/api/v1/status", "localhost", "::1", ""),
        ("[::]:1", "probes", "/api/v1/status", "localhost", "::ffff:127.0.0.1", ""),
        ("[::]:1", "probes", "/api/v1/status", "localhost", "::ffff:10.0.0.9", "set admin.expose: all"),
        ("0.0.0.0:1", "probes", "/api/v1/status", "evil.example", "127.0.0.1", "is not this machine"),
        ("127.0.0.1:1", "all", "/api/v1/status", "evil.example", "127.0.0.1", "is not this machine"),
        ("127.0.0.1:1", "probes", "/metrics", "evil.example", "127.0.0.1", "is not this machine"),
    ],
)
def test_who_asks_decides_what_is_answered(
    listen: str, expose: str, path: str, host: str, peer: str, reason: str
) -> None:
    config = AdminConfig.model_validate({"listen": listen, "expose": expose})

    refused = refusal(config, path, host, peer)

    assert reason in refused
    assert bool(refused) == bool(reason)


@pytest.mark.parametrize("path", ["/api/v1/status", "/api/v1/services", "/api/v1/services/web"])
async def test_large_answers_are_made_off_the_loop(bench: Bench, path: str) -> None:
    many = tuple(served(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}") for number in range(20_000))
    bench.knowledge.put(Service(ServiceName("web"), Watched(many)))

    status, _ = await bench.text(path)

    assert status == 200
    assert Watched.threads
    assert threading.get_ident() not in Watched.threads


class Watched(tuple[ServedEndpoint, ...]):
    """Endpoints that remember who went through them."""

    __slots__ = ()
    threads: ClassVar[set[int]] = set()

    def __iter__(self) -> Iterator[ServedEndpoint]:
        self.threads.add(threading.get_ident())
        return super().__iter__()


async def test_port_in_use_is_said_clearly(bench: Bench) -> None:
    port = bench.url.rpartition(":")[2]

    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port} for admin HTTP: .*in use"):
        await bench.server(f"127.0.0.1:{port}").start()


async def test_port_is_free_again_after_the_stop(bench: Bench) -> None:
    address = f"127.0.0.1:{free_port()}"

    for _ in range(2):
        server = bench.server(address)
        await server.start()
        await server.stop()
