"""The bridge with all its parts but without Envoys: what a reload does to sources, step by step."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from envoy_data_plane.google.protobuf import Struct, Value

from bridge.app import Bridge
from bridge.config import Config
from bridge.model import EndpointKey, SourceName
from bridge.operator import Pauses
from bridge.reload import ReloadOutcome
from support.bridge import BridgeProcess
from support.configured import Configured, Json, file
from support.endpoints_file import EndpointsFile
from support.ports import free_port
from support.waiting import eventually
from support.xds_client import Transport, connected
from xds import CLUSTER

MANY = [EndpointKey("10.0.1.1", port) for port in range(1, 21)]
FEW_SOURCE, LATER = SourceName("few"), SourceName("later")
FEW = [EndpointKey("10.0.2.1", port) for port in range(1, 4)]


class Bench:
    """A bridge, its configuration, and two files of endpoints of one service."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.many, self.few = EndpointsFile(directory / "many.json"), EndpointsFile(directory / "few.json")
        self.many.set("web", MANY)
        self.few.set("web", FEW)
        self.process = BridgeProcess(directory / "process", [])  # never started: what asks the admin server
        self._configured = Configured(directory)
        self.xds_port = free_port()
        self._doors = {
            "xds": {"listen": f"127.0.0.1:{self.xds_port}"},
            "admin": {"listen": f"127.0.0.1:{self.process.admin_port}"},
        }
        self.bridge = Bridge(self.write(self.many.source("many"), self.few.source("few")), self._configured.read)

    def write(self, *sources: Json, **more: object) -> Config:
        return self._configured(*sources, **self._doors, **more)

    async def reload(self, *sources: Json, accept_loss: bool = False, **more: object) -> ReloadOutcome:
        await asyncio.to_thread(self.write, *sources, **more)
        return await self.bridge.reload("anna", accept_loss=accept_loss)

    @property
    def pauses(self) -> Pauses:
        return self.bridge._pauses

    async def ready(self) -> bool:
        """Whether Envoys are answered; the admin server may not be there yet."""
        try:
            return bool((await self.process.get("/readyz"))["ready"])
        except aiohttp.ClientConnectionError:
            return False

    async def sources(self) -> dict[str, Json]:
        listed = (await self.process.get("/api/v1/sources"))["sources"]
        assert isinstance(listed, list)
        return {each["name"]: each for each in listed}

    async def ports(self) -> dict[str, list[int]]:
        """The ports of the endpoints that are served of `web`, by their address."""
        found = await self.process.get("/api/v1/services/web")
        ports: dict[str, list[int]] = {}
        assert isinstance(found["endpoints"], list)
        for each in found["endpoints"]:
            ports.setdefault(each["address"], []).append(each["port"])
        return ports

    async def requests(self) -> dict[str, tuple[str, int]]:
        """The health and the weight of each endpoint of `web`."""
        found = (await self.process.get("/api/v1/services/web"))["endpoints"]
        assert isinstance(found, list)
        return {f"{each['address']}:{each['port']}": (each["health"], each["served_weight"]) for each in found}

    async def until(self, **expected: int) -> None:
        """Wait until so many endpoints are served of each file and nothing else."""
        addresses = {"10.0.1.1": "many", "10.0.2.1": "few"}

        async def matches() -> bool:
            return {addresses[address]: len(ports) for address, ports in (await self.ports()).items()} == expected

        await eventually(matches, what=f"{expected} endpoints are served")


def shares(**weights: int) -> list[Json]:
    return [{"match": "web", "merge": {"policy": "weighted", "weights": weights}}]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench, stop = await asyncio.to_thread(Bench, tmp_path), asyncio.Event()
    task = asyncio.create_task(bench.bridge.run(stop))
    await eventually(bench.ready)
    await bench.until(many=20, few=3)
    yield bench
    stop.set()
    await task


async def test_a_large_source_goes_only_when_its_loss_is_accepted(bench: Bench) -> None:
    for guard in ({}, {"max_loss": "100%", "min_endpoints": 1000}):  # the looser one is not in use yet
        refused = await bench.reload(bench.few.source("few"), guard=guard)
        assert refused.losses[0] == 'source "many" would lose 0 of 1 clusters and 20 of 20 endpoints:'
    await bench.until(many=20, few=3)

    accepted = await bench.reload(bench.few.source("few"), accept_loss=True)

    assert accepted.ok
    await bench.until(few=3)
    assert set(await bench.sources()) == {"few"}


async def test_a_small_source_goes_without_a_question(bench: Bench) -> None:
    assert (await bench.reload(bench.many.source("many"))).ok

    await bench.until(many=20)


