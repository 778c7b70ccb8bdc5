"""`xds-bridge explain`: the whole story of a service or an address, from its source to the Envoys."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.console import Console

from bridge.cli import completion, reading
from bridge.cli.convention import DEFAULT_CONFIG, EXIT_FINDING, ConfigOption
from bridge.cli.endpoint import Endpoint
from bridge.cli.reading import AdminOption, Output, OutputOption, SocketOption, shown
from bridge.cli.source import HoldOf
from bridge.model import EndpointKey
from bridge.wording import gist, some, utc

EXAMPLE = "xds-bridge explain 10.0.0.7:8080"

_PATH = "api/v1/explain"
_VERSION = 12  # characters that tell versions apart
_NAMED = 3
"""Envoys that are named of each kind."""


class _Sighting(BaseModel):
    services: tuple[str, ...]
    scope: str
    instance: str
    reported: str
    verdict: str
    reason: str
    raw: Mapping[str, str]


class _Source(BaseModel):
    source: str
    type: str
    failing: tuple[str, ...]
    paused_by: str
    looked: str
    unanswered: str
    sightings: tuple[_Sighting, ...]
    more: int
    refused: tuple[str, ...]


class _Served(BaseModel):
    endpoint: Endpoint
    notes: tuple[str, ...]


class _Withheld(BaseModel):
    endpoint: str
    source: str
    scope: str
    instance: str
    reason: str


class _SetAside(BaseModel):
    source: str
    scope: str
    instance: str
    reported: str
    reason: str


class _Client(BaseModel):
    node: str
    peer: str
    type: str
    message: str


class _View(BaseModel):
    view: str
    in_use: bool
    shown: bool
    reason: str
    cds_version: str
    eds_version: str
    cluster_version: str
    endpoints_version: str
    draining_left_out: tuple[str, ...]
    asked: int
    accepted: int
    accepted_by: tuple[str, ...]
    waiting: tuple[_Client, ...]
    waiting_count: int
    refused: tuple[_Client, ...]
    refused_count: int


class _Merge(BaseModel):
    policy: str
    decided_by: str


class _Service(BaseModel):
    name: str
    served: bool
    merge: _Merge | None
    protocol: str | None
    disputed: tuple[str, ...]
    retained_until: float | None
    endpoints: tuple[_Served, ...]
    more: int
    withheld: tuple[_Withheld, ...]
    set_aside: tuple[_SetAside, ...]
    holds: tuple[HoldOf, ...]
    views: tuple[_View, ...]


class _Event(BaseModel):
    at: float
    action: str
    why: str
    source: str
    service: str
    endpoint: str


class _Story(BaseModel):
    target: str
    waiting: tuple[str, ...]
    sources: tuple[_Source, ...]
    services: tuple[_Service, ...]
    events: tuple[_Event, ...]
    nearest: tuple[str, ...]


class _Explained(BaseModel):
    """`/api/v1/explain`."""

    story: _Story
    finding: bool
    conclusion: str


def explain(
    target: Annotated[
        str,
        typer.Argument(metavar="SERVICE|IP:PORT", help="What to tell of.", autocompletion=completion.services),
    ],
    *,
    output: OutputOption = Output.TABLE,
    admin: AdminOption = None,
    socket: SocketOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Tell the whole story of a service or an address. Where it comes from, what each rule made of it, who has it.

    Sources are asked for what they have, also for what filters, globs and labels leave out. The last line says what it
    amounts to, and what to do. Exits with 1 when it is not served, is not known, or an Envoy refuses it.
    """
    if not target:
        raise typer.BadParameter("name a service, or an address such as 10.0.0.7:8080", param_hint="SERVICE|IP:PORT")
    from bridge.cli import client  # noqa: PLC0415 (see bridge/cli/__init__.py)

    ways = reading.ways(admin, socket, config)
    found = reading.answered(client.read(ways, _PATH, _Explained, {"target": target}))
    if output is Output.TABLE:
        _print(found)
    else:
        typer.echo(reading.text(found, output), nl=False)
    raise typer.Exit(EXIT_FINDING if found.finding else 0)


def _print(found: _Explained) -> None:
    from bridge.cli import report  # noqa: PLC0415 (see bridge/cli/__init__.py)

    console = report.console(sys.stdout)
    for source in found.story.sources:
        _lines(_source(source))
    for service in found.story.services:
        typer.echo()
        _lines(_head(service))
        _endpoints(console, service)
        _lines(_unserved(service))
        _views(console, service)
    if found.story.events:
        typer.echo()
        _lines(["latest events", *map(_event, found.story.events)])
    typer.echo()
    _lines([found.conclusion])


