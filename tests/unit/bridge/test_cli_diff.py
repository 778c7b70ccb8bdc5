"""What `diff` finds between a file of configuration and what an admin server shows."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.admin import resource
from bridge.config import ViewMatch, ViewRule
from bridge.merge import Report, Standing, merged, union
from bridge.model import Endpoint, Health, ServiceName
from bridge.operator import Pause
from bridge.resources import ResourceBuilder
from bridge.views import ShownView
from support.admin_bench import Bench
from support.admin_fakes import LOCAL, FakeServing, stream
from support.builders import appeared, endpoint, service
from support.cli import Command, Outcome
from support.ports import free_port
from support.reports import report
from xds import Locality, Node, Snapshot

ONE, TWO = endpoint("10.0.0.1", 80), endpoint("10.0.0.2", 80)
EU = Locality(region="eu")


class Configured:
    """A configuration whose file has these services, and `diff` with it."""

    def __init__(self, directory: Path, bench: Bench, command: Command) -> None:
        self._directory = directory
        self._bench = bench
        self._command = command

    def write(self, services: Mapping[str, Sequence[Endpoint]], /, **keys: object) -> None:
        listed = {name: [{"address": e.address, "port": e.port} for e in found] for name, found in services.items()}
        (self._directory / "endpoints.json").write_text(json.dumps({"services": listed}))
        source = {"name": "local", "type": "file", "path": str(self._directory / "endpoints.json")}
        (self._directory / "bridge.yaml").write_text(json.dumps({"sources": [source], **keys}))

    async def diff(self, *arguments: str, admin: str = "") -> Outcome:
        config = str(self._directory / "bridge.yaml")
        return await asyncio.to_thread(
            self._command, "diff", "--config", config, "--admin", admin or self._bench.url, *arguments
        )

    async def found(self) -> list[dict[str, object]]:
        views: list[dict[str, object]] = json.loads((await self.diff("-o", "json")).output)["views"]
        return views


@pytest.fixture
async def configured(tmp_path: Path, bench: Bench, command: Command) -> Configured:
    return Configured(tmp_path, bench, command)


def snapshot(services: Mapping[str, Sequence[Endpoint]]) -> Snapshot:
    """What a bridge serves of these services."""
    made = [service(name, found) for name, found in services.items()]
    return ResourceBuilder({}, []).apply(Snapshot(), appeared(*made))


async def test_the_same_is_no_difference(bench: Bench, configured: Configured) -> None:
    bench.serving.snapshot = snapshot({"web": [ONE], "api": [TWO]})
    configured.write({"web": [ONE], "api": [TWO]})

    outcome = await configured.diff()

    assert (outcome.status, outcome.output) == (0, "view default: no difference\n")


async def test_differences_are_told_line_by_line(bench: Bench, configured: Configured) -> None:
    bench.serving.snapshot = snapshot({"web": [ONE], "old": [ONE], "api": [ONE]})
    configured.write(
        {"web": [TWO], "new": [ONE], "api": [ONE]},
        services=[{"match": "api", "cluster": {"connect_timeout": "2s"}}],
    )

    outcome = await configured.diff()

    assert outcome.status == 1
    assert outcome.output.splitlines() == [
        "view default: 1 cluster added, 1 cluster removed, 2 clusters changed, 2 endpoints added, 2 endpoints removed",
        "~ cluster api",
        '    ~ connect_timeout: (not given) → "2s"',
        "+ cluster new",
        "    + 10.0.0.1:80",
        "- cluster old",
        "    - 10.0.0.1:80",
        "~ cluster web",
        "    - 10.0.0.1:80",
        "    + 10.0.0.2:80",
    ]


async def test_endpoints_alone_differ_where_clusters_are_the_same(bench: Bench, configured: Configured) -> None:
    bench.serving.snapshot = snapshot({"web": [ONE]})
    configured.write({"web": [ONE, TWO]})

    (view,) = await configured.found()

    assert view["changes"] == [
        {
            "cluster": "web",
            "change": "changed",
            "fields": [],
            "endpoints": [{"endpoint": "10.0.0.2:80", "change": "added", "fields": []}],
            "notes": [],
        }
    ]


async def test_what_no_source_says_now_is_explained(bench: Bench, configured: Configured) -> None:
    def standing(name: str, found: Report, standing: Standing) -> None:
        known = replace(found, origin=replace(found.origin, standing=standing))
        bench.knowledge.put(merged(ServiceName(name), [known], union, None, 0.0))

    standing("held", report("local", "10.0.0.1"), Standing.HELD)
    standing("restored", report("local", "10.0.0.1"), Standing.RESTORED)
    drained = replace(report("local", "10.0.0.1", Health.DRAINING), reported=Health.HEALTHY)
    bench.knowledge.put(merged(ServiceName("drained"), [drained], union, None, 0.0))
    bench.knowledge.put(service("gone"))
    bench.knowledge.gone[ServiceName("gone")] = 1_800_000_000.0
    bench.operation.paused_sources[LOCAL] = Pause(LOCAL, 1.0, "anna")
    bench.serving.snapshot = snapshot({"held": [ONE], "restored": [ONE], "drained": [TWO], "gone": []})
    configured.write({"held": [], "drained": [ONE], "other": [ONE]})

    outcome = await configured.diff()

    assert outcome.status == 1
    notes, cluster = dict[str, str](), ""
    for line in outcome.output.splitlines():
        cluster = line.rpartition(" ")[2] if " cluster " in line else cluster
        if line.startswith("    note: "):
            notes[cluster] = line
    assert "1 is held by the guard" in notes["held"]
    assert "1 is known from before the last restart" in notes["restored"]
    assert "1 is drained by an operator" in notes["drained"]
    assert "the bridge keeps its cluster, empty" in notes["gone"]
    assert outcome.output.endswith("\nnote: source local is paused: the bridge serves what it said before\n")


async def test_each_view_is_compared_with_what_its_envoys_would_see(bench: Bench, configured: Configured) -> None:
    everything, edge = snapshot({"web": [ONE], "db": [ONE]}), snapshot({"web": [ONE]})
    bench.rules.views = (ViewRule(match=ViewMatch(cluster="edge"), services=("web",)),)
    bench.serving.other = [ShownView("default", None, "", everything), ShownView("views[0]", 0, "", edge)]
    configured.write(
        {"web": [ONE], "db": [ONE]},
        views=[{"match": {"id": "canary-*"}, "services": ["db"]}, {"match": {"cluster": "edge"}, "services": ["web"]}],
    )
    bench.streams.connected = [stream(1, "canary-1"), stream(2, "edge-1"), stream(3, "edge-2"), stream(4, "edge-2")]

    found = await configured.found()

    assert [(view["view"], view["becomes"], view["envoys"], bool(view["changes"])) for view in found] == [
        ("default", "default", [], False),
        ("views[0]", "views[0]", ["canary-1"], True),
        ("views[0]", "views[1]", ["edge-1", "edge-2"], False),
    ]


async def test_a_view_nobody_has_a_stream_of_goes_by_its_rule(bench: Bench, configured: Configured) -> None:
    near = ViewRule(match=ViewMatch(cluster="near"), locality_failover=True)
    bench.rules.views = (near,)
    bench.serving.other = [ShownView("views[0] in eu", 0, "eu", snapshot({"web": [ONE]}))]
    configured.write(
        {"web": [ONE]}, views=[{"match": {"cluster": "far"}}, {"match": {"cluster": "near"}, "locality_failover": True}]
    )

    (view,) = await configured.found()

    assert (view["view"], view["becomes"], view["changes"]) == ("views[0] in eu", "views[1] in eu", [])


async def test_envoys_whose_metadata_the_bridge_does_not_tell_go_where_their_rule_is(
    bench: Bench, configured: Configured
) -> None:
    canary = ViewRule(match=ViewMatch(metadata={"stage": "canary"}))
    bench.rules.views = (canary,)
    bench.serving.other = [ShownView("views[0]", 0, "", snapshot({"web": [ONE]}))]
    bench.streams.connected = [replace(stream(1, "web-1"), view="views[0]", node=Node("web-1", "web"))]
    configured.write({"web": [ONE]}, views=[{"match": {"metadata": {"stage": "canary"}}}], views_required=True)

    (view,) = await configured.found()

    assert (view["becomes"], view["envoys"], view["changes"]) == ("views[0]", ["web-1"], [])


async def test_envoys_that_would_be_refused_are_a_difference(bench: Bench, configured: Configured) -> None:
    bench.serving.snapshot = snapshot({"web": [ONE]})
    bench.streams.connected = [replace(stream(1, "web-1"), view="default", node=Node("web-1", "web", EU))]
    configured.write({"web": [ONE]}, views=[{"match": {"cluster": "edge"}}], views_required=True)

    outcome = await configured.diff()

    assert outcome.status == 1
    assert outcome.output == ("view default: its Envoys (web-1) would be refused: no view would be for them\n")


async def test_names_in_certificates_count(bench: Bench, configured: Configured) -> None:
    bench.serving.snapshot = snapshot({"web": [ONE]})
    bench.streams.connected = [replace(stream(1, "web-1"), view="default", names=("spiffe://prod/web",))]
    configured.write({"web": [ONE]}, views=[{"match": {"san": "spiffe://prod/*"}, "services": ["web"]}])

    (view,) = await configured.found()

    assert (view["becomes"], view["changes"]) == ("views[0]", [])


async def test_without_a_bridge_it_fails(configured: Configured) -> None:
    configured.write({"web": [ONE]})

    outcome = await configured.diff(admin=f"http://127.0.0.1:{free_port()}")

    assert (outcome.status, outcome.output, outcome.error.count("\n")) == (3, "", 1)
    assert "cannot reach a bridge" in outcome.error


async def test_a_bridge_that_serves_nothing_yet_cannot_be_compared(configured: Configured) -> None:
    configured.write({"web": [ONE]})

    outcome = await configured.diff()

    assert outcome.status == 3
    assert "serves nothing yet" in outcome.error


async def test_a_required_source_that_cannot_be_read_fails(
    bench: Bench, configured: Configured, tmp_path: Path
) -> None:
    bench.serving.snapshot = snapshot({"web": [ONE]})
    configured.write({"web": [ONE]})
    (tmp_path / "endpoints.json").unlink()

    outcome = await configured.diff()

    assert outcome.status == 3
    assert "source local: cannot read" in outcome.error


class Restless(FakeServing):
    """Shows something else whenever it is asked."""

    def shown(self) -> Sequence[ShownView]:
        self.count = getattr(self, "count", 0) + 1
        found = {f"s{number}": [endpoint("10.0.0.1", self.count)] for number in range(3)}
        return [ShownView("default", None, "", snapshot(found))]


async def test_what_changes_while_it_is_read_is_given_up(
    bench: Bench, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "PAGE", 1)
    configured.write({"web": [ONE]})
    restless = Bench(serving=Restless())
    server = restless.server()
    url = f"http://127.0.0.1:{await server.start()}"

    outcome = await configured.diff(admin=url)
    await server.stop()

    assert outcome.status == 3
    assert "changes while it is read; try again" in outcome.error
