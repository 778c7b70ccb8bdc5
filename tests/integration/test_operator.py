"""An operator at work: the real commands, a running bridge, and real Envoys that are served by it."""

import os
import pwd
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import aiohttp
import pytest

from bridge.model import EndpointKey
from support.backends import backends
from support.bridge import BridgeProcess
from support.command import Outcome, command
from support.endpoints_file import EndpointsFile
from support.envoy import EnvoyProcess, envoy
from support.load import Load
from support.transports import Bootstrap, Transport
from support.waiting import eventually

ME = pwd.getpwuid(os.getuid()).pw_name


class Operator:
    """Somebody with a shell beside a bridge that reads one file."""

    def __init__(self, directory: Path) -> None:
        self.file = EndpointsFile(directory / "endpoints.json")
        self.socket = directory / "admin.sock"
        self.bridge = BridgeProcess(directory, [self.file.source()], state_directory=str(directory / "state"))
        self.bridge.write(
            {
                "xds": {"listen": f"127.0.0.1:{self.bridge.xds_port}"},
                "admin": {"listen": f"127.0.0.1:{self.bridge.admin_port}", "socket": str(self.socket)},
                "log": {"format": "json"},
                "state_directory": str(directory / "state"),
                "sources": [self.file.source()],
            }
        )

    async def does(self, *arguments: object) -> Outcome:
        return await command(*arguments, "--socket", self.socket)

    async def served(self, service: str = "web") -> dict[str, str]:
        """Health by address and port."""
        content = await self.bridge.get(f"/api/v1/services/{service}")
        endpoints = content["endpoints"]
        assert isinstance(endpoints, list)
        return {f"{each['address']}:{each['port']}": each["health"] for each in endpoints}

    async def serves(self, addresses: Iterable[str]) -> None:
        await eventually(lambda: self._serves(set(addresses)))

    async def has_read(self, endpoints: int) -> None:
        """Wait until the paused source was seen to have so many endpoints."""
        await eventually(lambda: self._has_read(endpoints))

    async def _serves(self, addresses: set[str]) -> bool:
        return set(await self.served()) == addresses

    async def _has_read(self, endpoints: int) -> bool:
        sources = (await self.bridge.get("/api/v1/sources"))["sources"]
        assert isinstance(sources, list)
        return bool(sources[0]["paused"]["reported"] == endpoints)


def numbered(numbers: Iterable[int]) -> list[EndpointKey]:
    return [EndpointKey(f"10.0.0.{number}", 80) for number in numbers]


def named(numbers: Iterable[int]) -> list[str]:
    return [str(key) for key in numbered(numbers)]


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Operator]:
    operator = Operator(tmp_path)
    operator.file.set("web", numbered(range(1, 13)))
    async with operator.bridge:
        yield operator


async def test_a_pause_outlasts_a_restart_and_ends_under_the_guard(operator: Operator) -> None:
    paused = await operator.does("pause", "local")
    operator.file.set("web", numbered([1, 2, 99]))
    await operator.has_read(3)
    before = await operator.served()
    status = await operator.bridge.get("/api/v1/status")
    metrics = await operator.bridge.metrics()

    await operator.bridge.terminate()
    await operator.bridge.start()
    await operator.has_read(3)
    afterwards = await operator.served()
    resumed = await operator.does("resume", "local")
    await operator.serves(named([*range(1, 13), 99]))
    held = await operator.does("guard", "list", "-o", "json")
    released = await operator.does("guard", "release", "local")
    await operator.serves(named([1, 2, 99]))

    assert [outcome.status for outcome in (paused, resumed, held, released)] == [0, 0, 1, 0]
    assert before == afterwards == dict.fromkeys(named(range(1, 13)), "healthy")
    assert isinstance(status["paused"], list)
    assert [(each["source"], each["by"]) for each in status["paused"]] == [("local", ME)]
    assert metrics['xds_bridge_source_paused{source="local"}'] == 1
    assert isinstance(held.json["held"], list)
    assert [(each["reason"], each["endpoints"]) for each in held.json["held"]] == [("loss", 10)]
    acted = operator.bridge.events("operator.acted")
    assert [(each["action"], each["subject"], each["by"], each["door"]) for each in acted] == [
        (action, "local", ME, str(operator.socket)) for action in ("pause", "resume", "release")
    ]
    assert [event["by"] for event in operator.bridge.events("source.resumed")] == [ME]


