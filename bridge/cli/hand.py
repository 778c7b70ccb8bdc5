"""The commands by which a person changes a running bridge, and looks at what the guard holds."""

import asyncio
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from bridge.cli import completion, reading
from bridge.cli.convention import DEFAULT_CONFIG, EXIT_FINDING, ConfigOption, duration
from bridge.cli.reading import AdminOption, Output, OutputOption, SocketOption, fail, shown
from bridge.cli.source import HoldOf
from bridge.errors import BridgeError
from bridge.wording import utc

RELOADING = 300.0
"""Seconds that a reload may take, and another one before it; measured in tenths of a second."""

EXAMPLES: Mapping[str, str] = {
    "pause": "xds-bridge pause dc1",
    "resume": "xds-bridge resume dc1",
    "drain": "xds-bridge drain 10.0.0.7:8080 --for 30m",
    "undrain": "xds-bridge undrain 10.0.0.7:8080",
    "reload": "xds-bridge reload",
}

guard = typer.Typer(
    help="Show or release what the guard holds.",
    epilog="Example: xds-bridge guard list",
    no_args_is_help=True,
)

SourceArgument = Annotated[
    str, typer.Argument(metavar="SOURCE", help="Name of the source.", autocompletion=completion.sources)
]
SomeSource = Annotated[
    str | None,
    typer.Argument(
        metavar="SOURCE", help="Name of the source.", show_default="all of them", autocompletion=completion.sources
    ),
]
TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="SERVICE|IP:PORT",
        help="A whole service, or an endpoint of whatever services have it.",
        autocompletion=completion.services,
    ),
]


class _Held(BaseModel):
    """`/api/v1/guard`."""

    held: tuple[HoldOf, ...]
    too_old: tuple[str, ...]


class _Done(BaseModel):
    """What a change came to."""

    message: str
    warnings: tuple[str, ...]


def pause(source: SomeSource = None, socket: SocketOption = None, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Freeze what Envoys are served of a source, or of all of them.

    Until `resume`, the source is read on, and nothing of that is served: neither what is new, nor what is gone, nor
    health. New Envoys are served the frozen state too.
    """
    _change("api/v1/pause", {"source": source}, socket, config)


def resume(source: SomeSource = None, socket: SocketOption = None, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Serve a paused source, or all of them, as it is now. What vanished meanwhile passes the guard as one loss."""
    _change("api/v1/resume", {"source": source}, socket, config)


def drain(
    target: TargetArgument,
    length: Annotated[str, typer.Option("--for", metavar="DURATION", help="When it ends by itself.")] = "1h",
    socket: SocketOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Send no new requests to an endpoint or a whole service. Whatever its sources say; what it has, it finishes."""
    seconds = duration(length, "--for")
    if not seconds:
        raise typer.BadParameter("a drain of no length would do nothing", param_hint="--for")
    _change("api/v1/drain", {"target": target, "seconds": seconds}, socket, config)


def undrain(target: TargetArgument, socket: SocketOption = None, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """End a drain: it is served as its sources say."""
    _change("api/v1/undrain", {"target": target}, socket, config)


def reload(
    *,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go by it although it takes more than guard.max_loss.")
    ] = False,
    socket: SocketOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Have the bridge read its configuration file again. It is the one that it was started with.

    Returns when it is in use; what Envoys say of it comes later, in `xds-bridge events`. Exits with 3 when it is not:
    it is wrong, needs a restart, or would take too much of a source or of a view, which is then listed. A source that
    an earlier reload has renamed is read on until the new one was read; with --accept-loss for startup_grace at most.
    --config tells where the bridge's socket is, and not what to read.
    """
    _change("api/v1/reload", {"accept_loss": accept_loss}, socket, config, RELOADING)


@guard.command("list", epilog="Example: xds-bridge guard list -o json")
def held(
    *,
    output: OutputOption = Output.TABLE,
    admin: AdminOption = None,
    socket: SocketOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show what is held, and why. Exits with 1 when something is."""
    found = reading.read(reading.ways(admin, socket, config), "api/v1/guard", _Held)
    _print(found, output)
    if found.held or found.too_old:
        raise typer.Exit(EXIT_FINDING)


@guard.command(epilog="Example: xds-bridge guard release dc1")
def release(source: SourceArgument, socket: SocketOption = None, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Believe a source: let go of all that is held of it."""
    _change("api/v1/guard/release", {"source": source}, socket, config)


def _change(
    path: str, body: Mapping[str, object], socket: Path | None, config: Path, patience: float | None = None
) -> None:
    from bridge.cli import client  # noqa: PLC0415 (see bridge/cli/__init__.py)

    place = reading.place(socket, reading.settings(socket, config))
    try:
        done = asyncio.run(client.change(client.Way(place, patience or client.ANSWERING), path, body, _Done))
    except client.UnreachableError as error:
        fail(f"{error}; a running bridge listens there when admin.socket says so (--socket names another path)")
    except client.NotThereError as error:
        fail(str(error), EXIT_FINDING)
    except BridgeError as error:
        fail(str(error))
    typer.echo(shown(done.message))
    for warning in done.warnings:
        typer.echo(shown(f"warning: {warning}"), err=True)


def _print(found: _Held, output: Output) -> None:
    if output is not Output.TABLE:
        typer.echo(reading.text(found, output), nl=False)
        return
    from bridge.cli import report  # noqa: PLC0415 (see bridge/cli/__init__.py)

    for source in found.too_old:
        typer.echo(
            shown(f"of {source}, what was kept over a restart is too old to be served; `guard release` serves it")
        )
    if not found.held:
        typer.echo("nothing is held")
        return
    console = report.console(sys.stdout)
    columns = ("source", "reason", "endpoints", "since", "goes", "services", "detail")
    report.table(console, columns, [_row(hold) for hold in found.held])
    for source in dict.fromkeys(hold.source for hold in found.held):
        named = shlex.quote(source)
        typer.echo(
            shown(
                f"really gone: xds-bridge guard release {named}\n"
                f"not gone: mend {source}, or its token; xds-bridge pause {named} keeps everything as it is meanwhile"
            )
        )


def _row(hold: HoldOf) -> tuple[str, ...]:
    return hold.source, hold.reason, str(hold.endpoints), utc(hold.since), hold.goes, hold.named, hold.detail
