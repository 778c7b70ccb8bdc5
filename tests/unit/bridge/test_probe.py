import asyncio
import json
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from bridge import probe
from support.http_server import answering
from support.ports import free_port

ALLOWED = {
    *("bridge", "bridge.probe", "__future__", "_socket", "time"),
    *("os", "os.path", "posixpath", "genericpath", "stat", "_stat", "_collections_abc"),  # what `site` imports anyway
}
"""Everything else would take longer than all that."""


@dataclass(frozen=True)
class Outcome:
    status: int
    output: str
    error: str


Probe = Callable[..., Awaitable[Outcome]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Probe:
    for name in ("XDS_BRIDGE_SOCKET", "XDS_BRIDGE_ADMIN"):
        monkeypatch.delenv(name, raising=False)

    async def run(*arguments: str) -> Outcome:
        status = await asyncio.to_thread(probe.main, arguments)
        return Outcome(status, *capsys.readouterr())

    return run


async def bridge(request: web.Request) -> web.Response:
    """A bridge that lives and waits for a source."""
    if request.path == "/livez":
        return web.json_response({"alive": True})
    waiting = {"source": "dc1", "waiting_for": "its first complete read", "errors": ["no \x1broute", "denied"]}
    return web.json_response({"ready": False, "waiting": [waiting]}, status=503)


async def test_one_that_lives_is_well(ask: Probe) -> None:
    async with answering(bridge) as url:
        outcome = await ask("--admin", url)

    assert outcome == Outcome(0, "", "")


async def test_one_that_is_not_ready_says_what_is_missing(ask: Probe) -> None:
    async with answering(bridge) as url:
        outcome = await ask("--ready", f"--admin={url}/")

    assert (outcome.status, outcome.error) == (1, "")
    assert outcome.output == ("not ready: dc1 is waited for, its first complete read (no ?route; denied)\n")


async def test_one_that_does_not_say_why_is_not_ready_either(ask: Probe) -> None:
    async def silent(_: web.Request) -> web.Response:
        return web.Response(status=503, text='{"ready": false}')

    async with answering(silent) as url:
        outcome = await ask("--ready", "--admin", url)

    assert outcome.status == 1
    assert "does not say why" in outcome.output


async def test_the_environment_names_the_place_unless_an_option_does(
    ask: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with answering(bridge) as url:
        monkeypatch.setenv("XDS_BRIDGE_SOCKET", "/nowhere/admin.sock")
        monkeypatch.setenv("XDS_BRIDGE_ADMIN", url)
        both = await ask()
        typed = await ask("--socket", "/nowhere/other.sock")

    assert both.status == 0, "the socket first, and then the admin server"
    assert typed.error == "no bridge answers: tried /nowhere/other.sock (No such file or directory)\n"
    assert typed.status == 3


async def test_what_was_tried_is_one_line(ask: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "DEFAULT_PLACES", ("/nowhere/admin.sock", f"http://127.0.0.1:{free_port()}"))

    outcome = await ask()

    assert (outcome.status, outcome.output, outcome.error.count("\n")) == (3, "", 1)
    assert "tried /nowhere/admin.sock (No such file" in outcome.error
    assert "tried http://127.0.0.1:" in outcome.error
    assert "(Connection refused)" in outcome.error


@pytest.mark.parametrize("option", [[], ["--ready"]], ids=["livez", "readyz"])
@pytest.mark.parametrize(("status", "text"), [(404, ""), (200, ""), (200, "OK"), (200, '{"up": true}'), (503, "[]")])
async def test_something_else_that_answers_is_no_bridge(ask: Probe, option: list[str], status: int, text: str) -> None:
    async def other(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    async with answering(other) as url:
        outcome = await ask(*option, "--admin", url)

    assert outcome.status == 3
    assert "no admin server of a bridge" in outcome.error


async def test_one_that_hangs_is_given_up(ask: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    over = asyncio.Event()

    async def hanging(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    monkeypatch.setattr(probe, "PATIENCE", 0.1)
    async with answering(hanging) as url:
        outcome = await ask("--admin", url)
        over.set()

    assert outcome.status == 3
    assert "timed out" in outcome.error


async def test_a_name_that_nobody_resolves_is_given_up(ask: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def resolver(*_: object) -> list[object]:
        over.wait()
        return []

    monkeypatch.setattr(probe, "PATIENCE", 0.1)
    monkeypatch.setattr("_socket.getaddrinfo", resolver)
    outcome = await ask("--admin", "http://bridge.example:19000")
    over.set()

    assert outcome.status == 3
    assert "tried http://bridge.example:19000 (the name of the host is not resolved in time)" in outcome.error


async def test_one_that_drips_is_given_up(ask: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dripping(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b" ")
                await asyncio.sleep(0)
        return response

    monkeypatch.setattr(probe, "PATIENCE", 0.1)
    async with answering(dripping) as url:
        outcome = await ask("--admin", url)

    assert outcome.status == 3
    assert "timed out" in outcome.error


@pytest.mark.parametrize(
    "arguments",
    [
        ["--live"],
        ["--socket"],
        ["--socket", "/a", "--admin", "http://127.0.0.1:1"],
        ["--admin", "https://127.0.0.1:1"],
        ["--admin", "127.0.0.1:19000"],
        ["--admin", "http://127.0.0.1:port"],
    ],
)
async def test_wrong_usage_exits_with_2(ask: Probe, arguments: list[str]) -> None:
    outcome = await ask(*arguments)

    assert outcome.status == 2
    assert "Usage: xds-bridge-health" in outcome.error


async def test_help_shows_an_example(ask: Probe) -> None:
    outcome = await ask("--help")

    assert outcome.status == 0
    assert "Example: xds-bridge-health --ready" in outcome.output


def test_a_url_may_have_a_bracketed_address() -> None:
    assert probe._taken_apart("http://[::1]:19000/a/") == ("[::1]:19000", "::1", 19000, "/a")
    assert probe._taken_apart("http://bridge") == ("bridge", "bridge", 80, "")


def test_the_command_is_declared(repository: Path) -> None:
    scripts = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["scripts"]

    assert scripts["xds-bridge-health"] == "bridge.probe:main"


def test_little_is_imported_and_nothing_is_written(repository: Path) -> None:
    code = """
import sys
before, opened = set(sys.modules), []
sys.addaudithook(lambda event, args: opened.append(args) if event == "open" else None)
from bridge import probe
assert probe.main(["--socket", "/nowhere/admin.sock"]) == 3
assert probe.main(["--admin", "http://127.0.0.1:1"]) == 3
imported = sorted(set(sys.modules) - before)
written = [str(name) for name, _, flags in opened if flags & 3]
import json
print(json.dumps([imported, written]))
"""
    command = [sys.executable, "-S", "-B", "-c", code]
    environ = {**os.environ, "PYTHONPATH": str(repository)}

    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60)

    imported, written = json.loads(done.stdout)
    assert set(imported) <= ALLOWED
    assert written == []
