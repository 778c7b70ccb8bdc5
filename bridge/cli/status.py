"""`xds-bridge status`: a running bridge on one screen, and whether a person should look at it."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import typer
from pydantic import BaseModel

from bridge.cli import reading
from bridge.cli.convention import DEFAULT_CONFIG, EXIT_FINDING, ConfigOption
from bridge.cli.reading import AdminOption, Output, OutputOption, SocketOption, counted, shown, utc

if TYPE_CHECKING:
    from rich.console import Console


class _Awaited(BaseModel):
    source: str
    waiting_for: str
    errors: tuple[str, ...]


class _Failure(BaseModel):
    reading: str
    error: str
    since: float


class _Hold(BaseModel):
    reason: str
    detail: str
    since: float
    endpoints: int
    services: tuple[str, ...]


class _Paused(BaseModel):
    since: float
    by: str


class _Source(BaseModel):
    """One of `/api/v1/sources`."""

    name: str
    type: str
    last_success: float | None
    failures: tuple[_Failure, ...]
    services: int
    endpoints: Mapping[str, int]
    held: tuple[_Hold, ...]
    restored: int
    leaving: bool
    paused: _Paused | None


class _Sources(BaseModel):
    sources: tuple[_Source, ...]


class _Guard(BaseModel):
    """Of `/api/v1/guard`, what sources do not show."""

    too_old: tuple[str, ...]


class _Outcome(BaseModel):
    at: float
    ok: bool
    error: str


class _Config(BaseModel):
    loaded: float
    last_reload: _Outcome | None


class _Drain(BaseModel):
    target: str
    until: float
    by: str


class _Difference(BaseModel):
    view: str
    services: tuple[str, ...]
    here: int
    there: int


class _Peer(BaseModel):
    url: str
    state: str
    since: float
    error: str
    difference: _Difference | None


class _Status(BaseModel):
    """`/api/v1/status`."""

    version: str
    started: float
    ready: bool
    waiting: tuple[_Awaited, ...]
    services: int
    endpoints: Mapping[str, int]
    streams: int
    clients: int
    config: _Config
    drains: tuple[_Drain, ...]
    peers: tuple[_Peer, ...]


class _Report(_Status):
    """What is written with `-o json`."""

    sources: tuple[_Source, ...]
    findings: tuple[str, ...]
    """What a person should look at."""


def status(
    *,
    output: OutputOption = Output.TABLE,
    admin: AdminOption = None,
    socket: SocketOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show how a running bridge is: sources, Envoys, what is held, the last reload, and the other replicas.

    Exits with 1 when a person should look at something: Envoys are not answered, a source fails, is paused or has
    something held, a reload was refused, or a replica of admin.peers serves something else or cannot be reached.
    """
    ways = reading.ways(admin, socket, config)
    found = reading.read(ways, "api/v1/status", _Status)
    sources = reading.read(ways, "api/v1/sources", _Sources).sources
    too_old = reading.read(ways, "api/v1/guard", _Guard).too_old
    findings = tuple(_findings(found, sources, too_old))
    report = _Report(**dict(found), sources=sources, findings=findings)
    if output is Output.TABLE:
        _print(report)
    else:
        typer.echo(reading.text(report, output), nl=False)
    if findings:
        raise typer.Exit(EXIT_FINDING)


def _findings(found: _Status, sources: Sequence[_Source], too_old: Sequence[str]) -> Iterator[str]:
    for each in found.waiting:
        errors = f" ({'; '.join(each.errors)})" if each.errors else ""
        yield f"no Envoy is answered: {each.source} is waited for, {each.waiting_for}{errors}"
    for source in sources:
        for state in _troubles(source):
            yield f"source {source.name}: {state}"
    for name in too_old:
        yield f"source {name}: what was kept over a restart is too old to be served; `guard release` serves it"
    last = found.config.last_reload
    if last and not last.ok:
        yield f"the configuration that was read {utc(last.at)} is not in use: {last.error}"
    for peer in found.peers:
        if peer.state in ("differs", "unreachable"):
            yield f"peer {peer.url} {_since(peer)}: {_detail(peer)}"


