"""A running bridge, with real Envoys under load, goes by another configuration, or says why it does not."""

import json
import os
import pwd
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bridge.model import EndpointKey
from support.backends import Backends, backends
from support.bridge import BridgeProcess, Json
from support.command import Outcome, command
from support.consul import ConsulAgent, consul_agent
from support.endpoints_file import EndpointsFile
from support.envoy import EnvoyProcess, envoy
from support.load import Load
from support.transports import Bootstrap, Transport
from support.waiting import eventually

MODIFIED, REMOVED = "cluster_manager.cluster_modified", "cluster_manager.cluster_removed"
SERVICES = {"web", "api", "db"}


@dataclass
class World:
    """A bridge that reads a file and something else, and Envoys under load, called as their way to the bridge."""

    directory: Path
    file: EndpointsFile
    bridge: BridgeProcess
    backends: Backends
    envoys: dict[Transport, EnvoyProcess] = field(default_factory=dict)
    loads: list[Load] = field(default_factory=list)

    def another(self, name: str, *names: str) -> Json:
        """The configuration of one more file source, whose file gives these backends to `web`."""
        file = EndpointsFile(self.directory / f"{name}.json")
        file.set("web", [self.backends.addresses[each] for each in names])
        return file.source(name)

    async def flaps(self) -> dict[Transport, dict[str, int]]:
        """How often the clusters of each Envoy have come, changed and gone."""
        return {name: await subject.changes() for name, subject in self.envoys.items()}

    async def hosts(self) -> list[set[str]]:
        """The backends that each Envoy has for `web`."""
        names = {str(key): name for name, key in self.backends.addresses.items()}
        found = [(await subject.clusters()).get("web", {}) for subject in self.envoys.values()]
        return [{names.get(key, key) for key in each} for each in found]

    async def until_hosts(self, *expected: str) -> None:
        async def matches() -> bool:
            return all(found == set(expected) for found in await self.hosts())

        await eventually(matches, timeout=20, what=f"every Envoy has {expected}")

    async def until_clusters(self, expected: set[str]) -> None:
        async def matches() -> bool:
            return all([SERVICES & set(await each.clusters()) == expected for each in self.envoys.values()])

        await eventually(matches, timeout=20, what=f"every Envoy has the clusters {expected}")

    async def until_views(self, **expected: str) -> None:
        """Wait until the streams of each Envoy have these views, given by node id."""

        async def matches() -> bool:
            streams = (await self.bridge.get("/api/v1/envoys"))["streams"]
            assert isinstance(streams, list)
            return {((each["node"] or {}).get("id"), each["view"]) for each in streams} == set(expected.items())

        await eventually(matches, timeout=20, what=f"the views are {expected}")

    async def requests(self, source: str) -> float:
        """How often the API of a source was called."""
        metrics = await self.bridge.metrics()
        prefix, label = "xds_bridge_source_api_requests_total{", f'source="{source}"'
        return sum(value for name, value in metrics.items() if name.startswith(prefix) and label in name)

    async def sources(self) -> dict[str, Json]:
        """What the bridge says of its sources, by name."""
        listed = (await self.bridge.get("/api/v1/sources"))["sources"]
        assert isinstance(listed, list)
        return {each["name"]: each for each in listed}

    async def no_request_fails(self) -> None:
        for load in self.loads:
            await load.more(20)
        assert [load.failures for load in self.loads] == [[] for _ in self.loads]


@asynccontextmanager
async def world(
    directory: Path, other: Json, running: Backends, transports: Sequence[Transport], views: Sequence[Json] = ()
) -> AsyncIterator[World]:
    """Backend `b` is in the file; the other source has `a`."""
    file = EndpointsFile(directory / "endpoints.json")
    file.set("web", [running.addresses["b"]])
    bridge = BridgeProcess(directory / "bridge", [other, file.source()], views=list(views))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(bridge)
        here = World(directory, file, bridge, running)
        for transport in transports:
            bootstrap = Bootstrap(transport, [bridge.xds_port], "web", str(transport), static=False)
            here.envoys[transport] = await stack.enter_async_context(envoy(bootstrap.config, directory))
            here.loads.append(await stack.enter_async_context(Load(bootstrap.url, workers=1)))
        await here.until_hosts("a", "b")
        yield here


