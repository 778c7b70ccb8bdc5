"""What commands print: tables for people, with nothing in them that a source could use to move the cursor."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.cli.live import Reading
from bridge.config import Config, ViewMatch, XdsConfig
from bridge.log import printable
from bridge.model import Health

_WIDE = 240
_SHOWN = 50
_NAME = 60


def console(stream: TextIO) -> Console:
    """Where to print: colour and the width of the screen on a terminal, plain and wide elsewhere."""
    terminal = stream.isatty()
    return Console(file=stream, highlight=False, width=None if terminal else _WIDE, no_color=not terminal)


def configuration(target: Console, path: str, config: Config) -> None:
    """Print what a configuration says."""
    _line(target, f"{path} is fine", "bold green")
    _line(target, f"Envoys connect to {config.xds.listen}; the admin server listens on {config.admin.listen}")
    sources = ((each.name, each.type, _yes(each.required), _yes(each.allow_empty)) for each in config.sources)
    table(target, ("source", "type", "required", "allow empty"), sources)
    if config.services:
        rules = ((each.match, each.merge.policy, ", ".join(each.cluster)) for each in config.services)
        table(target, ("services", "merge", "cluster fields"), rules)
    if config.views:
        views = (
            (_matched(each.match), ", ".join(each.services), _yes(each.locality_failover)) for each in config.views
        )
        table(target, ("views", "services", "locality failover"), views)
    for note in _notes(config):
        _line(target, f"note: {note}", "yellow")


def encryption(target: Console, config: XdsConfig, expires: float | None) -> None:
    """Print who can connect, and until when; a warning where that is everybody and perhaps not meant.

    Args:
        target: where to print.
        config: the server that Envoys connect to.
        expires: when its certificate does, in seconds since 1970; None without TLS.
    """
    if config.tls is None or expires is None:
        return
    until = datetime.fromtimestamp(expires, UTC)
    clients = "need a certificate" if config.tls.client_ca else "need none"
    names = f" with one of the names {', '.join(config.tls.allowed_sans)}" if config.tls.allowed_sans else ""
    _line(target, f"TLS with a certificate until {until:%Y-%m-%d %H:%M} UTC; clients {clients}{names}")
    if config.open_to_strangers:
        advice = "set xds.tls.client_ca, or anyone who reaches the port can read every endpoint"
        _line(target, f"warning: {config.listen} is reachable from other machines; {advice}", "bold yellow")


def reading(target: Console, read: Reading) -> None:
    """Print what one source answered."""
    target.print()
    verdict, style = ("not well", "bold red") if read.findings else ("fine", "bold green")
    _line(target, f"source {read.source.name} ({read.source.type}) is {verdict}, read in {read.seconds:.2f} s", style)
    for finding in read.findings:
        _line(target, finding, "red")
    counts = (str(read.statistics.endpoints.get(health, 0)) for health in Health)
    columns = ("services", *(health.value for health in Health), "set aside")
    table(target, columns, [(str(read.statistics.services), *counts, str(read.statistics.set_aside))])
    if read.requests:
        calls = ((operation, code, str(count)) for (operation, code), count in sorted(read.requests.items()))
        table(target, ("API call", "result", "count"), calls)
    _set_aside(target, read)


def table(target: Console, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their columns."""
    shown = Table(*columns, box=None, pad_edge=False, header_style="dim")
    for row in rows:
        shown.add_row(*(Text(printable(cell), overflow="fold") for cell in row))
    target.print(shown)


def _matched(match: ViewMatch) -> str:
    metadata = [f"metadata {key} {glob}" for key, glob in sorted(match.metadata.items())]
    named = [f"{key} {glob}" for key in ("id", "cluster", "san") if (glob := getattr(match, key))]
    return ", ".join((*named, *metadata)) or "everybody"


def _notes(config: Config) -> Iterator[str]:
    """What is no mistake, and may still be another thing than was meant."""
    for index, rule in enumerate(config.views):
        if rule.selective and rule.match.san is None:
            yield (
                f"views[{index}] goes by what an Envoy says of itself, which keeps order and no secrets; "
                "a boundary needs `san` in its match"
            )
    guarded = any(rule.selective and rule.match.san is not None for rule in config.views)
    if guarded and not config.views_required and config.views[-1].match != ViewMatch():
        yield "an Envoy that no view matches sees every service; `views_required: true` refuses it"


def _set_aside(target: Console, read: Reading) -> None:
    rows = [(each.name[:_NAME], "", "", each.reason) for each in read.refused]
    rows += [(service, each.entry.instance, each.entry.reported, each.entry.reason) for service, each in read.set_aside]
    if rows:
        table(target, ("set aside of service", "instance", "reported", "reason"), rows[:_SHOWN])
    if len(rows) > _SHOWN:
        _line(target, f"and {len(rows) - _SHOWN} more", "dim")


def _line(target: Console, text: str, style: str = "") -> None:
    target.print(Text(printable(text), style=style))


def _yes(value: bool) -> str:  # noqa: FBT001 (it is about the value)
    return "yes" if value else "no"
