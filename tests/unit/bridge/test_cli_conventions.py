"""What holds for every command: an example, no colour where it is not wanted, and one line when no bridge answers."""

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast

import pytest
import typer
from aiohttp import web
from ruamel.yaml import YAML
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from bridge.audit import Action, Event
from bridge.cli import app, completion
from bridge.merge import Service
from bridge.model import ServiceName
from support.admin_bench import Bench, admin_bench
from support.admin_fakes import served, stream
from support.cli import Command, commands
from support.http_server import answering
from support.ports import free_port

READING = ["status", "sources", "services", "endpoints", "envoys", "events", "explain web", "guard list"]
READING_OF = ["services web", "envoys web"]

NOW = 1_700_000_000.0


def every_command() -> Iterator[tuple[str, ...]]:
    def below(group: TyperGroup, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, command in group.commands.items():
            yield (*path, name)
            if isinstance(command, TyperGroup):
                yield from below(command, (*path, name))

    yield from below(cast("TyperGroup", get_command(app)), ())


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    with commands(capsys, monkeypatch) as run:
        yield run


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with admin_bench() as bench:
        bench.knowledge.put(Service(ServiceName("web"), (served("10.0.0.1"),)))
        yield bench


@pytest.mark.parametrize("path", list(every_command()), ids=" ".join)
def test_every_help_shows_an_example_of_the_command(command: Command, path: tuple[str, ...]) -> None:
    outcome = command(*path, "--help")

    assert outcome.status == 0
    assert f"Example: xds-bridge {' '.join(path)}" in outcome.output


def test_the_commands_that_read_are_among_them() -> None:
    assert {" ".join(path) for path in every_command()} >= {verb.removesuffix(" web") for verb in READING}


@pytest.mark.parametrize("verb", [*READING, *READING_OF])
def test_without_a_bridge_a_command_says_in_a_line_where_it_looked(command: Command, tmp_path: Path, verb: str) -> None:
    config, socket, port = tmp_path / "bridge.yaml", tmp_path / "admin.sock", free_port()
    config.write_text(f"admin: {{listen: '127.0.0.1:{port}', socket: {socket}}}\n", encoding="utf-8")

    outcome = command(*verb.split(), "--config", str(config))

    assert (outcome.status, outcome.output) == (3, "")
    assert outcome.error == (
        f"cannot reach a bridge on {socket} (No such file or directory); "
        f"cannot reach a bridge on http://127.0.0.1:{port} (Connection refused)\n"
    )


@pytest.mark.parametrize("verb", [*READING, "envoys web"])
async def test_what_a_command_reads_is_the_same_in_yaml_as_in_json(
    bench: Bench, command: Command, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)  # ages are in what is read
    bench.trail.record(Event(1.0, Action.ADDED, "because: it is there", "dc1", "s", "web", "10.0.0.1:80"))
    bench.streams.connected = [stream(1, "web")]

    table, as_json, as_yaml = [
        await asyncio.to_thread(command, *verb.split(), "-o", form, "--admin", bench.url)
        for form in ("table", "json", "yaml")
    ]

    found = YAML(typ="safe", pure=True).load(as_yaml.output)
    assert table.output
    assert isinstance(found, dict)
    assert json.loads(as_json.output) == found
    assert table.status == as_json.status == as_yaml.status


@pytest.mark.parametrize("verb", ["events --follow", "diff"])
def test_those_that_take_longer_say_it_too(command: Command, tmp_path: Path, verb: str) -> None:
    config, endpoints, port = tmp_path / "bridge.yaml", tmp_path / "endpoints.yaml", free_port()
    endpoints.write_text("services: {}\n", encoding="utf-8")
    config.write_text(f"sources: [{{name: local, type: file, path: {endpoints}}}]\n", encoding="utf-8")

    outcome = command(*verb.split(), "--config", str(config), "--admin", f"http://127.0.0.1:{port}")

    assert (outcome.status, outcome.output) == (3, "")
    assert outcome.error == f"cannot reach a bridge on http://127.0.0.1:{port} (Connection refused)\n"


def test_a_server_that_is_not_there_is_named_by_fetch(command: Command) -> None:
    address = f"127.0.0.1:{free_port()}"

    outcome = command("fetch", address)

    assert (outcome.status, outcome.output) == (3, "")
    assert address in outcome.error


@pytest.mark.parametrize("url", ["127.0.0.1:19000", "http://", "http://[", "http://h:99999", "http://h:port"])
def test_what_is_no_url_is_wrong_usage(command: Command, url: str) -> None:
    outcome = command("status", "--admin", url)

    assert (outcome.status, outcome.output) == (2, "")
    assert "is no URL" in outcome.error


async def on_a_terminal(*arguments: str, **environ: str) -> str:
    """What a command writes on a terminal."""
    ours, its = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", *arguments),
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=its,
        env={**environment, "TERM": "xterm-256color", **environ},
    )
    os.close(its)
    await process.wait()
    try:
        return (await asyncio.to_thread(os.read, ours, 65536)).decode()
    finally:
        os.close(ours)


