"""SIGHUP: a running bridge, with a real Envoy under load, goes by another configuration, or says why it does not."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.backends import Backends, backends
from support.bridge import BridgeProcess, Json
from support.consul import ConsulAgent, consul_agent
from support.endpoints_file import EndpointsFile
from support.envoy import EnvoyProcess, envoy
from support.load import Load
from support.transports import Bootstrap, Transport
from support.waiting import eventually

FLAPS = ("cluster_added", "cluster_modified", "cluster_removed")
UP = 'xds_bridge_source_up{source="%s"}'


@dataclass
class World:
    """Consul and a file, of which both have backends of `web`, the bridge, and Envoys under load."""

    directory: Path
    consul: ConsulAgent
    file: EndpointsFile
    bridge: BridgeProcess
    backends: Backends
    envoy: EnvoyProcess
    load: Load

    def another(self, name: str, *names: str) -> Json:
        """The configuration of one more file source, whose file gives these backends to `web`."""
        file = EndpointsFile(self.directory / f"{name}.json")
        file.set("web", [self.backends.addresses[each] for each in names])
        return file.source(name)

    @property
    def dc1(self) -> Json:
        return {"name": "dc1", "type": "consul", "address": self.consul.address, "mode": "per_service"}

    async def flaps(self) -> dict[str, int]:
        """How often Envoy's clusters have come, changed and gone."""
        stats = await self.envoy.stats("cluster_manager")
        return {name: stats.get(f"cluster_manager.{name}", 0) for name in FLAPS}

    async def hosts(self) -> set[str]:
        """The backends that Envoy has for `web`."""
        names = {str(key): name for name, key in self.backends.addresses.items()}
        return {names.get(key, key) for key in (await self.envoy.clusters()).get("web", {})}

    async def until_hosts(self, *expected: str) -> None:
        async def matches() -> bool:
            return await self.hosts() == set(expected)

        await eventually(matches, what=f"Envoy has {expected}")

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


each_transport = pytest.mark.parametrize("transport", [Transport.DELTA_ADS, Transport.SOTW_ADS])


@pytest.fixture
def transport() -> Transport:
    """For tests to which it makes no difference how Envoy is served."""
    return Transport.DELTA_ADS


