"""`xds-bridge events`: what happened to endpoints, and what happens, as a running bridge remembers it."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel

from bridge.cli import completion, reading
from bridge.cli.convention import DEFAULT_CONFIG, EXIT_FINDING, ConfigOption
from bridge.cli.reading import AdminOption, Output, SocketOption, fail, shown
from bridge.errors import BridgeError
from bridge.operator import parse_key
from bridge.wording import printable

if TYPE_CHECKING:
    from bridge.cli.client import Way

EXAMPLE = "xds-bridge events web --follow"

INTERVAL = 1.0
"""Seconds between two questions of `--follow`."""

_PATH = "api/v1/events"
_HINT = " (an endpoint is written as IP:PORT)"


class _Event(BaseModel):
    number: int
    at: float
    action: str
    why: str
    source: str
    scope: str
    service: str
    endpoint: str
    instance: str


class _Events(BaseModel):
    """`/api/v1/events`."""

    trail: str
    first: int
    after: int
    events: tuple[_Event, ...]


def events(  # noqa: PLR0913 (an option each)
    about: Annotated[
        str | None,
        typer.Argument(
            metavar="SERVICE|IP:PORT",
            help="What they are about.",
            show_default="everything",
            autocompletion=completion.services,
        ),
    ] = None,
    *,
    source: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only what this source said.", autocompletion=completion.sources),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the latest to show.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens, until Ctrl-C.")] = False,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="How to write each: a line, a line of JSON, or a document of YAML.")
    ] = Output.TABLE,
    admin: AdminOption = None,
    socket: SocketOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show what happened to endpoints and why, which sources failed, what Envoys rejected. The latest comes last.

    A bridge remembers the latest 10,000 events of its process; older ones are in `audit.jsonl` of its state_directory.
    """
    from bridge.cli import client  # noqa: PLC0415 (see bridge/cli/__init__.py)

    ways = reading.ways(admin, socket, config)
    query = {name: value for name, value in (*_about(about), ("source", source)) if value}
    try:
        _show(ways, {**query, "limit": str(limit)}, output, follow=follow)
    except (client.NotThereError, client.WrongQueryError) as error:
        fail(f"{error}{_HINT if about and not source else ''}", EXIT_FINDING)
    except BridgeError as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit from None


def _about(text: str | None) -> Sequence[tuple[str, str | None]]:
    return (("endpoint", text),) if text and parse_key(text) else (("service", text),)


def _show(ways: "Sequence[Way]", query: Mapping[str, str], output: Output, *, follow: bool) -> None:
    from bridge.cli import client  # noqa: PLC0415 (see bridge/cli/__init__.py)

    found = _read(ways, query)
    _print(found, output)
    if not follow and not found.events:
        typer.echo("nothing of that is remembered", err=True)
    lost = False
    while follow:
        time.sleep(INTERVAL)  # a person watches, and there is nothing else to wait for
        try:
            later = _read(ways, {**query, "after": str(found.after)})
            if later.trail != found.trail:
                _note("the bridge was started anew, and so do the events")
                later = _read(ways, {**query, "after": "0"})
            elif later.first > found.after + 1:
                _note(f"{later.first - found.after - 1} events were forgotten before they could be shown")
        except client.UnreachableError as error:
            if not lost:
                _note(f"{error}; asking again until it answers")
            lost = True
            continue
        lost, found = False, later
        _print(found, output)


def _read(ways: "Sequence[Way]", query: Mapping[str, str]) -> _Events:
    from bridge.cli import client  # noqa: PLC0415 (see bridge/cli/__init__.py)

    return asyncio.run(client.read(ways, _PATH, _Events, query))


def _print(found: _Events, output: Output) -> None:
    for event in found.events:
        if output is Output.TABLE:
            typer.echo(_line(event))
        else:
            typer.echo(reading.one_of_many(event.model_dump(), output), nl=False)


def _line(event: _Event) -> str:
    """One line, whatever clients and sources have put into it."""
    at = f"{datetime.fromtimestamp(event.at, UTC):%Y-%m-%d %H:%M:%S}Z"
    return printable("  ".join((at, f"{event.action:<9}", *_subject(event), event.why.replace("\n", " "))))


def _subject(event: _Event) -> Iterator[str]:
    """What an event is about, and where it was read; what it says nothing of is left out."""
    if event.service or event.endpoint:
        instance = f" ({event.instance})" if event.instance else ""
        yield f"{event.service} {event.endpoint}{instance}".strip()
    if event.source:
        yield f"[{event.source}: {event.scope}]" if event.scope else f"[{event.source}]"


def _note(text: str) -> None:
    typer.echo(shown(f"note: {text}"), err=True)
