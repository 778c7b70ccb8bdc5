"""`xds-bridge services`: the services of a running bridge, by which policy each is merged, and what is odd about it."""

import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.console import Console

from bridge.cli import completion, reading
from bridge.cli.convention import DEFAULT_CONFIG, EXIT_FINDING, ConfigOption
from bridge.cli.reading import AdminOption, Output, OutputOption, SocketOption, shown
from bridge.problem import nearest
from bridge.wording import utc

EXAMPLE = "xds-bridge services -o json"

_TAKING = ("healthy", "unknown")
"""What Envoy counts as healthy."""

_COLUMNS = ("service", "policy", "by", "healthy", "sources", "remarks")


class _Merged(BaseModel):
    """What the policy makes of a source; what another policy would say is None."""

    source: str
    endpoints: int
    priority: int | None
    weight: int | None
    share: float | None
    given_away: float | None
    available: int | None
    chosen: bool | None
    returns_in: float | None


class _Shared(BaseModel):
    """Addresses that several sources report."""

    won: str
    lost: tuple[str, ...]
    endpoints: int
    example: str
    decided_by: str


class _Service(BaseModel):
    name: str
    endpoints: Mapping[str, int]
    sources: tuple[str, ...]
    policy: str
    rule: str | None
    match: str | None
    diverted: bool
    merged: tuple[_Merged, ...]
    shared: tuple[_Shared, ...]
    protocol: str | None
    disputed: tuple[str, ...]
    asked_by: Mapping[str, tuple[str, ...]]
    paused: tuple[str, ...]
    held: int
    restored: int
    drained: int
    set_aside: int
    retained_until: float | None


class _Refused(BaseModel):
    source: str
    scope: str
    name: str
    reason: str


class _Unmatched(BaseModel):
    where: str
    glob: str
    reason: str


class _Services(BaseModel):
    """`/api/v1/services`."""

    services: tuple[_Service, ...]
    refused: tuple[_Refused, ...]
    unmatched: tuple[_Unmatched, ...]


def services(
    glob: Annotated[
        str,
        typer.Argument(
            metavar="GLOB", help="Which services.", show_default="all of them", autocompletion=completion.services
        ),
    ] = "*",
    *,
    output: OutputOption = Output.TABLE,
    admin: AdminOption = None,
    socket: SocketOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List the services of a running bridge. Which merge policy rules each, and what is odd about it.

    Shown are the rule of the configuration that says so, healthy endpoints of all, what each source contributes (shares
    asked for and in force, priorities, the source in use), and conflicts with the rule that decided them.
    """
    found = reading.read(reading.ways(admin, socket, config), "api/v1/services", _Services)
    if glob != "*":
        found = _matching(found, glob)
    if output is not Output.TABLE:
        typer.echo(reading.text(found, output), nl=False)
        return
    from bridge.cli import report  # noqa: PLC0415 (see bridge/cli/__init__.py)

    console = report.console(sys.stdout)
    if found.services:
        report.table(console, _COLUMNS, [_row(service) for service in found.services])
    else:
        typer.echo("there are no services")
    conflicts = [row for service in found.services for row in _conflicts(service)]
    _more(console, ("conflict in", "about", "decided by"), conflicts)
    _more(console, ("refused of source", "name", "reason"), [(r.source, r.name, r.reason) for r in found.refused])
    if found.unmatched:
        typer.echo()
    for each in found.unmatched:
        typer.echo(shown(f"note: {each.where}: {each.glob!r} counts for nothing: {each.reason}"))


def _matching(found: _Services, glob: str) -> _Services:
    """What of an answer is about services whose names match."""
    matching = tuple(service for service in found.services if fnmatchcase(service.name, glob))
    if not matching:
        hint = nearest(glob, [each.name for each in found.services])
        reading.fail(f"there is no service {glob!r}{hint}", EXIT_FINDING)
    return _Services(services=matching, refused=(), unmatched=())


def _more(console: Console, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Another table, where there is something in it."""
    from bridge.cli import report  # noqa: PLC0415 (see bridge/cli/__init__.py)

    if rows:
        console.print()
        report.table(console, columns, rows)


def _row(service: _Service) -> tuple[str, ...]:
    healthy = sum(service.endpoints.get(health, 0) for health in _TAKING)
    return (
        service.name,
        service.policy,
        f"{service.rule} {service.match}" if service.rule else "default",
        f"{healthy}/{sum(service.endpoints.values())}",
        ", ".join(_source(each, service) for each in sorted(service.merged, key=lambda each: each.priority or 0)),
        ", ".join(_remarks(service)),
    )


def _source(merged: _Merged, service: _Service) -> str:
    """What a source contributes, in the terms of the policy."""
    if merged.weight is not None and merged.share is not None:
        asked = merged.weight / (sum(each.weight or 0 for each in service.merged) or 1)
        return f"{merged.source} {_percent(merged.share)} of requests, asked for {_percent(asked)}"
    if merged.chosen is not None:
        return f"{merged.source} {_standing(merged)}"
    rank = "" if merged.priority is None else f" at priority {merged.priority}"
    return f"{merged.source} {merged.endpoints}{rank}"


def _standing(merged: _Merged) -> str:
    """Of `first`: whether the source is in use, or could be."""
    if merged.chosen:
        return f"{merged.endpoints} in use"
    back = "" if merged.returns_in is None else f", in use again in {merged.returns_in:.0f} s"
    return f"{merged.available} in reserve{back}" if merged.available else "nothing available"


def _remarks(service: _Service) -> Iterator[str]:
    for each in service.merged:
        if each.given_away:
            yield f"{each.source} gave {_percent(each.given_away)} away: it has no healthy endpoint"
    if service.diverted and service.policy == "first":
        yield f"{service.merged[0].source} is first and not in use"
    if service.paused:
        yield f"{', '.join(service.paused)} paused by an operator"
    for count, what in (
        (service.held, "held (`xds-bridge guard list` says why)"),
        (service.restored, "known from before the restart and not read since"),
        (service.drained, "drained by an operator"),
        (service.set_aside, "set aside"),
    ):
        if count:
            yield f"{count} {what}"
    if service.retained_until is not None:
        yield f"gone; kept empty until {utc(service.retained_until)}"


def _conflicts(service: _Service) -> Iterator[tuple[str, ...]]:
    for each in service.shared:
        more = f" and {each.endpoints - 1} more" if each.endpoints > 1 else ""
        about = f"{each.example}{more}: {each.won} before {', '.join(each.lost)}"
        yield service.name, about, each.decided_by
    if service.disputed:
        stays = (
            f"{service.protocol}, on which they last agreed, stays" if service.protocol else "none: they never agreed"
        )
        asked = ", ".join(f"{each} ({', '.join(service.asked_by.get(each, ()))})" for each in service.disputed)
        yield service.name, f"protocol: {asked}", stays


def _percent(share: float) -> str:
    return f"{share * 100:.3g}%"
