"""What Envoy does with our clusters and assignments: real bytes, real requests through its listener."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge.bootstrap import BootstrapOptions, HttpListener, Route, SocketAddress, render
from bridge.merge import ServedEndpoint
from bridge.model import MAX_WEIGHT, Endpoint, Health, Locality, UpstreamProtocol
from bridge.resources import ResourceBuilder
from support.backends import Backends, backends
from support.builders import appeared, changed, endpoint, served, service
from support.envoy import EnvoyProcess, Host
from support.ports import free_port
from support.resource_files import ResourceFiles
from support.waiting import eventually
from xds import ENDPOINT, Snapshot

REQUESTS = 24

HEALTHY, DEGRADED, UNHEALTHY, DRAINING, UNKNOWN = (
    Health.HEALTHY,
    Health.DEGRADED,
    Health.UNHEALTHY,
    Health.DRAINING,
    Health.UNKNOWN,
)


@dataclass
class Mesh:
    """An Envoy whose listener leads to the service `web`, and backends that can be its endpoints."""

    envoy: EnvoyProcess
    url: str
    files: ResourceFiles
    builder: ResourceBuilder
    backends: Backends
    snapshot: Snapshot = field(default_factory=Snapshot)

    async def serve(
        self, *endpoints: Endpoint | ServedEndpoint, protocol: UpstreamProtocol | None = None
    ) -> Mapping[str, Host]:
        """Let Envoy have these endpoints of `web`; what it then knows, by address and port."""
        return await self.publish(
            self.builder.apply(self.snapshot, changed(service("web", endpoints, protocol=protocol)))
        )

    async def publish(self, snapshot: Snapshot) -> Mapping[str, Host]:
        """Let Envoy have a snapshot; what it then knows of `web`."""
        self.snapshot = snapshot
        before = await self._assignments_taken()
        self.files.write(snapshot)

        async def taken() -> bool:
            return await self._assignments_taken() > before

        await eventually(taken, what="Envoy took the assignment")
        return (await self.envoy.clusters())["web"]

    async def _assignments_taken(self) -> int:
        return (await self.envoy.stats("cluster.web.update_success")).get("cluster.web.update_success", 0)

    async def ask(self, requests: int = REQUESTS) -> Counter[str]:
        """Send requests; how many each backend answered, or the status where none did."""
        answers: Counter[str] = Counter()
        for _ in range(requests):
            answer = await self.envoy.get(self.url)
            answers[answer.text if answer.status == 200 else str(answer.status)] += 1
        return answers


@asynccontextmanager
async def mesh(
    directory: Path, names: Sequence[str], template: Mapping[str, object] | None = None
) -> AsyncIterator[Mesh]:
    files, port = ResourceFiles(directory), free_port()
    listener = HttpListener(SocketAddress("127.0.0.1", port), (Route("web"),))
    options = BootstrapOptions("test", "test", (SocketAddress("127.0.0.1", 1),), listeners=(listener,))
    builder = ResourceBuilder({"lb_policy": "ROUND_ROBIN"}, [("web", template or {})])
    snapshot = builder.apply(Snapshot(), appeared(service("web")))
    files.write(snapshot)
    bootstrap = {**render(options), "dynamic_resources": files.dynamic_resources}
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(backends(*names))
        envoy = await stack.enter_async_context(EnvoyProcess(bootstrap, directory))
        yield Mesh(envoy, f"http://127.0.0.1:{port}/", files, builder, running, snapshot)


@dataclass(frozen=True)
class Row:
    """One row of the rule for draining endpoints: healths by backend, and who gets requests."""

    endpoints: Mapping[str, Health]
    sent: str
    served_by: str
    template: Mapping[str, object] = field(default_factory=dict)


def panic_below(percent: int) -> Mapping[str, object]:
    return {"common_lb_config": {"healthy_panic_threshold": {"value": percent}}}


DRAINING_RULE = {
    "beside a healthy one it is sent and gets nothing": Row({"a": HEALTHY, "b": DRAINING}, "ab", "a"),
    "beside an unknown one, which Envoy takes for healthy": Row({"a": UNKNOWN, "b": DRAINING}, "ab", "a"),
    "beside a degraded one": Row({"a": DEGRADED, "b": DRAINING}, "ab", "a"),
    "many draining do not count in the share": Row(
        {"a": HEALTHY, "b": DRAINING, "c": DRAINING, "d": DRAINING}, "abcd", "a"
    ),
    "share at the threshold": Row({"a": HEALTHY, "b": UNHEALTHY, "c": DRAINING}, "abc", "a"),
    "share below the threshold: it would be picked in panic": Row(
        {"a": HEALTHY, "b": UNHEALTHY, "c": UNHEALTHY, "d": DRAINING}, "abc", "abc"
    ),
    "nobody available: it would be picked in panic": Row({"a": UNHEALTHY, "b": DRAINING}, "a", "a"),
    "nobody else: better than nobody": Row({"a": DRAINING, "b": DRAINING}, "ab", "ab"),
    "share below a higher threshold of its cluster": Row(
        {"a": HEALTHY, "b": UNHEALTHY, "c": DRAINING}, "ab", "ab", panic_below(60)
    ),
    "share above a lower threshold of its cluster": Row(
        {"a": HEALTHY, "b": UNHEALTHY, "c": UNHEALTHY, "d": DRAINING}, "abcd", "a", panic_below(30)
    ),
    "panic switched off": Row({"a": HEALTHY, "b": UNHEALTHY, "c": DRAINING}, "abc", "a", panic_below(0)),
}


@pytest.mark.parametrize("row", DRAINING_RULE.values(), ids=DRAINING_RULE.keys())
async def test_draining_endpoints(row: Row, tmp_path: Path) -> None:
    async with mesh(tmp_path, list(row.endpoints), row.template) as world:
        known = await world.serve(*(world.backends.endpoint(name, health) for name, health in row.endpoints.items()))

        answers = await world.ask()

        assert set(known) == {str(world.backends.addresses[name]) for name in row.sent}
        assert set(answers) == set(row.served_by)


async def test_panic_picks_draining_hosts(tmp_path: Path) -> None:
    """Why the rule exists: when this fails, Envoy has changed and the rule can go."""
    async with mesh(tmp_path, "ab", panic_below(100)) as world:
        endpoints = [
            world.backends.endpoint("a", HEALTHY),
            world.backends.endpoint("b", DRAINING),
            endpoint("127.0.0.2", 9, health=UNHEALTHY),
        ]
        unaware = ResourceBuilder({}, []).apply(Snapshot(), appeared(service("web", endpoints)))
        known = await world.publish(world.snapshot.replace(ENDPOINT.url, unaware.resources(ENDPOINT.url).values()))

        answers = await world.ask()

        assert len(known) == 3
        assert answers["b"]


async def test_a_draining_priority_hands_over_to_the_next(tmp_path: Path) -> None:
    async with mesh(tmp_path, "ab") as world:
        known = await world.serve(
            served(world.backends.endpoint("a", DRAINING), priority=0),
            served(world.backends.endpoint("b", HEALTHY), priority=1),
        )

        answers = await world.ask()

        assert [host.priority for host in known.values()] == [0]
        assert set(answers) == {"b"}


async def test_priorities_are_kept_for_failover(tmp_path: Path) -> None:
    async with mesh(tmp_path, "ab") as world:
        first, second = world.backends.endpoint("a"), world.backends.endpoint("b")
        known = await world.serve(served(first, priority=0), served(second, priority=7))
        while_healthy = await world.ask()

        await world.serve(served(world.backends.endpoint("a", UNHEALTHY), priority=0), served(second, priority=7))
        after_failure = await world.ask()

        assert {host.priority for host in known.values()} == {0, 1}
        assert set(while_healthy) == {"a"}
        assert set(after_failure) == {"b"}


async def test_all_unhealthy_is_panic_and_still_serves(tmp_path: Path) -> None:
    async with mesh(tmp_path, "ab") as world:
        known = await world.serve(world.backends.endpoint("a", UNHEALTHY), world.backends.endpoint("b", UNHEALTHY))

        answers = await world.ask()

        assert {host.health for host in known.values()} == {"UNHEALTHY"}
        assert set(answers) == {"a", "b"}


async def test_no_endpoints_is_an_empty_cluster_that_answers_503(tmp_path: Path) -> None:
    async with mesh(tmp_path, "a") as world:
        await world.serve(world.backends.endpoint("a"))
        before = await world.ask(3)

        known = await world.serve()
        after = await world.ask(3)

        assert before == {"a": 3}
        assert known == {}
        assert after == {"503": 3}


async def test_weights_are_respected(tmp_path: Path) -> None:
    async with mesh(tmp_path, "ab") as world:
        known = await world.serve(world.backends.endpoint("a", weight=3), world.backends.endpoint("b", weight=1))

        answers = await world.ask(80)

        assert {name: known[str(world.backends.addresses[name])].weight for name in "ab"} == {"a": 3, "b": 1}
        assert answers["a"] == pytest.approx(60, abs=8)


async def test_the_extremes_that_we_allow_are_accepted(tmp_path: Path) -> None:
    metadata = {"ключ": "значение", "": "", "😀": "x" * 500}
    everywhere = Locality("région", "zone-é", "机架-7")
    extremes = [
        endpoint("::1", 65535, weight=MAX_WEIGHT, locality=everywhere, metadata=metadata),
        endpoint("fe80::1", 1, health=DEGRADED, locality=Locality(sub_zone="only")),
        endpoint("255.255.255.255", 1, health=UNKNOWN, locality=Locality(zone="only")),
        endpoint("0.0.0.0", 1, health=UNHEALTHY),
        *(endpoint("10.0.0.1", port, weight=MAX_WEIGHT) for port in range(1, 200)),
    ]
    priorities = [served(endpoint("10.1.0.1", port), priority=port * 1000) for port in range(1, 200)]
    async with mesh(tmp_path, ()) as world:
        known = await world.serve(*extremes, *priorities)
        stats = await world.envoy.stats("cluster.web.update_rejected")

        assert stats == {"cluster.web.update_rejected": 0}
        assert known["[::1]:65535"].weight == MAX_WEIGHT
        assert known["[::1]:65535"].locality == everywhere
        assert max(host.priority for host in known.values()) == 128
        assert len(known) == len(extremes) + len(priorities)


async def test_metadata_chooses_the_subset(tmp_path: Path) -> None:
    subsets = {
        "lb_subset_config": {
            "fallback_policy": "DEFAULT_SUBSET",
            "default_subset": {"version": "v2"},
            "subset_selectors": [{"keys": ["version"]}],
        }
    }
    async with mesh(tmp_path, "ab", subsets) as world:
        old, new = world.backends.addresses["a"], world.backends.addresses["b"]
        await world.serve(
            endpoint(old.address, old.port, metadata={"version": "v1"}),
            endpoint(new.address, new.port, metadata={"version": "v2"}),
        )

        answers = await world.ask()
        dump = json.dumps(await world.envoy.config_dump())

        assert set(answers) == {"b"}
        assert '"envoy.lb": {"version": "v2"}' in dump


@pytest.mark.parametrize("protocol", [None, *UpstreamProtocol])
async def test_every_protocol_is_a_cluster_that_envoy_takes(protocol: UpstreamProtocol | None, tmp_path: Path) -> None:
    async with mesh(tmp_path, "a") as world:
        await world.serve(world.backends.endpoint("a"), protocol=protocol)
        rejected = await world.envoy.stats("cluster_manager.cds.update_rejected")

        answers = await world.ask(2)
        http2 = await world.envoy.stats("cluster.web.http2.")

        assert rejected == {"cluster_manager.cds.update_rejected": 0}
        speaks_http2 = protocol in (UpstreamProtocol.HTTP2, UpstreamProtocol.GRPC)
        assert bool(http2) is speaks_http2
        assert answers == ({"502": 2} if speaks_http2 else {"a": 2})  # the backend speaks HTTP/1 only


async def test_a_rich_template_is_taken(tmp_path: Path) -> None:
    template = {
        "connect_timeout": "0.25s",
        "lb_policy": "LEAST_REQUEST",
        "least_request_lb_config": {"choice_count": 3},
        "circuit_breakers": {
            "thresholds": [{"max_connections": 10, "retry_budget": {"budget_percent": {"value": 25}}}]
        },
        "outlier_detection": {"consecutive_5xx": 7, "base_ejection_time": "30s"},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": "5s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
        "health_checks": [
            {
                "timeout": "1s",
                "interval": "5s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "http_health_check": {"path": "/"},
            }
        ],
    }
    async with mesh(tmp_path, "a", template) as world:
        await world.serve(world.backends.endpoint("a"))
        rejected = await world.envoy.stats("cluster_manager.cds.update_rejected")
        dump = json.dumps(await world.envoy.config_dump())

        answers = await world.ask(2)

        assert rejected == {"cluster_manager.cds.update_rejected": 0}
        assert '"consecutive_5xx": 7' in dump
        assert '"connect_timeout": "0.250s"' in dump
        assert answers == {"a": 2}