async def test_small_sources_do_not_empty_a_view_without_a_question(bench: Bench) -> None:
    assert (await bench.reload(bench.few.source("few"), accept_loss=True)).ok
    await bench.until(few=3)

    refused = await bench.reload(file("other", "/nowhere"))

    assert refused.losses[0] == "the view default would lose 1 of 1 clusters and 3 of 3 endpoints:"
    await bench.until(few=3)


async def test_an_accepted_loss_is_not_asked_about_again_and_hides_no_other(bench: Bench) -> None:
    few, silent = bench.few.source("few"), file("silent", "/nowhere")
    assert (await bench.reload(few, silent, accept_loss=True)).ok

    again = await bench.reload(silent, few)
    refused = await bench.reload(silent)

    assert again.ok
    assert (await bench.sources())["many"]["leaving"]
    assert refused.losses[0] == "the view default would lose 1 of 1 clusters and 3 of 3 endpoints:"


async def test_rules_for_everybody_are_weighed_although_nobody_has_a_stream(bench: Bench) -> None:
    sources = bench.many.source("many"), bench.few.source("few")

    narrow = await bench.reload(*sources, views=[{"services": ["api"]}])
    nobody = await bench.reload(*sources, views=[{"match": {"id": "edge"}}], views_required=True)

    assert narrow.losses == nobody.losses
    assert narrow.losses[0] == "the view default would lose 1 of 1 clusters and 23 of 23 endpoints:"


async def test_another_merge_rule_that_takes_most_endpoints_is_refused(bench: Bench) -> None:
    many, few = bench.many.source("many"), bench.few.source("few")
    first = [{"match": "web", "merge": {"policy": "first"}}]

    narrow = await bench.reload(few, many, services=first)
    assert narrow.losses == (
        "the view default would lose 0 of 1 clusters and 20 of 23 endpoints:",
        "  web (20 of 23 endpoints)",
    )

    assert (await bench.reload(many, few, services=first)).ok
    await bench.until(many=20)
    assert (await bench.reload(few, many, services=first)).losses[1] == "  web (20 of 20 endpoints)"


async def test_a_source_whose_endpoints_others_report_too_goes_without_a_question(bench: Bench) -> None:
    bench.few.set("web", MANY)
    await bench.until(many=20)
    await eventually(lambda: _endpoints(bench, "few", 20))

    assert (await bench.reload(bench.few.source("few"))).ok

    await eventually(lambda: _named(bench, {"few"}))
    await bench.until(many=20)


async def test_a_source_is_read_on_until_what_takes_its_place_has_been_read(bench: Bench) -> None:
    later = EndpointsFile(bench.directory / "later.json")
    later.path.unlink()
    few = bench.few.source("few")

    assert (await bench.reload(few, later.source("later"), accept_loss=True)).ok
    sources = await bench.sources()
    assert {name: each["leaving"] for name, each in sources.items()} == {"few": False, "later": False, "many": True}
    bench.many.set("web", MANY[:15])
    await bench.until(many=15, few=3)

    later.set("web", MANY[:4])
    await bench.until(many=4, few=3)
    assert set(await bench.sources()) == {"few", "later"}


async def test_a_source_whose_successor_stays_silent_goes_after_the_grace(bench: Bench) -> None:
    few = bench.few.source("few")

    assert (await bench.reload(few, file("silent", "/nowhere"), accept_loss=True, startup_grace="1ms")).ok

    await bench.until(few=3)


async def test_going_back_leaves_everything_as_it_was(bench: Bench) -> None:
    before = (await bench.sources())["many"]["services"]
    few, silent = bench.few.source("few"), file("silent", "/nowhere")
    assert (await bench.reload(few, silent, accept_loss=True)).ok
    assert (await bench.sources())["many"]["leaving"]

    assert (await bench.reload(bench.many.source("many"), few)).ok

    await eventually(lambda: _named(bench, {"many", "few"}))
    many = (await bench.sources())["many"]
    assert (many["leaving"], many["services"], many["restored"]) == (False, before, 0)
    await bench.until(many=20, few=3)


async def test_a_renamed_source_is_waited_for_without_end_and_the_renaming_is_no_loss(bench: Bench) -> None:
    many, few = bench.many.source("many"), bench.few.source("few")
    assert (await bench.reload(many, few, services=shares(many=90, few=10))).ok
    before = await bench.requests()
    bench.many.path.unlink()

    renamed = shares(renamed=90, few=10)
    assert (await bench.reload(many | {"name": "renamed"}, few, startup_grace="1ms", services=renamed)).ok
    await eventually(lambda: _fails(bench, "renamed"))
    assert (await bench.sources())["many"]["leaving"]
    await bench.until(many=20, few=3)
    assert await bench.requests() == before

    bench.many.write()
    await eventually(lambda: _named(bench, {"renamed", "few"}))
    await bench.until(many=20, few=3)
    assert await bench.requests() == before