def _lines(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(shown(line))


def _source(source: _Source) -> Iterator[str]:
    state = f", paused by {source.paused_by}" if source.paused_by else ""
    said = source.unanswered or f"looked through {source.looked}" + ("" if source.sightings else ": nothing")
    yield f"source {source.source} ({source.type}{state}): {said}"
    yield from (f"  fails now: {failure}" for failure in source.failing)
    for sighting in source.sightings:
        names = ", ".join(sighting.services)
        parts = (sighting.verdict.replace("_", " "), names, sighting.reported, sighting.instance, f"[{sighting.scope}]")
        yield "  " + "  ".join(filter(None, parts))
        if sighting.raw:
            yield "    " + ", ".join(f"{key}={value}" for key, value in sighting.raw.items())
        if sighting.reason:
            yield f"    because: {sighting.reason}"
    if source.more:
        yield f"  and {source.more} more"
    yield from (f"  refused: {reason}" for reason in source.refused)


def _head(service: _Service) -> Iterator[str]:
    policy = f"merged by {service.merge.policy}" if service.merge else "not served"
    protocol = f", speaks {service.protocol}" if service.protocol else ""
    yield f"service {service.name}: {policy}{protocol}"
    if service.disputed:
        yield f"  its endpoints do not agree whether they speak {' or '.join(service.disputed)}"
    if service.retained_until:
        yield f"  no source names it any more; its empty cluster goes {utc(service.retained_until)}"
    for hold in service.holds:
        what = f"{hold.endpoints} endpoints of {hold.source} since {utc(hold.since)}"
        yield f"  the guard holds {what}: {hold.detail or hold.reason}; they go {hold.goes}"


def _endpoints(console: Console, service: _Service) -> None:
    from bridge.cli import report  # noqa: PLC0415 (see bridge/cli/__init__.py)

    if service.endpoints:
        columns = ("endpoint", "health", "weight", "zone", "since", "changed", "from", "rules")
        report.table(console, columns, map(_endpoint, service.endpoints))
    if service.more:
        _lines([f"and {service.more} more"])


def _endpoint(served: _Served) -> tuple[str, ...]:
    one = served.endpoint
    health = one.health if one.health == one.reported_health else f"{one.health} (source: {one.reported_health})"
    return (
        str(EndpointKey(one.address, one.port)),
        health,
        str(one.served_weight),
        "/".join(filter(None, (one.region, one.zone))),
        "" if one.since is None else utc(one.since),
        "" if one.changed is None else utc(one.changed),
        ", ".join(f"{origin.source} {origin.instance}".strip() for origin in one.origins),
        "; ".join(served.notes),
    )


def _unserved(service: _Service) -> Iterator[str]:
    for each in service.withheld:
        yield f"  not served: {each.endpoint} of {each.source}: {each.reason}"
    for aside in service.set_aside:
        yield f"  set aside: {aside.reported} of {aside.source}: {aside.reason}"


def _views(console: Console, service: _Service) -> None:
    from bridge.cli import report  # noqa: PLC0415 (see bridge/cli/__init__.py)

    if service.views:
        columns = ("view", "CDS version", "EDS version", "Envoys that have it", "not yet", "refused")
        report.table(console, columns, map(_view, service.views))
    for view in service.views:
        _lines(f"  {_name(each)} refused the {each.type}: {gist(each.message)}" for each in view.refused)
        left_out = ", ".join(view.draining_left_out)
        _lines([f"  {view.view} does not name {left_out}: they drain, and Envoy may panic"] if left_out else ())


def _view(view: _View) -> tuple[str, ...]:
    if not view.shown:
        return (view.view, f"not shown: {view.reason}", "", "", "", "")
    return (
        view.view,
        view.cds_version[:_VERSION],
        view.eds_version[:_VERSION],
        f"{view.accepted} of {view.asked}" + (f" ({', '.join(view.accepted_by[:3])})" if view.accepted_by else ""),
        _some(view.waiting, view.waiting_count),
        _some(view.refused, view.refused_count),
    )


def _some(clients: Sequence[_Client], count: int) -> str:
    """The first few of so many Envoys."""
    return some(list(dict.fromkeys(map(_name, clients))), _NAMED, count)


def _event(event: _Event) -> str:
    about = " ".join(filter(None, (event.service, event.endpoint)))
    said = "  ".join(filter(None, (about, f"[{event.source}]" if event.source else "", event.why)))
    return f"  {utc(event.at)}  {event.action:<9}  {said}"


def _name(client: _Client) -> str:
    return client.node or client.peer
