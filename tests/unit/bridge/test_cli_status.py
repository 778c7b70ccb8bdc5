"""`xds-bridge status`, of an admin server over fakes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from ruamel.yaml import YAML

from bridge.guard import Reason
from bridge.merge import Service
from bridge.model import Health, ServiceName
from bridge.operator import Pause
from bridge.outage import Failure
from bridge.peers import Difference, PeerState, PeerStatus
from bridge.registry import Hold
from bridge.reload import ReloadOutcome, ReloadReport
from support.admin_bench import Bench
from support.admin_fakes import DC1, LOCAL, served, stream
from support.cli import Outcome, commands
from support.ports import free_port

PEER, AWAY, FINE = (f"http://10.0.0.{number}:19000" for number in (6, 7, 8))
T = 1_700_000_000.0
THEN = "2023-11-14 22:13:20 UTC"

Status = Callable[..., Awaitable[Outcome]]


@pytest.fixture
async def status(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Status]:
    with commands(capsys, monkeypatch) as command:
        yield lambda *options: asyncio.to_thread(command, "status", "--admin", bench.url, *options)


async def test_a_bridge_that_is_well_is_a_screen_and_no_finding(bench: Bench, status: Status) -> None:
    bench.knowledge.put(Service(ServiceName("web"), (served("10.0.0.1"), served("10.0.0.2", Health.DRAINING))))
    bench.streams.connected = [stream(1, "a"), stream(2, "a"), stream(3, "b")]
    bench.replicas.peers = (PeerStatus(FINE, PeerState.SAME, T), PeerStatus(PEER, PeerState.SETTLING, T))

    outcome = await status()

    assert (outcome.status, outcome.error) == (0, "")
    summary, rest = outcome.output.split("\n\n", 1)
    assert summary.splitlines()[0].endswith(": Envoys are answered")
    assert summary.splitlines()[1:] == [
        "2 Envoys connected, with 3 streams",
        "1 service with 2 endpoints (1 healthy, 1 draining)",
        f"configuration in use: read {THEN}",
    ]
    sources, peers = ([line.split() for line in part.splitlines()] for part in rest.split("\n\n"))
    assert [(line[0], line[-1]) for line in sources] == [("source", "state"), ("dc1", "ok"), ("local", "ok")]
    assert [line[:2] for line in peers[1:]] == [[FINE, "same"], [PEER, "settling"]]
    assert "!" not in outcome.output


async def test_everything_that_a_person_should_look_at_is_a_finding(bench: Bench, status: Status) -> None:
    bench.readiness.silent = {LOCAL: "its first complete read"}
    bench.reading.failures = {LOCAL: (Failure("web", "later", T + 1, 1), Failure("", "refused", T, 3))}
    bench.operation.paused_sources = {DC1: Pause(DC1, T, "anna")}
    bench.operation.aged = frozenset({LOCAL})
    bench.knowledge.held = (Hold(DC1, Reason.LOSS, "", T, 7, (ServiceName("web"),)),)
    bench.reloads.report = ReloadReport(T, ReloadOutcome(T, ok=False, by="anna", error="bridge.yaml:1:1: wrong"))
    difference = Difference("default", ("api", "web"), here=22, there=3)
    bench.replicas.peers = (
        PeerStatus(PEER, PeerState.DIFFERS, T, difference=difference),
        PeerStatus(AWAY, PeerState.UNREACHABLE, T, error="cannot connect (Connection refused)"),
    )

    table, written = await status(), await status("-o", "json")

    findings = [
        "no Envoy is answered: local is waited for, its first complete read (web: later; refused)",
        f"source dc1: paused since {THEN} by anna",
        f"source dc1: 7 endpoints held since {THEN}: loss",
        f"source local: fails since {THEN}: refused (and 1 more)",
        "source local: what was kept over a restart is too old to be served; `guard release` serves it",
        f"the configuration that was read {THEN} is not in use: bridge.yaml:1:1: wrong",
        (
            f"peer {PEER} differs since {THEN}: view default: api, web and 20 more as served here; "
            "3 services as served there"
        ),
        f"peer {AWAY} unreachable since {THEN}: cannot connect (Connection refused)",
    ]
    assert (table.status, written.status) == (1, 1)
    assert table.output.endswith("".join(f"! {finding}\n" for finding in findings))
    document = json.loads(written.output)
    assert document["findings"] == findings
    assert document["peers"][0]["difference"]["services"] == ["api", "web"]
    assert [source["name"] for source in document["sources"]] == ["dc1", "local"]


async def test_yaml_says_the_same_as_json(status: Status) -> None:
    as_json, as_yaml = await status("-o", "json"), await status("-o", "yaml")

    assert YAML(typ="safe").load(as_yaml.output) == json.loads(as_json.output)


async def test_what_a_source_says_cannot_move_the_cursor(bench: Bench, status: Status) -> None:
    bench.reading.failures = {LOCAL: (Failure("", "\x1b[2Jgone", T, 1),)}

    outcome = await status()

    assert "\x1b" not in outcome.output
    assert "\\x1b[2Jgone" in outcome.output


async def test_without_a_bridge_it_has_failed(bench: Bench, status: Status) -> None:
    outcome = await status("--admin", f"http://127.0.0.1:{free_port()}")

    assert (outcome.status, outcome.output) == (3, "")
    assert outcome.error.startswith("cannot reach a bridge on http://127.0.0.1:")
