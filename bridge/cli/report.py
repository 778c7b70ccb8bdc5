"""What commands print: tables for people, with nothing in them that a source could use to move the cursor."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TextIO
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge import config as configured
from bridge.cli import rate
from bridge.cli.comparison import ClusterChange, Kind, lines
from bridge.cli.live import Reading
from bridge.config import Address, Config, ViewMatch, XdsConfig, merge_notes
from bridge.model import Health
from bridge.wording import printable

_WORDS = {
    **dict.fromkeys(("SYNCED", "fresh", "healthy"), "green"),
    **dict.fromkeys(("WAITING", "STALE", "stale", "paused", "degraded", "draining"), "yellow"),
    **dict.fromkeys(("ERROR", "failing", "held", "unhealthy"), "red"),
}
"""Styles by the first word of a cell."""

_WIDE = 240
_GAP = 2
_SHOWN = 50
_NAME = 60
_STYLES: Mapping[Kind | None, str] = {Kind.ADDED: "green", Kind.REMOVED: "red", Kind.CHANGED: "yellow", None: "dim"}


def console(stream: TextIO) -> Console:
    """Where to print: on a terminal its width, and colour unless NO_COLOR is set; wide and plain elsewhere."""
    terminal = stream.isatty()
    return Console(file=stream, highlight=False, width=None if terminal else _WIDE, no_color=None if terminal else True)


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
    for permission in read.missing:
        _line(target, f"missing permission: {permission}", "bold red")
    if read.missing and read.source.grants(""):
        _line(target, "`xds-bridge iam-policy` prints all that this configuration needs", "dim")
    _set_aside(target, read)


def polling(target: Console, reads: Sequence[Reading]) -> None:
    """Print what it costs to keep polling the sources, place by place: what several share counts together.

    Of a source that could not be read nobody knows what a whole pass costs.
    """
    polls = {read.source.name: read.polls for read in reads if read.polls and not read.errors}
    if not polls:
        return
    target.print()
    rows = [
        (each.place, each.source, _interval(each), str(each.calls), f"{each.hourly:,.0f}", f"{each.used:.0%}")
        for each in rate.places(polls)
    ]
    table(target, ("polled place", "source", "interval", "calls a pass", "calls an hour", "budget used"), rows)
    taken = [
        (
            each.bucket.name,
            each.place,
            f"{each.hourly:,.0f}",
            f"{each.bucket.refill * rate.HOUR:,.0f}",
            f"{each.used:.1%}",
        )
        for each in rate.buckets(poll for each in polls.values() for poll in each)
    ]
    table(target, ("bucket of everybody", "place", "calls an hour", "refilled an hour", "used"), taken)


def _interval(polled: rate.PlaceRate) -> str:
    stretched = f", stretched to {polled.interval:.4g} s" if polled.interval > polled.configured else ""
    return f"{polled.configured:.4g} s{stretched}"


def unmatched(target: Console, config: Config, readings: Sequence[Reading]) -> None:
    """Print which globs are for no service that a source has an endpoint of; nothing unless all sources were read."""
    if not all(read.complete for read in readings):
        return
    found = {name for read in readings for name in read.services}
    for each in configured.unmatched(config.services, config.views, found):
        _line(
            target, f"note: {each.where}: {each.glob!r} counts for no service with an endpoint: {each.reason}", "yellow"
        )


def table(target: Console, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their columns; on a terminal that is too narrow for that, each row as lines of its own.

    On a terminal, cells that begin with certain words of ours are coloured.
    """
    cells = [[Text(printable(cell), overflow="fold", style=_style(cell)) for cell in row] for row in rows]
    widths = _widths(
        [[column, *(row[place].plain for row in cells)] for place, column in enumerate(columns)], target.width
    )
    if widths is None and target.is_terminal:
        _records(target, columns, cells)
        return
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for place, column in enumerate(columns):
        shown.add_column(column, width=widths[place] if widths else None)
    for row in cells:
        shown.add_row(*row)
    target.print(shown)


def _widths(columns: Sequence[Sequence[str]], width: int) -> Sequence[int] | None:
    """How wide each column may be, so that no name and no address is broken; None where that is impossible.

    Rich would narrow the widest columns first, whatever words are in them.
    """
    least = [min(max((len(word) for cell in column for word in cell.split()), default=0), _NAME) for column in columns]
    wanted = [max(len(cell) for cell in column) - need for column, need in zip(columns, least, strict=True)]
    left = width - sum(least) - _GAP * (len(columns) - 1)
    if left < 0:
        return None
    part = min(1.0, left / sum(wanted)) if sum(wanted) else 0.0
    return [need + int(more * part) for need, more in zip(least, wanted, strict=True)]


def _records(target: Console, columns: Sequence[str], rows: Iterable[Sequence[Text]]) -> None:
    for number, row in enumerate(rows):
        if number:
            target.print()
        record = Table.grid(padding=(0, 2))
        for column, cell in zip(columns, row, strict=True):
            if cell:
                record.add_row(Text(column, style="dim", no_wrap=True), cell)
        target.print(record)


def changes(target: Console, heading: str, found: Sequence[ClusterChange]) -> None:
    """Print what differs under a heading, a line each: green what is new, red what is gone, yellow what is another."""
    target.print(Text(printable(heading), style="bold"), soft_wrap=True)
    for kind, line in lines(found):
        target.print(Text(printable(line), style=_STYLES[kind]), soft_wrap=True)


def _style(cell: str) -> str:
    return _WORDS.get(cell.split(" ", 1)[0], "")


def _matched(match: ViewMatch) -> str:
    metadata = [f"metadata {key} {glob}" for key, glob in sorted(match.metadata.items())]
    named = [f"{key} {glob}" for key in ("id", "cluster", "san") if (glob := getattr(match, key))]
    return ", ".join((*named, *metadata)) or "everybody"


def _notes(config: Config) -> Iterator[str]:
    """What is no mistake, and may still be another thing than was meant."""
    yield from merge_notes(config.services, config.cluster_defaults, [source.name for source in config.sources])
    for index, rule in enumerate(config.views):
        if rule.selective and rule.match.san is None:
            yield (
                f"views[{index}] goes by what an Envoy says of itself, which keeps order and no secrets; "
                "a boundary needs `san` in its match"
            )
    hosts = [Address(urlsplit(url).hostname or "", 0) for url in config.admin.peers]
    if config.admin.listen.loopback and not all(host.loopback for host in hosts):
        yield "admin.listen is for this machine alone, so the replicas of admin.peers cannot ask this one"
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