async def test_there_is_colour_on_a_terminal_alone_and_not_with_no_color(bench: Bench) -> None:
    arguments = ("endpoints", "--admin", bench.url)

    coloured, plain = await asyncio.gather(on_a_terminal(*arguments), on_a_terminal(*arguments, NO_COLOR="1"))

    assert "\x1b[32mhealthy" in coloured
    assert "\x1b[3" not in plain
    assert "healthy" in plain


async def test_on_a_narrow_terminal_no_word_is_broken(bench: Bench) -> None:
    bench.knowledge.put(Service(ServiceName("payments-api-production"), (served("10.200.30.41"),)))
    arguments = ("endpoints", "payments-api-production", "--admin", bench.url)

    narrow, wide = await asyncio.gather(
        on_a_terminal(*arguments, NO_COLOR="1", COLUMNS="60"), on_a_terminal(*arguments, NO_COLOR="1", COLUMNS="200")
    )

    plain = [re.sub(r"\x1b\[\d+m", "", line).split() for line in narrow.splitlines()]
    assert ["service", "payments-api-production"] in plain
    assert ["endpoint", "10.200.30.41:80"] in plain
    assert any({"payments-api-production", "10.200.30.41:80"} <= set(line.split()) for line in wide.splitlines())


async def test_names_of_a_running_bridge_are_completed(bench: Bench) -> None:
    bench.streams.connected = [stream(1, "edge-1"), stream(2, "web-1"), stream(3, "web-1")]

    assert await completed(completion.services, bench.url, "w") == ["web"]
    assert await completed(completion.sources, bench.url, "") == ["dc1", "local"]
    assert await completed(completion.nodes, bench.url, "we") == ["web-1"]
    assert await completed(completion.services, bench.url, "x") == []


async def test_a_name_that_a_shell_or_a_terminal_acts_on_is_not_completed(bench: Bench) -> None:
    for name in ("we\x1b[2Jb", "w$(id)", "w b", "-w", "w`id`", "w;id", "w\nb", "w/b.c:1@é"):
        bench.knowledge.put(Service(ServiceName(name), ()))

    assert await completed(completion.services, bench.url, "") == ["w/b.c:1@é", "web"]


async def test_a_bridge_that_hangs_completes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    over = asyncio.Event()

    async def hanging(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    monkeypatch.setattr(completion, "PATIENCE", 0.1)
    async with answering(hanging) as url:
        found = await completed(completion.services, url, "")
        over.set()

    assert found == []


@pytest.mark.parametrize("admin", ["http://127.0.0.1:1", "no url"])
async def test_without_a_bridge_nothing_is_completed_and_nothing_said(
    capsys: pytest.CaptureFixture[str], admin: str
) -> None:
    assert await completed(completion.services, admin, "") == []
    assert capsys.readouterr() == ("", "")


async def completed(names: completion.Names, admin: str, incomplete: str) -> list[str]:
    context = typer.Context(cast("TyperCommand", get_command(app)))
    context.params = {"admin": admin, "socket": None, "config": None}
    return await asyncio.to_thread(names, context, incomplete)


async def test_a_shell_is_told_the_names(bench: Bench) -> None:
    bench.streams.connected = [stream(1, "edge-1")]
    environ = {"_XDS_BRIDGE_COMPLETE": "complete_bash", "COMP_CWORD": "4"}
    line = f"xds-bridge envoys --admin {bench.url} e"

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from bridge.cli import main; main()"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environ, "COMP_WORDS": line},
    )
    output, errors = await process.communicate()

    assert (output.decode().split(), errors) == (["edge-1"], b"")
