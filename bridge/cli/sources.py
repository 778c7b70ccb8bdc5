"""`xds-bridge sources`: how reading each source of a running bridge goes, and what it contributes."""

import sys
from collections.abc import Iterator, Sequence

import typer

from bridge.cli import reading
from bridge.cli.convention import DEFAULT_CONFIG, EXIT_FINDING, ConfigOption
from bridge.cli.reading import AdminOption, Output, OutputOption, SocketOption, shown
from bridge.cli.source import Source, Sources, healths, states
from bridge.wording import span, utc

EXAMPLE = "xds-bridge sources -o json"

_COLUMNS = ("source", "type", "required", "state", "last success", "services", "endpoints", "set aside", "held")
_POLLED = ("polled of source", "read", "every", "calls a pass", "budget", "last success")


def sources(
    *,
    output: OutputOption = Output.TABLE,
    admin: AdminOption = None,
    socket: SocketOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List the sources of a running bridge. How reading each goes, what polling costs, and what it contributes.

    Exits with 1 when one fails, is stale or has something held. `xds-bridge guard list` says more of what is held.
    """
    found = reading.read(reading.ways(admin, socket, config), "api/v1/sources", Sources)
    if output is Output.TABLE:
        _print(found.sources)
    else:
        typer.echo(reading.text(found, output), nl=False)
    if any(source.failures or source.held or source.stale for source in found.sources):
        raise typer.Exit(EXIT_FINDING)


def _print(found: Sequence[Source]) -> None:
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


def _row(source: Source) -> tuple[str, ...]:
    return (
        source.name,
        source.type,
        "yes" if source.required else "no",
        "; ".join(states(source)),
        _success(source.last_success, source.seconds_since_success),
        str(source.services),
        healths(source.endpoints),
        str(source.set_aside),
        ", ".join(f"{hold.endpoints} ({hold.reason})" for hold in source.held) or "0",
    )


def _polled(source: Source) -> Iterator[tuple[str, ...]]:
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