async def test_what_was_done_is_not_undone_by_a_bridge_that_is_killed_at_once(operator: Operator) -> None:
    await operator.does("pause", "local")
    await operator.does("drain", "web")
    await operator.does("resume", "local")
    await operator.does("undrain", "web")
    await operator.bridge.kill()
    await operator.bridge.start()
    ended = await operator.bridge.get("/api/v1/status")
    await operator.does("pause", "local")
    await operator.does("drain", "web")
    await operator.bridge.kill()
    await operator.bridge.start()
    begun = await operator.bridge.get("/api/v1/status")

    assert (ended["paused"], ended["drains"]) == ([], [])
    assert isinstance(begun["paused"], list)
    assert isinstance(begun["drains"], list)
    assert [each["source"] for each in begun["paused"]] == ["local"]
    assert [each["target"] for each in begun["drains"]] == ["web"]


async def test_drains_outlast_a_restart_and_end_when_told(operator: Operator) -> None:
    drained = await operator.does("drain", "10.0.0.1:80", "--for", "30m")
    await eventually(lambda: _healths(operator, {"healthy": 11, "draining": 1}))
    await operator.bridge.terminate()
    await operator.bridge.start()
    await eventually(lambda: _healths(operator, {"healthy": 11, "draining": 1}))

    undrained = await operator.does("undrain", "10.0.0.1:80")
    await eventually(lambda: _healths(operator, {"healthy": 12}))
    again = await operator.does("undrain", "10.0.0.1:80")
    short = await operator.does("drain", "web", "--for", "200ms")
    await eventually(lambda: bool(operator.bridge.events("drain.expired")))
    await eventually(lambda: _healths(operator, {"healthy": 12}))

    assert [outcome.status for outcome in (drained, undrained, again, short)] == [0, 0, 3, 0]
    assert drained.output.startswith("10.0.0.1:80 drains in web until ")
    assert "10.0.0.1:80 is not drained by an operator" in again.error
    assert "warning: all of web drains" in short.error


async def _healths(operator: Operator, expected: dict[str, int]) -> bool:
    served = list((await operator.served()).values())
    return {health: served.count(health) for health in set(served)} == expected


async def test_what_cannot_be_done_is_said_and_changes_nothing(operator: Operator) -> None:
    outcomes = [
        await operator.does("pause", "locla"),
        await operator.does("drain", "wbe"),
        await operator.does("guard", "release", "local"),
        await operator.does("resume"),
    ]
    usage = [await operator.does("drain", "web", "--for", "soon"), await operator.does("drain", "web", "--for", "0s")]
    listed = await operator.does("guard", "list")

    assert [outcome.status for outcome in (*outcomes, *usage, listed)] == [1, 1, 3, 3, 2, 2, 0]
    assert [outcome.error.strip() for outcome in outcomes] == [
        "there is no source 'locla'; did you mean 'local'?",
        "there is no service 'wbe'; did you mean 'web'? (an endpoint is written as IP:PORT)",
        "nothing of local is held",
        "no source is paused",
    ]
    assert listed.output == "nothing is held\n"
    assert operator.bridge.events("operator.acted") == []


async def test_the_socket_is_found_by_the_configuration_and_the_environment(operator: Operator) -> None:
    by_file = await command("pause", "--config", operator.bridge.config)
    by_environment = await command("resume", environ={"XDS_BRIDGE_SOCKET": str(operator.socket)})

    assert (by_file.status, by_environment.status) == (0, 0)


async def test_reads_find_another_way_and_changes_do_not(operator: Operator) -> None:
    url = f"http://127.0.0.1:{operator.bridge.admin_port}"
    moved = operator.socket.rename(operator.socket.with_suffix(".away"))
    read = await command("guard", "list", "--config", operator.bridge.config)
    read_by_url = await command("guard", "list", "--admin", url, "-o", "yaml")
    changed = await command("pause", "--config", operator.bridge.config)
    moved.rename(operator.socket)
    async with aiohttp.ClientSession() as session, session.post(f"{url}/api/v1/pause", json={}) as response:
        refused = response.status, await response.json()

    assert (read.status, read.output) == (0, "nothing is held\n")
    assert (read_by_url.status, read_by_url.output) == (0, "held: []\ntoo_old: []\n")
    assert changed.status == 3
    assert changed.error.startswith(f"cannot reach a bridge on {operator.socket} (No such file or directory); ")
    assert refused == (403, {"error": "nothing is changed over the network; use the unix socket (admin.socket)"})
    assert operator.bridge.events("operator.acted") == []


