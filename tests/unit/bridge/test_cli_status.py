"""`xds-bridge status`, of an admin server over fakes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bridge.audit import Action, Event
from bridge.cli.convention import DEFAULT_CONFIG
from bridge.cli.reading import again
from bridge.guard import Reason
from bridge.merge import Service
from bridge.model import Health, InstanceId, Scope, ServiceName, SetAside
from bridge.operator import Pause
from bridge.outage import Failure
from bridge.peers import Difference, PeerState, PeerStatus
from bridge.registry import Hold, ReportedSetAside
from bridge.reload import ReloadOutcome, ReloadReport
from support.admin_bench import Bench
from support.admin_fakes import DC1, LOCAL, served, stream
from support.cli import Outcome, commands, fields
from support.ports import free_port
from xds import TypeState

PEER, AWAY, FINE = (f"http://10.0.0.{number}:19000" for number in (6, 7, 8))
T = 1_700_000_000.0
THEN = "2023-11-14 22:13:20 UTC"

FINDINGS = [
    (
        "local: No Envoy is answered yet: local is waited for, its first complete read (web: later; refused)",
        "xds-bridge check --live",
    ),
    (
        (
            f"dc1: 7 of its 9 endpoints held since {THEN} (web), because too many at once are missing in what was "
            "read. They go when the source is resumed, at the earliest. `xds-bridge resume dc1` ends the pause."
        ),
        "xds-bridge guard list",
    ),
    (
        (
            "local: What was kept of it over a restart is too old to be served without a word, "
            "and it was not read since."
        ),
        "xds-bridge guard release local",
    ),
    (
        (
            "a: Rejects clusters and stays with what it accepted before: bad. So does 1 other Envoy. "
            "Mend the cluster's template (`services[].cluster`, `cluster_defaults`)."
        ),
        "xds-bridge envoys a",
    ),
    (
        f"configuration: The configuration that was read {THEN} is not in use: bridge.yaml:1:1: wrong.",
        "xds-bridge check && xds-bridge reload",
    ),
    (
        f"local: Fails since {THEN} and keeps what it had: refused. Others that fail: web.",
        "xds-bridge check --live",
    ),
    ("web: 10.0.0.7 of dc1 is set aside: port 0", "xds-bridge explain web"),
    (f"{PEER}: Serves something else than this replica since {THEN}.", "xds-bridge status"),
    (f"{AWAY}: Cannot be reached since {THEN}: cannot connect (Connection refused)", ""),
    (f"dc1: Paused since {THEN} by anna: what is served of it stays as it is.", "xds-bridge resume dc1"),
]
"""Everything at once, the most urgent first, each with what to type."""

Status = Callable[..., Awaitable[Outcome]]


@pytest.fixture
async def status(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Status]:
    with commands(capsys, monkeypatch) as command:
        yield lambda *options: asyncio.to_thread(command, "status", "--admin", bench.url, *options)


async def test_a_bridge_that_is_well_is_a_screen_and_no_finding(bench: Bench, status: Status) -> None:
    bench.knowledge.put(Service(ServiceName("web"), (served("10.0.0.1"), served("10.0.0.2", Health.DRAINING))))
    well = replace(stream(1, "a").types[0], state=TypeState.SYNCED, rejection=None)
    one, other = (replace(stream(number, "a"), types=types) for number, types in ((1, (well,)), (2, ())))
    bench.metrics.quantile = 0.0123
    bench.trail.record(Event(T, Action.REMOVED, "", "dc1", service="web", endpoint="10.0.0.3:80"))
    bench.streams.connected = [one, replace(one, id=3), other]
    bench.replicas.peers = (PeerStatus(FINE, PeerState.SAME, T), PeerStatus(PEER, PeerState.SETTLING, T))

    outcome = await status()

    assert (outcome.status, outcome.error) == (0, "")
    summary, rest = outcome.output.split("\n\n", 1)
    assert summary.splitlines()[0].endswith(": Envoys are answered")
    assert summary.splitlines()[1:] == [
        "2 Envoys connected, with 3 streams; 1 of 2 in sync",
        "1 service with 2 endpoints (1 healthy, 1 draining)",
        "propagation p99, source to last Envoy: 12 ms",
        f"last change: {THEN}, removed 10.0.0.3:80 of web [dc1]",
        f"configuration in use: read {THEN}",
    ]
    sources, peers = ([fields(line) for line in part.splitlines()] for part in rest.split("\n\n"))
    fresh = "fresh; restarted 1 time after a bug in its adapter"
    assert [(line[0], line[-1]) for line in sources] == [("source", "state"), ("dc1", fresh), ("local", fresh)]
    assert [line[:2] for line in peers[1:]] == [[FINE, f"same since {THEN}"], [PEER, f"settling since {THEN}"]]
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

    bench.streams.connected = [stream(1, "a"), stream(2, "b")]
    aside = SetAside(InstanceId("web-7"), "10.0.0.7", "port 0")
    bench.knowledge.aside = (ReportedSetAside(DC1, Scope("dc1/web"), aside),)

    table, written = await status(), await status("-o", "json")

    assert (table.status, written.status) == (1, 1)
    lines = [(what, again(command, bench.url, None, DEFAULT_CONFIG) if command else "") for what, command in FINDINGS]
    told = "".join(f"! {what}\n" + (f"    $ {command}\n" if command else "") for what, command in lines)
    assert table.output.endswith(told)
    document = json.loads(written.output)
    assert [(f"{each['about']}: {each['what']}", each["command"]) for each in document["findings"]] == FINDINGS
    assert document["peers"][0]["difference"]["services"] == ["api", "web"]
    assert [source["name"] for source in document["sources"]] == ["dc1", "local"]


async def test_before_the_first_change_there_is_nothing_to_tell(status: Status) -> None:
    table, written = await status(), await status("-o", "json")

    assert "source to last Envoy: no change yet\nlast change: none yet\n" in table.output
    document = json.loads(written.output)
    assert (document["clients_in_sync"], document["propagation_p99"], document["last_change"]) == (0, None, None)


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


@pytest.mark.parametrize(
    ("command", "admin", "socket", "config", "typed"),
    [
        ("xds-bridge sources", None, None, "", "xds-bridge sources"),
        ("xds-bridge sources", None, None, "b.yaml", "xds-bridge sources --config b.yaml"),
        ("xds-bridge sources", "http://a:1", None, "", "xds-bridge sources --admin http://a:1"),
        ("xds-bridge sources", None, "/a b", "b.yaml", "xds-bridge sources --socket '/a b'"),
        ("xds-bridge guard list", "http://a:1", None, "", "xds-bridge guard list --admin http://a:1"),
        ("xds-bridge guard release dc1", "http://a:1", None, "", "xds-bridge guard release dc1"),
        ("xds-bridge resume dc1", None, "/a", "", "xds-bridge resume dc1 --socket /a"),
        (
            "xds-bridge check && xds-bridge reload",
            None,
            "/a",
            "b.yaml",
            "xds-bridge check --config b.yaml && xds-bridge reload --socket /a",
        ),
    ],
)
def test_what_is_to_be_typed_finds_the_same_bridge(
    command: str, admin: str | None, socket: str | None, config: str, typed: str
) -> None:
    assert again(command, admin, Path(socket) if socket else None, Path(config) if config else DEFAULT_CONFIG) == typed
