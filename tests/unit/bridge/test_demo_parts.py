"""The parts that the demo is made of: ports, programs, files, child processes and backends."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest
from ruamel.yaml import YAML

from bridge.demo.backend import Backend
from bridge.demo.document import Row, endpoints_path, write_configuration, write_endpoints
from bridge.demo.option import DemoError, DemoOptions, Ports, choose_ports, find_consul, find_envoy
from bridge.demo.process import Child
from support.ports import free_port
from support.waiting import eventually

PORTS = Ports(
    backends=(4001,),
    bridge_xds=18000,
    bridge_admin=19000,
    envoy_listener=10000,
    envoy_admin=9901,
    consul_http=8500,
    consul_internal=(8300, 8301, 8302),
)


def test_a_taken_port_is_replaced() -> None:
    usual = 4001
    with socket.socket() as holder:
        with contextlib.suppress(OSError):  # then somebody else holds it, which does as well
            holder.bind(("127.0.0.1", usual))
            holder.listen()

        ports = choose_ports(1)

    assert ports.backends != (usual,)
    assert 20000 <= ports.backends[0] < 32000


def test_no_port_is_given_twice() -> None:
    ports = choose_ports(300)

    named = (ports.bridge_xds, ports.bridge_admin, ports.envoy_listener, ports.envoy_admin, ports.consul_http)
    every = (*ports.backends, *named, *ports.consul_internal)
    assert len(set(every)) == len(every)


def test_a_named_program_must_exist(tmp_path: Path) -> None:
    missing = tmp_path / "envoy"

    with pytest.raises(DemoError, match=str(missing)):
        find_envoy(DemoOptions(envoy=missing))


def test_the_packaged_envoy_is_found_where_the_path_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    assert os.access(find_envoy(DemoOptions()), os.X_OK)


def test_a_consul_on_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "consul"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_consul(DemoOptions()) == program


def test_the_files_are_what_the_bridge_reads(tmp_path: Path) -> None:
    configuration = write_configuration(tmp_path, PORTS, consul=True)
    write_endpoints(tmp_path, [Row(4001), Row(4002, "draining")])

    written = YAML(typ="safe").load(configuration)
    endpoints = YAML(typ="safe").load(endpoints_path(tmp_path))
    assert [source["type"] for source in written["sources"]] == ["file", "consul"]
    assert written["sources"][0]["path"] == str(endpoints_path(tmp_path))
    assert [row["port"] for row in endpoints["services"]["web"]] == [4001, 4002]


async def test_a_child_that_dies_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "print('the last words'); raise SystemExit(7)"]

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            await Child("bridge", program, tmp_path, group).start()

    assert caught.group_contains(DemoError, match=r"bridge ended by itself with status 7.*\n.*the last words")


async def test_a_child_that_is_stopped_is_no_failure(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        child = Child("bridge", ["sleep", "100"], tmp_path, group)
        await child.start()
        await child.stop()
        await child.start()
        await child.stop(signal.SIGKILL)

    assert child.pid is None


async def test_a_program_that_cannot_start_is_named(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        child = Child("envoy", [tmp_path / "missing"], tmp_path, group)

        with pytest.raises(DemoError, match="cannot start envoy"):
            await child.start()


async def test_a_backend_answers_its_name_and_fails_its_check_when_told() -> None:
    backend = Backend("one", free_port())
    await backend.start()
    url = f"http://{backend.address}"
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/any/path") as answer:
                name = (await answer.text()).strip()
            statuses = []
            for verdict in ("fail", "pass"):
                await (await session.put(f"{url}/health/{verdict}")).release()
                async with session.get(f"{url}/health") as answer:
                    statuses.append(answer.status)
    finally:
        await backend.stop()

    assert name == "one"
    assert statuses == [503, 200]
    await eventually(lambda: _refuses(backend.port))


def _refuses(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0