async def test_a_renamed_source_that_cannot_be_read_goes_when_a_second_reload_accepts_that(bench: Bench) -> None:
    renamed, few = bench.many.source("many") | {"name": "renamed"}, bench.few.source("few")
    bench.many.path.unlink()

    assert (await bench.reload(renamed, few, accept_loss=True, startup_grace="1ms")).ok
    await eventually(lambda: _fails(bench, "renamed"))
    assert (await bench.reload(renamed, few, startup_grace="1ms")).ok
    assert (await bench.sources())["many"]["leaving"]

    assert (await bench.reload(renamed, few, accept_loss=True, startup_grace="1ms")).ok

    await eventually(lambda: _named(bench, {"renamed", "few"}))
    await bench.until(few=3)


async def test_a_source_that_lost_its_successor_is_counted_again(bench: Bench) -> None:
    many, few = bench.many.source("many"), bench.few.source("few")
    bench.many.path.unlink()
    assert (await bench.reload(many | {"name": "renamed"}, few)).ok

    outcome = await bench.reload(few)

    assert outcome.losses[0] == 'source "many" would lose 0 of 1 clusters and 20 of 20 endpoints:'
    await bench.until(many=20, few=3)


async def test_a_paused_source_stays_as_it_is_and_is_resumed_with_what_it_is_by_then(bench: Bench) -> None:
    many, later = bench.many.source("many"), EndpointsFile(bench.directory / "later.json")
    later.path.unlink()
    bench.pauses.pause(FEW_SOURCE, "anna")

    assert (await bench.reload(many, later.source("few"))).ok
    await eventually(lambda: _fails(bench, "few"))
    bench.pauses.resume(FEW_SOURCE, "anna")
    assert (await bench.sources())["few"]["restored"] == 3
    bench.pauses.pause(FEW_SOURCE, "anna")
    later.set("web", [EndpointKey("10.0.2.1", 9)])
    await eventually(lambda: bench.pauses.reported(FEW_SOURCE) == 1)
    await bench.until(many=20, few=3)

    bench.pauses.resume(FEW_SOURCE, "anna")
    await bench.until(many=20, few=1)


async def test_while_everything_is_paused_a_reload_adds_nothing_and_takes_nothing_out(bench: Bench) -> None:
    many, later = bench.many.source("many"), EndpointsFile(bench.directory / "later.json")
    later.set("web", [EndpointKey("10.0.2.1", 9)])
    for name in ("many", "few"):
        bench.pauses.pause(SourceName(name), "anna")
    bench.pauses.pause_those_to_come("anna")

    outcome = await bench.reload(many, later.source("later"), startup_grace="10ms")
    await eventually(lambda: bench.pauses.paused(LATER) is not None and bench.pauses.reported(LATER) == 1)
    for _ in range(2):  # after the first, who may leave would have left
        assert (await bench.reload(many, later.source("later"), startup_grace="10ms")).ok

    assert "everything is paused" in outcome.done
    assert await bench.ports() == {"10.0.1.1": list(range(1, 21)), "10.0.2.1": [1, 2, 3]}

    for name in ("many", "few", "later"):
        bench.pauses.resume(SourceName(name), "anna")
    await bench.until(many=20, few=1)


async def test_only_other_rules_for_views_end_streams(bench: Bench) -> None:
    many, few = bench.many.source("many"), bench.few.source("few")
    async with connected(bench.xds_port, Transport(delta=True, aggregated=True)) as client:
        assert client.node
        client.node.metadata = Struct(fields={"talk": Value(string_value="x" * 5000)})  # more than is remembered
        await client.subscribe(CLUSTER, ["*"])
        await client.accept(CLUSTER)

        assert (await bench.reload(many, few, guard={"max_loss": "60%"})).ok
        assert (await bench.reload(many, few, cluster_defaults={"connect_timeout": "3s"})).ok
        assert (await client.accept(CLUSTER)).names == {"web"}

        assert (await bench.reload(many, few, views=[{"match": {"id": "*"}}])).ok
        with pytest.raises(AssertionError, match="ended the stream"):
            await client.accept(CLUSTER)


async def test_sources_have_the_order_of_the_file(bench: Bench) -> None:
    many = bench.many.source("many")

    assert (await bench.reload(bench.few.source("few"), many | {"interval": "20ms"})).ok

    assert list(await bench.sources()) == ["few", "many"]
    await bench.until(many=20, few=3)
    await eventually(lambda: _endpoints(bench, "many", 20))


async def _endpoints(bench: Bench, source: str, count: int) -> bool:
    endpoints = (await bench.sources())[source]["endpoints"]
    assert isinstance(endpoints, dict)
    return bool(endpoints["unknown"] + endpoints["healthy"] == count)


async def _named(bench: Bench, names: set[str]) -> bool:
    return set(await bench.sources()) == names


async def _fails(bench: Bench, source: str) -> bool:
    return bool((await bench.sources())[source]["failures"])