def dc1(consul: ConsulAgent) -> Json:
    return {"name": "dc1", "type": "consul", "address": consul.address, "mode": "per_service"}


def rules(*globs: str, names: str = "%s") -> list[Json]:
    """Those of Envoys with streams of their own for endpoints, who see these services."""
    eds = {Transport.DELTA_SEPARATE: "DELTA_GRPC", Transport.SOTW_SEPARATE: "GRPC"}
    return [
        {"match": {"id": names % transport}, "services": list(globs), "eds": {"api_type": kind}}
        for transport, kind in eds.items()
    ]


async def test_everything_changes_under_load_and_what_stays_is_not_read_again(tmp_path: Path) -> None:
    async with backends("a", "b", "c", "d") as running, consul_agent() as consul:
        key = running.addresses["a"]
        await consul.register("web", key.address, node="node-a", id="a", port=key.port)
        async with world(tmp_path, dc1(consul), running, list(Transport), rules("*")) as here:
            asked = await here.requests("dc1")
            await _sources_come_change_and_go(here, dc1(consul))
            await _a_template_arrives_in_one_push(here)
            await _envoys_come_back_for_another_view(here)
            await _views_are_narrowed_and_widened(here)

            assert await here.requests("dc1") == asked


async def _sources_come_change_and_go(here: World, other: Json) -> None:
    before = await here.flaps()
    more = here.another("more", "c")
    assert (await here.bridge.reload(sources=[other, here.file.source(), more]))["ok"]
    await here.until_hosts("a", "b", "c")

    changed = here.another("other", "b", "d") | {"name": "local"}
    assert (await here.bridge.reload(sources=[other, changed, more]))["ok"]
    await here.until_hosts("a", "b", "c", "d")

    assert (await here.bridge.reload(sources=[other, changed]))["ok"]
    await here.until_hosts("a", "b", "d")
    await here.no_request_fails()

    assert await here.flaps() == before
    assert set(await here.sources()) == {"dc1", "local"}
    assert not [name for name in await here.bridge.metrics() if '"more"' in name]
    assert [event["source"] for event in here.bridge.events("source.removed")] == ["more"]
    assert (await here.bridge.reload(sources=[other, here.file.source()]))["ok"]
    here.file.set("api", [here.backends.addresses["b"]])
    here.file.set("db", [here.backends.addresses["b"]])
    await here.until_hosts("a", "b")
    await here.until_clusters(SERVICES)


async def _a_template_arrives_in_one_push(here: World) -> None:
    before = await here.flaps()

    assert (await here.bridge.reload(cluster_defaults={"connect_timeout": "3s"}))["ok"]
    for subject in here.envoys.values():
        await eventually(lambda subject=subject: _timeout(subject, "3s"), timeout=20)  # type: ignore[misc]
    await here.no_request_fails()

    after = await here.flaps()
    assert [after[each][MODIFIED] - before[each][MODIFIED] for each in after] == [3] * 4
    assert [after[each][REMOVED] - before[each][REMOVED] for each in after] == [0] * 4


async def _envoys_come_back_for_another_view(here: World) -> None:
    separate = {str(each): f"views[{number}]" for number, each in enumerate(SEPARATE)}
    await here.until_views(**separate, **{str(each): "default" for each in ADS})
    before = await here.flaps()

    assert (await here.bridge.reload(views=[AGGREGATED, *rules("*", names="%s*")]))["ok"]
    separate = {str(each): f"views[{number}]" for number, each in enumerate(SEPARATE, 1)}
    await here.until_views(**separate, **{str(each): "views[0]" for each in ADS})
    await here.no_request_fails()

    assert await here.flaps() == before


