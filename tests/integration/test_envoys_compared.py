"""What `envoys` tells of a real Envoy that has everything, refuses a cluster, and hears nothing any more."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.bridge import BridgeProcess
from support.cli import Command, Outcome, commands
from support.endpoints_file import EndpointsFile
from support.envoy import EnvoyProcess
from support.envoy_content import BAD_TEMPLATE, Bad
from support.tcp_proxy import TcpProxy, tcp_proxy
from support.transports import Bootstrap, Transport
from support.waiting import eventually

PATIENCE = 60.0

WEB: list[dict[str, object]] = [
    {"address": "10.0.0.1", "port": 80, "weight": 3, "zone": "a"},
    {"address": "10.0.0.2", "port": 80, "health": "unknown", "zone": "b"},
    {"address": "10.0.0.3", "port": 80, "health": "unhealthy", "zone": "b"},
]
OTHERS: Mapping[str, list[dict[str, object]]] = {
    "api": [{"address": "fd00::1", "port": 80}],
    "refused": [{"address": "10.0.1.1", "port": 80}],
}
LATER: list[dict[str, object]] = [
    {**WEB[0], "weight": 5},
    {**WEB[1], "health": "degraded"},
    {"address": "10.0.0.4", "port": 80},
]


@dataclass
class World:
    bridge: BridgeProcess
    file: EndpointsFile
    link: TcpProxy
    envoy: EnvoyProcess
    command: Command

    async def tells(self, *arguments: str) -> Outcome:
        admin = f"http://127.0.0.1:{self.bridge.admin_port}"
        return await asyncio.to_thread(self.command, "envoys", *arguments, "--admin", admin)

    async def compares(self, *arguments: str) -> Outcome:
        url = f"http://127.0.0.1:{self.envoy.admin_port}"
        return await self.tells("test", "--envoy-admin", url, *arguments)

    async def differences(self) -> list[tuple[str, str, str]]:
        outcome = await self.compares("-o", "json")
        assert outcome.status == 1
        comparison = json.loads(outcome.output)["comparison"]
        return [(each["cluster"], each["endpoint"], each["what"]) for each in comparison["differences"]]

    async def until(self, *states: str) -> None:
        """Wait until Envoy is so far with clusters and endpoints."""

        async def reached() -> bool:
            streams = (await self.bridge.get("/api/v1/envoys"))["streams"]
            assert isinstance(streams, list)
            return [each["state"] for stream in streams for each in stream["types"]] == list(states)

        await eventually(reached, timeout=PATIENCE, what=f"Envoy is {states}, see {self.envoy.log}")


@asynccontextmanager
async def world(directory: Path, transport: Transport, command: Command) -> AsyncIterator[World]:
    file = EndpointsFile(directory / "endpoints.json")
    file.replace({"web": WEB, **OTHERS})
    bridge = BridgeProcess(directory / "bridge", [file.source()])
    listen = f"127.0.0.1:{bridge.xds_port}"
    bridge.settings["xds"] = {"listen": listen, "limits": {"keepalive_interval": "1h", "keepalive_timeout": "1h"}}
    bridge.write(bridge.settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(bridge)
        link = await stack.enter_async_context(tcp_proxy(bridge.xds_port))
        bootstrap = Bootstrap(transport, [link.port], "web")
        bootstrap.probe("3600s", "3600s")
        envoy = await stack.enter_async_context(EnvoyProcess(bootstrap.config, directory))
        yield World(bridge, file, link, envoy, command)


@pytest.mark.parametrize("transport", [Transport.DELTA_ADS, Transport.SOTW_ADS])
async def test_envoys_tells_whether_an_envoy_has_what_it_is_served(
    tmp_path: Path, transport: Transport, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with commands(capsys, monkeypatch) as command:
        await _story(tmp_path, transport, command)


async def _story(directory: Path, transport: Transport, command: Command) -> None:
    async with world(directory, transport, command) as there:
        await there.until("synced", "synced")
        await _all_is_well(there, transport)
        await _a_cluster_is_refused(there, transport)
        await _nothing_is_heard(there)


async def _all_is_well(there: World, transport: Transport) -> None:
    listed, compared, unknown = await there.tells(), await there.compares(), await there.tells("tset")

    assert (listed.status, compared.status, unknown.status) == (0, 0, 1)
    row = listed.output.splitlines()[1].split("  ")
    cells = [cell.strip() for cell in row if cell.strip()]
    assert (cells[0], cells[1], cells[3], cells[4]) == ("test", "tests", transport.split("-")[0], "default")
    assert [cell.split()[0] for cell in cells[6:]] == ["SYNCED", "SYNCED"]
    assert compared.output.endswith("Envoy has what it is served: 3 clusters with 5 endpoints\n")
    assert unknown.error == "no Envoy 'tset' is connected; did you mean 'test'?\n"


async def _a_cluster_is_refused(there: World, transport: Transport) -> None:
    bad = {"match": "refused", "cluster": BAD_TEMPLATE[Bad.UNREAD]}
    assert (await there.bridge.reload(services=[bad]))["ok"]
    await there.until("error", "synced")

    listed, detail, found = await there.tells(), await there.tells("test"), await there.differences()

    assert (listed.status, detail.status) == (1, 1)
    assert "ERROR" in listed.output
    assert "! Envoy test at ipv4:127.0.0.1:" in listed.output
    rejected = next(line for line in detail.output.splitlines() if line.startswith("clusters  ") and "refused" in line)
    assert "Timeout: value is required" in rejected
    assert "tcp_health_check" not in detail.output, "the reason, and not the whole cluster before it"
    if transport is Transport.DELTA_ADS:
        assert [(cluster, what[:17]) for cluster, _, what in found] == [("refused", "Envoy has version")]
    else:
        assert (found[0][0], found[0][2][:17]) == ("", "Envoy has version")
        assert {cluster for cluster, _, _ in found[1:]} <= {"refused"}

    assert (await there.bridge.reload(services=[]))["ok"]
    await there.until("synced", "synced")


async def _nothing_is_heard(there: World) -> None:
    there.link.rate = 0
    there.file.replace({"web": LATER, "api": OTHERS["api"], "new": []})
    await there.until("stale", "stale")

    listed, found = await there.tells(), await there.differences()

    assert listed.status == 0, "it has a minute to answer"
    assert "STALE" in listed.output
    assert {each for each in found if each[0] == "web"} == {
        ("web", "10.0.0.1:80", "Envoy has weight 3, not 5"),
        ("web", "10.0.0.2:80", "Envoy has health healthy, not degraded"),
        ("web", "10.0.0.3:80", "is not served, and Envoy has it"),
        ("web", "10.0.0.4:80", "is served, and Envoy does not have it"),
    }
    assert ("new", "", "is served, and Envoy does not have it") in found
    assert {cluster for cluster, _, _ in found} <= {"", "web", "new", "refused"}
