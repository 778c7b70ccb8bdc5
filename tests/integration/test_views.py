"""What Envoys do with the views that a bridge gives them: regions, endpoints without ADS, and a refusal."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.bootstrap import ApiType, BootstrapOptions, HttpListener, Route, SocketAddress, render
from bridge.model import Locality
from support.backends import Backends, backends
from support.bridge import BridgeProcess, Json
from support.endpoints_file import EndpointsFile
from support.envoy import EnvoyProcess, envoy
from support.ports import free_port
from support.transports import without_retries
from support.waiting import eventually

REQUESTS = 20


@dataclass
class Client:
    """An Envoy whose listener leads to the service `web`."""

    envoy: EnvoyProcess
    url: str

    async def answering(self) -> set[str]:
        """Who answers the next requests, or with which status they fail."""
        answers = [await self.envoy.get(self.url) for _ in range(REQUESTS)]
        return {answer.text if answer.status == 200 else str(answer.status) for answer in answers}

    async def until_answered_by(self, *expected: str) -> None:
        """Wait until these and no others answer; a request must not fail meanwhile."""
        seen: set[str] = set()

        async def matches() -> bool:
            seen.clear()
            seen.update(await self.answering())
            assert all(not answer.isdigit() for answer in seen), seen
            return seen == set(expected)

        await eventually(matches, what=f"{expected} answer, not {seen}")

    async def stat(self, name: str) -> int:
        return (await self.envoy.stats(name)).get(name, 0)


@dataclass
class World:
    """A file of endpoints, a bridge that reads it, backends, and any number of Envoys."""

    file: EndpointsFile
    bridge: BridgeProcess
    backends: Backends
    stack: AsyncExitStack
    directory: Path

    def place(self, regions: Mapping[str, str], *unhealthy: str, **fields: object) -> None:
        """Let `web` have these backends as endpoints, each in a region."""
        endpoints = [
            {
                "address": self.backends.addresses[name].address,
                "port": self.backends.addresses[name].port,
                "region": region,
                "health": "unhealthy" if name in unhealthy else "healthy",
                **fields,
            }
            for name, region in regions.items()
        ]
        self.file.replace({"web": endpoints})

    async def client(self, region: str = "", api_type: ApiType = ApiType.DELTA_GRPC, cluster: str = "tests") -> Client:
        """An Envoy with an aggregated stream."""
        port = free_port()
        options = BootstrapOptions(
            node_id=f"envoy-{port}",
            node_cluster=cluster,
            bridges=(SocketAddress("127.0.0.1", self.bridge.xds_port),),
            locality=Locality(region),
            api_type=api_type,
            listeners=(HttpListener(SocketAddress("127.0.0.1", port), (Route("web"),)),),
        )
        return await self.started(render(options), port)

    async def started(self, bootstrap: Json, port: int) -> Client:
        process = await self.stack.enter_async_context(envoy(without_retries(bootstrap), self.directory))
        return Client(process, f"http://127.0.0.1:{port}/")


@contextlib.asynccontextmanager
async def world(directory: Path, *names: str, **config: object) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(backends(*names))
        file = EndpointsFile(directory / "endpoints.json")
        bridge = BridgeProcess(directory / "bridge", [file.source()], **config)
        one = World(file, bridge, running, stack, directory)
        one.place(dict.fromkeys(names, ""))
        await stack.enter_async_context(bridge)
        yield one


@pytest.mark.parametrize("api_type", [ApiType.GRPC, ApiType.DELTA_GRPC])
async def test_traffic_stays_in_its_region_goes_over_when_that_fails_and_comes_back(
    api_type: ApiType, tmp_path: Path
) -> None:
    regions = {"e": "eu", "u": "us"}
    async with world(tmp_path, "e", "u", views=[{"locality_failover": True}]) as scene:
        scene.place(regions)
        eu, us = await scene.client("eu", api_type), await scene.client("us", api_type)
        await eu.until_answered_by("e")
        await us.until_answered_by("u")

        scene.place(regions, "e")
        await eu.until_answered_by("u")
        assert await us.answering() == {"u"}

        scene.place(regions)
        await eu.until_answered_by("e")
        assert await us.answering() == {"u"}


async def test_a_region_with_its_first_endpoint_serves_the_envoys_that_were_there_before(tmp_path: Path) -> None:
    async with world(tmp_path, "e", "u", "a", views=[{"locality_failover": True}]) as scene:
        scene.place({"e": "eu", "u": "us"})
        asia = await scene.client("asia")
        await asia.until_answered_by("e", "u")

        scene.place({"e": "eu", "u": "us", "a": "asia"})

        await asia.until_answered_by("a")


@pytest.mark.parametrize("api_type", [ApiType.GRPC, ApiType.DELTA_GRPC])
async def test_an_envoy_without_an_aggregated_stream_follows(api_type: ApiType, tmp_path: Path) -> None:
    rule = {"match": {"cluster": "separate"}, "eds": {"api_type": str(api_type)}}
    async with world(tmp_path, "a", "b", views=[rule]) as scene:
        scene.place({"a": ""})
        port = free_port()
        client = await scene.started(await _bootstrap(scene.bridge, port, sotw=api_type is ApiType.GRPC), port)
        await client.until_answered_by("a")

        scene.place({"a": "", "b": ""})
        await client.until_answered_by("a", "b")
        scene.place({"b": ""})
        await client.until_answered_by("b")

        # What the endpoints speak is a matter of the cluster, which Envoy warms with its endpoints before it uses it.
        modified = await client.stat("cluster_manager.cluster_modified")
        scene.place({"b": ""}, protocol="http1")
        await eventually(lambda: _more(client, "cluster_manager.cluster_modified", modified))
        await eventually(lambda: _is(client, "cluster_manager.warming_clusters", 0))
        scene.place({"a": ""}, protocol="http1")
        await client.until_answered_by("a")

        assert await client.stat("cluster_manager.cds.update_rejected") == 0
        assert await client.stat("cluster.web.update_rejected") == 0
        assert await client.stat("cluster.web.init_fetch_timeout") == 0
        streams = (await scene.bridge.get("/api/v1/envoys"))["streams"]
        assert isinstance(streams, list)
        assert {(stream["aggregated"], stream["view"]) for stream in streams} == {(False, "views[0]")}


async def test_a_refused_envoy_keeps_serving_and_asks_again(tmp_path: Path) -> None:
    rule = {"match": {"cluster": "tests"}, "services": ["web"]}
    async with world(tmp_path, "a", "b", views=[rule], views_required=True) as scene:
        scene.place({"a": ""})
        client = await scene.client()
        await client.until_answered_by("a")
        allowed = json.loads(scene.bridge.config.read_text())

        await scene.bridge.terminate()
        scene.bridge.write({**allowed, "views": [{"match": {"cluster": "others"}}]})
        await scene.bridge.start()
        await eventually(lambda: _refusals(scene.bridge, at_least=3), timeout=60)
        scene.place({"b": ""})
        assert await client.answering() == {"a"}
        (told,) = scene.bridge.events("stream.refused")
        assert told["reason"] == "no_view"
        assert f"node id 'envoy-{client.url.split(':')[2][:-1]}', cluster 'tests'" in str(told["message_to_client"])

        await scene.bridge.terminate()
        scene.bridge.write(allowed)
        await scene.bridge.start()
        await eventually(lambda: _answered_by(client, "b"), timeout=60)


async def _bootstrap(bridge: BridgeProcess, port: int, *, sotw: bool) -> Json:
    """What the command line writes for an Envoy that does without an aggregated stream."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "bootstrap", "--node-id", "envoy-1", "--cluster", "separate", "--no-ads"),
        *("--bridge", f"127.0.0.1:{bridge.xds_port}", "--listen", f"127.0.0.1:{port}", "--route", "/=web"),
        *("-o", "json", *(["--sotw"] if sotw else [])),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    bootstrap = json.loads(output)
    assert isinstance(bootstrap, dict)
    return bootstrap


async def _more(client: Client, stat: str, before: int) -> bool:
    return await client.stat(stat) > before


async def _is(client: Client, stat: str, value: int) -> bool:
    return await client.stat(stat) == value


async def _answered_by(client: Client, name: str) -> bool:
    return await client.answering() == {name}


async def _refusals(bridge: BridgeProcess, at_least: int) -> bool:
    metrics = await bridge.metrics()
    return metrics.get('xds_bridge_xds_streams_refused_total{reason="no_view"}', 0) >= at_least