async def _views_are_narrowed_and_widened(here: World) -> None:
    before = await here.flaps()
    narrow = [AGGREGATED | {"services": ["web", "api"]}, *rules("web", "api", names="%s*")]
    assert (await here.bridge.reload(views=narrow))["ok"]
    await here.until_clusters({"web", "api"})

    assert (await here.bridge.reload(views=[AGGREGATED, *rules("*", names="%s*")]))["ok"]
    await here.until_clusters(SERVICES)
    await here.no_request_fails()

    after = await here.flaps()
    assert [after[each][REMOVED] - before[each][REMOVED] for each in after] == [1] * 4
    assert [after[each][MODIFIED] - before[each][MODIFIED] for each in after] == [0] * 4


ADS = (Transport.SOTW_ADS, Transport.DELTA_ADS)
SEPARATE = (Transport.DELTA_SEPARATE, Transport.SOTW_SEPARATE)
AGGREGATED: Json = {"match": {"id": "*-ads"}}


async def test_a_source_keeps_its_endpoints_under_another_name_or_path_and_nobody_waits_for_a_new_one(
    tmp_path: Path,
) -> None:
    async with backends("a", "b", "c") as running:
        first = EndpointsFile(tmp_path / "first.json")
        first.set("web", [running.addresses["a"]])
        other = first.source("first")
        async with world(tmp_path, other, running, [Transport.DELTA_ADS]) as here:
            before = await here.flaps()
            nowhere: Json = {"name": "nowhere", "type": "file", "path": str(tmp_path / "nowhere.json")}
            assert (await here.bridge.reload(sources=[other, here.file.source(), nowhere]))["ok"]
            here.file.set("web", [running.addresses["c"]])
            await here.until_hosts("a", "c")
            assert (await here.bridge.get("/readyz"))["ready"]

            outcome = await here.bridge.reload(sources=[other, here.file.source("renamed")])
            await eventually(lambda: len(here.bridge.events("source.removed")) == 2, what="the old name is gone")
            assert outcome["ok"], outcome
            assert await here.hosts() == [{"a", "c"}]
            assert set(await here.sources()) == {"first", "renamed"}

            later = EndpointsFile(tmp_path / "later.json")
            later.path.unlink()
            failures = len(here.bridge.events("source.failed"))
            assert (await here.bridge.reload(sources=[other, later.source("renamed")]))["ok"]
            await eventually(lambda: len(here.bridge.events("source.failed")) > failures)
            assert await here.hosts() == [{"a", "c"}]
            assert (await here.sources())["renamed"]["restored"] == 1
            later.set("web", [running.addresses["b"]])
            await here.until_hosts("a", "b")
            await here.no_request_fails()

            assert await here.flaps() == before


class Operator:
    """Somebody with a shell beside a bridge that reads two files, and whose socket has a place."""

    def __init__(self, directory: Path) -> None:
        self.socket, self.state = directory / "admin.sock", directory / "state"
        self.many, self.few = EndpointsFile(directory / "many.json"), EndpointsFile(directory / "few.json")
        for number in range(1, 31):
            self.many.set(f"api-{number}", [EndpointKey(f"10.0.0.{number}", 80)])
        self.few.set("web", [EndpointKey("10.0.1.1", 80)])
        sources = [self.many.source("many"), self.few.source("few")]
        self.bridge = BridgeProcess(directory, sources, state_directory=str(self.state))
        self.bridge.listen_for_operators(self.socket)

    async def reloads(self, *arguments: str, **changes: object) -> Outcome:
        self.bridge.settings |= changes
        self.bridge.write(self.bridge.settings)
        return await command("reload", *arguments, "--socket", self.socket)

    def asked(self, by: object) -> bool:
        """Whether somebody is I, by way of the socket."""
        return str(by).startswith(f"{pwd.getpwuid(os.getuid()).pw_name} (pid ") and f", {self.socket})" in str(by)

    async def known(self) -> tuple[object, set[object]]:
        """How many services and endpoints there are, and which sources."""
        status, listed = await self.bridge.get("/api/v1/status"), await self.bridge.get("/api/v1/sources")
        assert isinstance(listed["sources"], list)
        return (status["services"], status["endpoints"]), {each["name"] for each in listed["sources"]}