def _troubles(source: _Source) -> Iterator[str]:
    """What a person should know of a source."""
    if source.failures:
        first = min(source.failures, key=lambda failure: failure.since)
        named = f"{first.reading}: " if first.reading else ""
        others = f" (and {len(source.failures) - 1} more)" if len(source.failures) > 1 else ""
        yield f"fails since {utc(first.since)}: {named}{first.error}{others}"
    if source.paused:
        yield f"paused since {utc(source.paused.since)} by {source.paused.by}"
    for hold in source.held:
        yield f"{counted(hold.endpoints, 'endpoint')} held since {utc(hold.since)}: {hold.reason}"


def _print(report: _Report) -> None:
    from bridge.cli.report import console, table  # noqa: PLC0415 (see bridge/cli/__init__.py)

    target = console(sys.stdout)
    typer.echo(shown("\n".join(_summary(report))))
    typer.echo()
    rows = [_row(source) for source in report.sources]
    table(target, ("source", "type", "services", "endpoints", "last read", "state"), rows)
    _print_hands(report, target)
    if report.peers:
        typer.echo()
        peers = [(peer.url, _since(peer), _detail(peer)) for peer in report.peers]
        table(target, ("peer", "state", "detail"), peers)
    if report.findings:
        typer.echo()
    for finding in report.findings:
        typer.echo(shown(f"! {finding}"))


def _print_hands(report: _Report, target: "Console") -> None:
    """What is held, and what is drained."""
    from bridge.cli.report import table  # noqa: PLC0415 (see bridge/cli/__init__.py)

    held = [(source.name, hold) for source in report.sources for hold in source.held]
    if held:
        typer.echo()
        rows = [(name, hold.reason, str(hold.endpoints), ", ".join(hold.services), hold.detail) for name, hold in held]
        table(target, ("held of source", "reason", "endpoints", "services", "detail"), rows)
    if report.drains:
        typer.echo()
        table(target, ("drained", "until", "by"), [(each.target, utc(each.until), each.by) for each in report.drains])


def _summary(report: _Report) -> Iterator[str]:
    ready = "Envoys are answered" if report.ready else "NO ENVOY IS ANSWERED YET"
    yield f"xds-bridge {report.version}, started {utc(report.started)}: {ready}"
    yield f"{counted(report.clients, 'Envoy')} connected, with {counted(report.streams, 'stream')}"
    yield f"{counted(report.services, 'service')} with {_healths(report.endpoints)}"
    yield f"configuration in use: read {utc(report.config.loaded)}"


def _row(source: _Source) -> Sequence[str]:
    last = utc(source.last_success) if source.last_success else "never"
    state = "; ".join(_troubles(source)) or ("not read yet" if source.last_success is None else "ok")
    if source.restored:
        state += f"; {counted(source.restored, 'endpoint')} from before the restart"
    if source.leaving:
        state += "; leaving"
    return source.name, source.type, str(source.services), _healths(source.endpoints), last, state


def _healths(counts: Mapping[str, int]) -> str:
    known = ", ".join(f"{count} {health}" for health, count in counts.items() if count)
    return f"{counted(sum(counts.values()), 'endpoint')}{f' ({known})' if known else ''}"


def _since(peer: _Peer) -> str:
    return f"{peer.state} since {utc(peer.since)}"


def _detail(peer: _Peer) -> str:
    """Why a peer cannot be reached, or what it serves otherwise."""
    difference = peer.difference
    if difference is None:
        return peer.error
    names = ", ".join(difference.services)
    more = (
        f" and {difference.here - len(difference.services)} more" if difference.here > len(difference.services) else ""
    )
    here = f"{names}{more} as served here" if names else ""
    there = f"{counted(difference.there, 'service')} as served there" if difference.there else ""
    return f"view {difference.view}: {'; '.join(filter(None, (here, there)))}"
