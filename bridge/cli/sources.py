"""`xds-bridge sources`: how reading each source of a running bridge goes, and what it contributes."""

import sys
from collections.abc import Iterator, Mapping, Sequence

import typer
from pydantic import BaseModel

from bridge.cli import reading
from bridge.cli.convention import DEFAULT_CONFIG, EXIT_FINDING, ConfigOption
from bridge.cli.reading import AdminOption, Output, OutputOption, SocketOption, counted, shown, span, utc

EXAMPLE = "xds-bridge sources -o json"

_NAMED = 3
"""Reads that are named."""

_COLUMNS = ("source", "type", "required", "state", "last success", "services", "endpoints", "set aside", "held")
_POLLED = ("polled of source", "read", "every", "calls a pass", "budget", "last success")


class _Failure(BaseModel):
    reading: str
    error: str
    since: float


class _Poll(BaseModel):
    place: str
    calls: Mapping[str, int]
    configured_interval: float
    interval: float
    budget: float


class _Reading(BaseModel):
    name: str
    seconds_since_success: float | None
    failing_since: float | None
    poll: _Poll | None


class _Hold(BaseModel):
    reason: str
    since: float
    endpoints: int


class _Paused(BaseModel):
    since: float
    by: str
    reported: int


class _Source(BaseModel):
    """One of `/api/v1/sources`."""

    name: str
    type: str
    required: bool
    last_success: float | None
    seconds_since_success: float | None
    failures: tuple[_Failure, ...]
    readings: tuple[_Reading, ...]
    crashes: int
    services: int
    endpoints: Mapping[str, int]
    set_aside: int
    held: tuple[_Hold, ...]
    restored: int
    leaving: bool
    paused: _Paused | None


class _Sources(BaseModel):
    """`/api/v1/sources`."""

    sources: tuple[_Source, ...]


def sources(
    *,
    output: OutputOption = Output.TABLE,
    admin: AdminOption = None,
    socket: SocketOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List the sources of a running bridge: how reading each goes, what polling costs, and what it contributes.

    Exits with 1 when one fails, or has something held. `xds-bridge guard list` says more of what is held.
    """
    found = reading.read(reading.ways(admin, socket, config), "api/v1/sources", _Sources)
    if output is Output.TABLE:
        _print(found.sources)
    else:
        typer.echo(reading.text(found, output), nl=False)
    if any(source.failures or source.held for source in found.sources):
        raise typer.Exit(EXIT_FINDING)


def _print(found: Sequence[_Source]) -> None:
    from bridge.cli import report  # noqa: PLC0415 (see bridge/cli/__init__.py)

    console = report.console(sys.stdout)
    report.table(console, _COLUMNS, [_row(source) for source in found])
    polled = [row for source in found for row in _polled(source)]
    if polled:
        typer.echo()
        report.table(console, _POLLED, polled)
    failing = [(source.name, failure) for source in found for failure in source.failures]
    if failing:
        typer.echo()
    for name, failure in failing:
        where = f" {failure.reading}" if failure.reading else ""
        typer.echo(shown(f"! source {name}{where} fails since {utc(failure.since)}: {failure.error}"))


def _row(source: _Source) -> tuple[str, ...]:
    return (
        source.name,
        source.type,
        "yes" if source.required else "no",
        "; ".join(_states(source)),
        _success(source.last_success, source.seconds_since_success),
        str(source.services),
        ", ".join(f"{count} {health}" for health, count in source.endpoints.items() if count) or "none",
        str(source.set_aside),
        ", ".join(f"{hold.endpoints} ({hold.reason})" for hold in source.held) or "0",
    )


def _states(source: _Source) -> Iterator[str]:
    if source.failures:
        yield f"failing since {utc(min(failure.since for failure in source.failures))}"
    if source.paused:
        reported = f"has {counted(source.paused.reported, 'endpoint')} by now"
        yield f"paused since {utc(source.paused.since)} by {source.paused.by}, {reported}"
    if source.leaving:
        yield "leaving"
    if source.restored:
        yield f"{counted(source.restored, 'endpoint')} restored from before the restart"
    if not (source.failures or source.paused):
        yield "fresh" if source.last_success else _unread(source)
    if source.crashes:
        yield f"restarted {counted(source.crashes, 'time')} after a bug in its adapter"


def _unread(source: _Source) -> str:
    """Of which of its reads nothing has come yet; those that wait for changes may take as long as there is none."""
    waiting = [each.name for each in source.readings if each.seconds_since_success is None]
    if not waiting or len(waiting) == len(source.readings):
        return "not read yet"
    more = f" and {len(waiting) - _NAMED} more" if len(waiting) > _NAMED else ""
    return f"fresh, but for {', '.join(waiting[:_NAMED])}{more}, not answered yet"


def _polled(source: _Source) -> Iterator[tuple[str, ...]]:
    for each in source.readings:
        if each.poll is None:
            continue
        poll = each.poll
        stretched = (
            f", stretched from {span(poll.configured_interval)}" if poll.interval > poll.configured_interval else ""
        )
        yield (
            source.name,
            each.name or poll.place,
            f"{span(poll.interval)}{stretched}",
            ", ".join(f"{count} {operation}" for operation, count in poll.calls.items()),
            f"{poll.budget:.3g} calls a second in {poll.place}",
            _success(None, each.seconds_since_success),
        )


def _success(at: float | None, age: float | None) -> str:
    if age is None:
        return "never"
    return f"{span(age)} ago" if at is None else f"{utc(at)}, {span(age)} ago"