async def test_a_command_says_what_came_into_use_or_why_nothing_did(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    async with operator.bridge:
        before = await operator.known()
        few = operator.few.source("few")
        wrong = await operator.reloads(sources=[{"name": "many", "type": "fille"}])
        (event,) = operator.bridge.events("config.reload_failed")
        metrics = await operator.bridge.metrics()
        fixed = await operator.bridge.reload(sources=[few], state_directory="/elsewhere")
        lossy = await operator.reloads(sources=[few], state_directory=str(operator.state))
        unchanged = await operator.known()
        accepted = await operator.reloads("--accept-loss")
        await eventually(lambda: bool(operator.bridge.events("source.removed")))
        afterwards = (await operator.known())[1]
        again = await operator.reloads()
        (*_, reloaded) = operator.bridge.events("config.reloaded")
        await operator.bridge.terminate()
    trail = [json.loads(line) for line in (operator.state / "audit.jsonl").read_text().splitlines()]

    assert [each.status for each in (wrong, lossy, accepted, again)] == [3, 3, 0, 0]
    assert "'fille' is no known type of source; did you mean 'file'?" in wrong.error
    assert wrong.error.strip() == event["error"]
    assert operator.asked(event["by"])
    assert metrics["xds_bridge_config_last_reload_successful"] == 0
    assert "state_directory: only a restart can change this" in str(fixed["error"])
    assert fixed["by"] == "SIGHUP"
    first, second, third, *lines = lossy.error.splitlines()
    assert "--accept-loss" in first
    assert second == 'source "many" would lose 30 of 30 clusters and 30 of 30 endpoints:'
    assert (third, lines[19]) == ("  api-1 10.0.0.1:80", "  … and 10 more")
    assert lines[20] == "the view default would lose 30 of 31 clusters and 30 of 31 endpoints:"
    assert unchanged == before
    assert accepted.output == "the configuration was reloaded (removed many)\n"
    assert afterwards == {"few"}
    assert again.output == "the configuration was reloaded (it is as it was)\n"
    assert operator.asked(reloaded["by"])
    orders = [event["why"] for event in trail if event["action"] == "operated"]
    assert [why.startswith(f"{accepted.output.strip()}, asked for by ") for why in orders] == [True, False]


SIGNALLED_WHILE_READING = """
import os, signal, sys

left = [signal.SIGHUP]

def hook(event, arguments):
    if event == "open" and str(arguments[0]).endswith("bridge.yaml") and left:
        os.kill(os.getpid(), left.pop())

sys.addaudithook(hook)

from bridge.cli import main

main()
"""


async def test_a_signal_while_the_bridge_starts_has_it_read_the_file_once_more(tmp_path: Path) -> None:
    file = EndpointsFile(tmp_path / "endpoints.json")
    file.set("web", [EndpointKey("10.0.0.1", 80)])
    bridge = BridgeProcess(tmp_path, [file.source()])
    try:
        await bridge.start(command=("-c", SIGNALLED_WHILE_READING))
        await eventually(lambda: len(bridge.events("config.reloaded")) == 1, what=f"the reload; see {bridge.log}")
    finally:
        if bridge.running:
            await bridge.kill()


async def _timeout(subject: EnvoyProcess, expected: str) -> bool:
    return (await subject.cluster_configs("active"))["web"].get("connect_timeout") == expected