async def test_nobody_answers_without_a_bridge(tmp_path: Path) -> None:
    outcome = await command("guard", "list", "--socket", tmp_path / "none.sock", "--config", tmp_path / "none.yaml")
    bad = tmp_path / "bridge.yaml"
    bad.write_text("admin: {sokcet: /x}\nsources: 5\n")
    refused = await command("pause", "--config", bad)

    assert (outcome.status, refused.status) == (3, 78)
    assert f"cannot reach a bridge on {tmp_path}/none.sock (No such file or directory)" in outcome.error
    assert refused.error.startswith(f"{bad}:1:9: admin.sokcet: unknown key; did you mean 'socket'?\n")


async def _has(subject: EnvoyProcess, expected: set[str]) -> bool:
    return set((await subject.clusters()).get("web", {})) == expected


async def test_an_envoy_that_is_new_gets_what_is_frozen_and_resume_lets_the_change_through(tmp_path: Path) -> None:
    async with backends("old", "new") as running:
        operator = Operator(tmp_path)
        old, new = (str(running.addresses[name]) for name in ("old", "new"))
        operator.file.set("web", [running.addresses["old"]])
        async with operator.bridge:
            await operator.does("pause")
            operator.file.set("web", [running.addresses["new"]])
            operator.file.set("api", [running.addresses["new"]])
            await operator.has_read(2)
            bootstrap = Bootstrap(Transport.DELTA_ADS, [operator.bridge.xds_port], "web")
            async with envoy(bootstrap.config, tmp_path) as subject, Load(bootstrap.url) as load:
                await load.more(20)
                frozen = await subject.clusters()
                during = set(load.answers)

                await operator.does("resume")
                await eventually(lambda: _has(subject, {new}))
                await load.more(20)

                assert set(frozen["web"]) == {old}
                assert "api" not in frozen
                assert during == {"old"}
                assert load.failures == []
                assert load.answers["new"] > 0


async def test_a_drained_endpoint_gets_no_new_request_and_none_fails(tmp_path: Path) -> None:
    async with backends("first", "second") as running:
        operator = Operator(tmp_path)
        operator.file.set("web", list(running.addresses.values()))
        first = str(running.addresses["first"])
        async with operator.bridge:
            bootstrap = Bootstrap(Transport.SOTW_ADS, [operator.bridge.xds_port], "web")
            async with envoy(bootstrap.config, tmp_path) as subject, Load(bootstrap.url) as load:
                await load.more(50)
                await operator.does("drain", first)
                await eventually(lambda: _health(subject, first, "DRAINING"))
                await load.more(2)  # what was on its way
                before = running.requests["first"]
                await load.more(200)
                drained = running.requests["first"]
                await operator.does("undrain", first)
                await eventually(lambda: _health(subject, first, "HEALTHY"))
                await load.more(50)

                assert load.failures == []
                assert before > 0
                assert drained == before
                assert running.requests["first"] > drained


async def test_a_service_that_is_drained_whole_is_served_on(tmp_path: Path) -> None:
    async with backends("first", "second") as running:
        operator = Operator(tmp_path)
        operator.file.set("web", list(running.addresses.values()))
        keys = [str(key) for key in running.addresses.values()]
        async with operator.bridge:
            bootstrap = Bootstrap(Transport.DELTA_ADS, [operator.bridge.xds_port], "web")
            async with envoy(bootstrap.config, tmp_path) as subject, Load(bootstrap.url) as load:
                await load.more(20)
                done = await operator.does("drain", "web")
                for key in keys:
                    await eventually(lambda key=key: _health(subject, key, "DRAINING"))  # type: ignore[misc]
                await load.more(100)

                assert "warning: all of web drains, so Envoy sends requests on to it" in done.error
                assert load.failures == []


async def _health(subject: EnvoyProcess, key: str, expected: str) -> bool:
    return (await subject.clusters())["web"][key].health == expected
