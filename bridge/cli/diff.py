"""`xds-bridge diff`: what a changed configuration would serve, against what the running bridge serves."""

import asyncio
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from pydantic import BaseModel

from bridge import plugins
from bridge.cli import reading
from bridge.cli.comparison import ClusterChange, summary
from bridge.cli.convention import (
    DEFAULT_CONFIG,
    EXIT_FAILED,
    EXIT_FINDING,
    ConfigOption,
    TimeoutOption,
    duration,
    leave,
    only_errors,
)
from bridge.cli.reading import AdminOption, Output, OutputOption, SocketOption, shown
from bridge.config import Config, load
from bridge.errors import BridgeError, ConfigError

if TYPE_CHECKING:
    from bridge.cli.client import Way

EXAMPLE = "xds-bridge diff --config new.yaml"


class _View(BaseModel):
    """What would become of a view."""

    view: str
    becomes: str | None
    """The view that its Envoys would have; None if they would be refused."""
    envoys: tuple[str, ...]
    """Node ids of those that are connected and for whom that holds, sorted; the first 20 of them."""
    changes: tuple[ClusterChange, ...]


class _Difference(BaseModel):
    """What is written with `-o json`."""

    views: tuple[_View, ...]
    notes: tuple[str, ...]


def diff(
    *,
    output: OutputOption = Output.TABLE,
    timeout: TimeoutOption = "30s",
    admin: AdminOption = None,
    socket: SocketOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show what this configuration would change for Envoys. As if the running bridge went by it now.

    Its sources are read once, and what they amount to is compared with what the bridge serves, view by view in use,
    cluster by cluster and endpoint by endpoint. What the bridge holds, has restored, retains or drains is said where it
    differs: no source says it. Exits with 1 when something differs, and with 3 when there is no bridge, or a required
    source cannot be read. Without --socket or --admin, --config tells where the bridge is, too.
    """
    deadline = duration(timeout, "--timeout")
    ways = reading.ways(admin, socket, config)
    settings = _loaded(config)
    only_errors()
    with asyncio.Runner() as runner:
        # Before the runner is closed, as in `run`: that waits for threads, and a read may hang in one.
        leave(_diff(runner, settings, ways, deadline, output))


def _loaded(config: Path) -> Config:
    return load(config, os.environ, plugins.discover())


def _diff(runner: asyncio.Runner, config: Config, ways: "Sequence[Way]", timeout: float, output: Output) -> int:
    """Print, and say what to exit with."""
    try:
        found = runner.run(_difference(config, ways, timeout))
    except ConfigError:
        raise
    except BridgeError as error:
        typer.echo(shown(str(error)), err=True)
        return EXIT_FAILED
    if output is Output.TABLE:
        _print(found)
    else:
        typer.echo(reading.text(found, output), nl=False)
    return EXIT_FINDING if any(view.changes or view.becomes is None for view in found.views) else 0


async def _difference(config: Config, ways: "Sequence[Way]", timeout: float) -> _Difference:
    from bridge.cli import forecast, outlook, running  # noqa: PLC0415 (see bridge/cli/__init__.py)

    views = await running.views(ways)
    moves = forecast.moves(config, views, await running.streams(ways))
    known = await outlook.services(config, timeout)
    explained = await running.explanations(ways)
    compared = [
        _View(
            view=move.view.name,
            becomes=sight.view if sight else None,
            envoys=move.envoys,
            changes=tuple(_noted(changes, explained)),
        )
        for move, sight, changes in await forecast.compared(config, known, moves, ways)
    ]
    paused = await running.paused(ways)
    notes = (f"source {name} is paused: the bridge serves what it said before" for name in paused)
    return _Difference(views=tuple(compared), notes=tuple(notes))


def _noted(changes: Iterable[ClusterChange], explained: Mapping[str, Sequence[str]]) -> Iterable[ClusterChange]:
    for change in changes:
        yield change.model_copy(update={"notes": (*change.notes, *explained.get(change.cluster, ()))})


def _print(found: _Difference) -> None:
    from bridge.cli import report  # noqa: PLC0415 (see bridge/cli/__init__.py)

    console = report.console(sys.stdout)
    for view in found.views:
        report.changes(console, _heading(view), view.changes)
    for note in found.notes:
        typer.echo(shown(f"note: {note}"))


def _heading(view: _View) -> str:
    envoys = f" ({', '.join(view.envoys)})" if view.envoys else ""
    if view.becomes is None:
        return f"view {view.view}: its Envoys{envoys} would be refused: no view would be for them"
    other = f" becomes {view.becomes}" if view.becomes != view.view else ""
    return f"view {view.view}{other}{envoys}: {summary(view.changes)}"