@pytest.fixture
async def world(transport: Transport, tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(backends("a", "b", "c", "d"))
        consul = await stack.enter_async_context(consul_agent())
        key = running.addresses["a"]
        await consul.register("web", key.address, node="node-a", id="a", port=key.port)
        file = EndpointsFile(tmp_path / "endpoints.json")
        file.set("web", [running.addresses["b"]])
        dc1: Json = {"name": "dc1", "type": "consul", "address": consul.address, "mode": "per_service"}
        sources = [dc1, file.source("local")]
        bridge = await stack.enter_async_context(BridgeProcess(tmp_path / "bridge", sources))
        bootstrap = Bootstrap(transport, [bridge.xds_port], "web")
        subject = await stack.enter_async_context(envoy(bootstrap.config, tmp_path))
        load = await stack.enter_async_context(Load(bootstrap.url))
        yield World(tmp_path, consul, file, bridge, running, subject, load)


@each_transport
async def test_sources_come_change_and_go_under_load_and_the_others_are_not_read_again(world: World) -> None:
    await world.until_hosts("a", "b")
    before, asked = await world.flaps(), await world.requests("dc1")

    more = world.another("more", "c")
    assert (await world.bridge.reload(sources=[world.dc1, world.file.source("local"), more]))["ok"]
    await world.until_hosts("a", "b", "c")

    changed = world.another("other", "b", "d") | {"name": "local"}
    assert (await world.bridge.reload(sources=[world.dc1, changed, more]))["ok"]
    await world.until_hosts("a", "b", "c", "d")

    assert (await world.bridge.reload(sources=[world.dc1, changed]))["ok"]
    await world.until_hosts("a", "b", "d")
    await world.load.more(20)

    assert world.load.failures == []
    assert await world.flaps() == before
    assert await world.requests("dc1") == asked
    assert set(await world.sources()) == {"dc1", "local"}
    assert not [name for name in await world.bridge.metrics() if '"more"' in name]
    (*_, event) = world.bridge.events("source.removed")
    assert event["source"] == "more"


async def test_a_source_keeps_its_endpoints_under_another_path_until_that_is_read(world: World) -> None:
    await world.until_hosts("a", "b")
    later = EndpointsFile(world.directory / "later.json")
    later.path.unlink()

    outcome = await world.bridge.reload(sources=[world.dc1, later.source("local")])
    await eventually(lambda: bool(world.bridge.events("source.failed")))

    assert outcome["ok"]
    assert await world.hosts() == {"a", "b"}
    assert (await world.sources())["local"]["restored"] == 1
    later.set("web", [world.backends.addresses["c"]])
    await world.until_hosts("a", "c")
    assert world.load.failures == []


async def test_a_renamed_source_keeps_its_endpoints(world: World) -> None:
    await world.until_hosts("a", "b")
    before = await world.flaps()

    outcome = await world.bridge.reload(sources=[world.dc1, world.file.source("renamed")])
    await eventually(lambda: bool(world.bridge.events("source.removed")))

    assert outcome["ok"], outcome
    assert await world.hosts() == {"a", "b"}
    assert set(await world.sources()) == {"dc1", "renamed"}
    assert world.load.failures == []
    assert await world.flaps() == before


async def test_an_invalid_file_changes_nothing_and_says_why(world: World) -> None:
    await world.until_hosts("a", "b")

    outcome = await world.bridge.reload(sources=[{"name": "dc1", "type": "consull"}])

    assert not outcome["ok"]
    assert "'consull' is no known type of source" in str(outcome["error"])
    (event,) = world.bridge.events("config.reload_failed")
    assert event["error"] == outcome["error"]
    assert (await world.bridge.metrics())["xds_bridge_config_last_reload_successful"] == 0
    assert await world.hosts() == {"a", "b"}
    assert set(await world.sources()) == {"dc1", "local"}

    assert (await world.bridge.reload(sources=[world.dc1, world.file.source("local")]))["ok"]
    await eventually(lambda: _successful(world), what="the metric tells of the success")


async def test_a_key_that_needs_a_restart_is_named_and_nothing_is_changed(world: World) -> None:
    xds = {"listen": f"127.0.0.1:{world.bridge.admin_port + 1}"}

    outcome = await world.bridge.reload(xds=xds, sources=[world.dc1])

    assert "xds.listen: only a restart can change this" in str(outcome["error"])
    assert set(await world.sources()) == {"dc1", "local"}


async def test_what_would_take_too_much_is_refused_with_the_list(world: World) -> None:
    fleet = {f"api-{number}": [{"address": f"10.0.0.{number}", "port": 80}] for number in range(1, 31)}
    world.file.replace({"web": [], **fleet})
    await eventually(lambda: _services(world, 31))

    outcome = await world.bridge.reload(sources=[world.dc1])

    assert not outcome["ok"]
    assert "--accept-loss" in str(outcome["error"])
    losses = outcome["losses"]
    assert isinstance(losses, list)
    assert losses[0] == 'source "local" would lose 30 of 31 clusters and 30 of 30 endpoints:'
    assert losses[1:3] == ["  api-1 10.0.0.1:80", "  api-10 10.0.0.10:80"]
    assert losses[-1] == "  … and 10 more"
    assert await _services(world, 31)


@each_transport
async def test_a_new_template_arrives_in_one_push(world: World) -> None:
    await world.until_hosts("a", "b")
    before = await world.flaps()

    assert (await world.bridge.reload(cluster_defaults={"connect_timeout": "3s"}))["ok"]

    await eventually(lambda: _timeout(world, "3s"))
    await world.load.more(20)
    assert world.load.failures == []
    after = await world.flaps()
    assert after["cluster_modified"] - before["cluster_modified"] == 1
    assert after["cluster_removed"] == before["cluster_removed"]


@each_transport
async def test_a_view_is_narrowed_and_widened_under_its_envoy(world: World) -> None:
    world.file.set("api", [world.backends.addresses["b"]])
    world.file.set("db", [world.backends.addresses["b"]])
    await eventually(lambda: _clusters(world, {"web", "api", "db"}))

    narrow: Json = {"match": {"cluster": "tests"}, "services": ["web", "api"]}
    assert (await world.bridge.reload(views=[narrow]))["ok"]
    await eventually(lambda: _clusters(world, {"web", "api"}))

    assert (await world.bridge.reload(views=[narrow | {"services": ["web", "api", "db"]}]))["ok"]
    await eventually(lambda: _clusters(world, {"web", "api", "db"}))

    refused = await world.bridge.reload(views=[narrow | {"services": ["web"]}])
    assert refused["losses"] == [
        "the view views[0] would lose 2 of 3 clusters and 2 of 4 endpoints:",
        "  api (1 endpoints)",
        "  db (1 endpoints)",
    ]
    assert await _clusters(world, {"web", "api", "db"})
    await world.load.more(20)
    assert world.load.failures == []


@each_transport
async def test_an_envoy_that_falls_under_another_view_comes_back_and_is_served_by_that_one(world: World) -> None:
    world.file.set("api", [world.backends.addresses["b"]])
    await eventually(lambda: _clusters(world, {"web", "api"}))
    assert await _views(world) == {"default"}

    rule: Json = {"match": {"cluster": "tests"}, "services": ["web"]}
    assert (await world.bridge.reload(views=[rule], guard={"max_loss": "80%"}))["ok"]
    await eventually(lambda: _clusters(world, {"web"}))

    assert await _views(world) == {"views[0]"}
    await world.load.more(20)
    assert world.load.failures == []


async def test_nobody_waits_for_a_source_that_was_added(world: World) -> None:
    await world.until_hosts("a", "b")
    nowhere: Json = {"name": "nowhere", "type": "file", "path": str(world.directory / "nowhere.json")}

    outcome = await world.bridge.reload(sources=[world.dc1, world.file.source("local"), nowhere])
    world.file.set("web", [world.backends.addresses["c"]])

    assert outcome["ok"]
    await world.until_hosts("a", "c")
    assert (await world.bridge.get("/readyz"))["ready"]
    assert world.load.failures == []


async def _views(world: World) -> set[str]:
    """The views of all open streams."""
    streams = (await world.bridge.get("/api/v1/envoys"))["streams"]
    assert isinstance(streams, list)
    return {each["view"] for each in streams}


async def _successful(world: World) -> bool:
    return (await world.bridge.metrics())["xds_bridge_config_last_reload_successful"] == 1


async def _services(world: World, count: int) -> bool:
    return (await world.bridge.get("/api/v1/status"))["services"] == count


async def _timeout(world: World, expected: str) -> bool:
    return (await world.envoy.cluster_configs("active"))["web"].get("connect_timeout") == expected


async def _clusters(world: World, expected: set[str]) -> bool:
    return expected == {name for name in await world.envoy.clusters() if name in {"web", "api", "db"}}
