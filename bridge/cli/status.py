"""`xds-bridge status`: a running bridge on one screen, and whether a person should look at it."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import typer
from pydantic import BaseModel

from bridge.cli import reading
from bridge.cli.convention import DEFAULT_CONFIG, EXIT_FINDING, ConfigOption
from bridge.cli.reading import AdminOption, Output, OutputOption, SocketOption, shown
from bridge.cli.source import Source, Sources, healths, states
from bridge.wording import counted, milliseconds, span, utc

_AS_ORDERED = "note"
"""The urgency of a finding that is as somebody ordered it, and nothing that asks for a person."""


class _Awaited(BaseModel):
    source: str
    waiting_for: str
    errors: tuple[str, ...]


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


class _Change(BaseModel):
    number: int
    at: float
    action: str
    why: str
    source: str
    scope: str
    service: str
    endpoint: str
    instance: str


class _Finding(BaseModel):
    urgency: str
    about: str
    what: str
    command: str
    link: str
    lasting: float | None


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
    clients_in_sync: int
    propagation_p99: float | None
    last_change: _Change | None
    config: _Config
    drains: tuple[_Drain, ...]
    peers: tuple[_Peer, ...]
    findings: tuple[_Finding, ...]


class _Report(_Status):
    """What is written with `-o json`."""

    sources: tuple[Source, ...]


def status(
    *,
    output: OutputOption = Output.TABLE,
    admin: AdminOption = None,
    socket: SocketOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show how a running bridge is, and what to do. Sources, Envoys, what is held, the last reload, the other replicas.

    Exits with 1 when a person should look at something, as the status page says it: Envoys are not answered, or one
    refuses or does not answer what it is sent, a source fails, is stale or paused, has something held, or reports what
    cannot be served, a service has no endpoint that can take requests, a reload was refused, the state cannot be
    written, a certificate ends soon, or a replica of admin.peers serves something else or cannot be reached.
    """
    ways = reading.ways(admin, socket, config)
    found = reading.read(ways, "api/v1/status", _Status)
    sources = reading.read(ways, "api/v1/sources", Sources).sources
    if output is Output.TABLE:
        _print(found, sources, lambda command: reading.again(command, admin, socket, config))
    else:
        typer.echo(reading.text(_Report(**dict(found), sources=sources), output), nl=False)
    if any(finding.urgency != _AS_ORDERED for finding in found.findings):
        raise typer.Exit(EXIT_FINDING)


def _print(found: _Status, sources: Sequence[Source], again: Callable[[str], str]) -> None:
    from bridge.cli.report import console, table  # noqa: PLC0415 (see bridge/cli/__init__.py)

    target = console(sys.stdout)
    typer.echo(shown("\n".join(_summary(found))))
    typer.echo()
    table(target, ("source", "type", "services", "endpoints", "last read", "state"), [_row(each) for each in sources])
    held = [
        (source.name, hold.reason, str(hold.endpoints), hold.goes, hold.named, hold.detail)
        for source in sources
        for hold in source.held
    ]
    if held:
        typer.echo()
        table(target, ("held of source", "reason", "endpoints", "goes", "services", "detail"), held)
    if found.drains:
        typer.echo()
        table(target, ("drained", "until", "by"), [(each.target, utc(each.until), each.by) for each in found.drains])
    if found.peers:
        typer.echo()
        peers = [(peer.url, f"{peer.state} since {utc(peer.since)}", _detail(peer)) for peer in found.peers]
        table(target, ("peer", "state", "detail"), peers)
    if found.findings:
        typer.echo()
    for finding in found.findings:
        lasting = "" if finding.lasting is None else f" (for {span(finding.lasting)})"
        typer.echo(shown(f"! {finding.about}: {finding.what}{lasting}"))
        if finding.command:
            typer.echo(shown(f"    $ {again(finding.command)}"))


def _summary(found: _Status) -> Iterator[str]:
    ready = "Envoys are answered" if found.ready else "NO ENVOY IS ANSWERED YET"
    yield f"xds-bridge {found.version}, started {utc(found.started)}: {ready}"
    connected = f"{counted(found.clients, 'Envoy')} connected, with {counted(found.streams, 'stream')}"
    yield f"{connected}; {found.clients_in_sync} of {found.clients} in sync"
    yield f"{counted(found.services, 'service')} with {_endpoints(found.endpoints)}"
    p99 = found.propagation_p99
    yield f"propagation p99, source to last Envoy: {'no change yet' if p99 is None else milliseconds(p99)}"
    yield f"last change: {_change(found.last_change) if found.last_change else 'none yet'}"
    yield f"configuration in use: read {utc(found.config.loaded)}"


def _change(last: _Change) -> str:
    return f"{utc(last.at)}, {last.action} {' of '.join(filter(None, (last.endpoint, last.service)))} [{last.source}]"


def _row(source: Source) -> Sequence[str]:
    last = utc(source.last_success) if source.last_success else "never"
    state = "; ".join(states(source))
    return source.name, source.type, str(source.services), _endpoints(source.endpoints), last, state


def _endpoints(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return f"{counted(total, 'endpoint')}{f' ({healths(counts)})' if total else ''}"


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
