"""`xds-bridge envoys`: who is connected to a running bridge, how far each is, and whether it has what it is served."""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel

from bridge.cli import completion, reading
from bridge.cli.connected import Envoy, Stream, TypeStatus, label, merged
from bridge.cli.convention import DEFAULT_CONFIG, EXIT_FINDING, ConfigOption
from bridge.cli.divergence import Comparison, Scope
from bridge.cli.reading import AdminOption, Output, OutputOption, SocketOption, shown
from bridge.wording import counted, gist, some, span, utc

if TYPE_CHECKING:
    from bridge.cli.client import Way

EXAMPLE = "xds-bridge envoys web-1 --envoy-admin http://127.0.0.1:9901"

_COLUMNS = ("node", "cluster", "address", "transport", "view", "connected for", "clusters", "endpoints")
_SHORT = 8
"""Characters of a version that are shown."""

_TYPES = ("type", "transport", "state", "asked for", "exist", "version sent", "accepted", "last ACK")


class _Rejected(BaseModel):
    name: str
    version: str
    message: str


class _Contents(BaseModel):
    type_url: str
    resources: int
    unknown: tuple[str, ...]
    unknown_count: int
    rejected: tuple[_Rejected, ...]
    rejected_count: int


class _NodeStream(BaseModel):
    status: Stream
    contents: tuple[_Contents, ...]


class _Node(BaseModel):
    """`/api/v1/envoys/NODE`."""

    node: str
    streams: tuple[_NodeStream, ...]
    findings: tuple[str, ...]


class _Absent(BaseModel):
    node: str
    peer: str
    left: float
    unanswered: bool


class _Streams(BaseModel):
    """`/api/v1/envoys`."""

    streams: tuple[Stream, ...]
    findings: tuple[str, ...]
    absent: tuple[_Absent, ...]


class _List(BaseModel):
    """What is written with `-o json` of all Envoys."""

    envoys: tuple[Envoy, ...]
    findings: tuple[str, ...]
    absent: tuple[_Absent, ...]


class _Detail(_Node):
    """What is written with `-o json` of one."""

    comparison: Comparison | None
    """None where nobody asked for it."""


def envoys(
    node: Annotated[
        str | None,
        typer.Argument(
            metavar="NODE", help="Id of an Envoy.", show_default="all of them", autocompletion=completion.nodes
        ),
    ] = None,
    *,
    envoy_admin: Annotated[
        str | None,
        typer.Option(
            "--envoy-admin", metavar="URL", help="Compare what NODE is served with what its admin interface shows."
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
    admin: AdminOption = None,
    socket: SocketOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List the Envoys of a running bridge, and how far each is. Of one NODE, also what it asks for and rejects.

    SYNCED: it accepted all there is. STALE: it has not answered what it was sent. ERROR: it rejected something, and
    works with what it had. WAITING: it was not sent yet what there is. NOT SENT: nothing of what it asks for exists.

    Exits with 1 when one rejects something, has not answered for a minute, or has something else than it is served, or
    when there is no such Envoy.
    """
    if envoy_admin is not None:
        if node is None:
            raise typer.BadParameter("it takes a NODE, whose Envoy this is", param_hint="--envoy-admin")
        reading.check_url(envoy_admin, "--envoy-admin")
    ways = reading.ways(admin, socket, config)
    found = _listed(ways) if node is None else _one(ways, node, envoy_admin)
    if output is not Output.TABLE:
        typer.echo(reading.text(found, output), nl=False)
    elif isinstance(found, _List):
        _print(found)
    else:
        _print_one(found)
    if found.findings:
        raise typer.Exit(EXIT_FINDING)


def _listed(ways: "Sequence[Way]") -> _List:
    found = reading.read(ways, "api/v1/envoys", _Streams)
    return _List(envoys=merged(found.streams), findings=found.findings, absent=found.absent)


def _one(ways: "Sequence[Way]", node: str, envoy_admin: str | None) -> _Detail:
    from bridge.cli import client  # noqa: PLC0415 (see bridge/cli/__init__.py)

    found = reading.read(ways, client.named("api/v1/envoys", node), _Node)
    lines = list(found.findings)
    comparison = _compared(ways, found, envoy_admin) if envoy_admin is not None else None
    if comparison and comparison.differences:
        lines.append(f"Envoy {node} has something else than it is served")
    return _Detail(node=found.node, streams=found.streams, findings=tuple(lines), comparison=comparison)


def _compared(ways: "Sequence[Way]", found: _Node, url: str) -> Comparison:
    from bridge.cli import witness  # noqa: PLC0415 (see bridge/cli/__init__.py)

    streams = [stream.status for stream in found.streams]
    views = sorted({stream.view for stream in streams if stream.view})
    if len(views) != 1:
        reading.fail(f"Envoys with the node id {found.node} see {', '.join(views) or 'nothing yet'}, not one view")
    asking = [(stream, each) for stream in streams for each in stream.types if label(each.type_url) == "clusters"]
    scope = Scope(
        everything=any(each.names is None for _, each in asking),
        incremental=any(stream.transport == "delta" for stream, _ in asking),
    )
    return reading.answered(witness.compared(ways, url, found.node, views[0], scope))


def _print(found: _List) -> None:
    from bridge.cli import report  # noqa: PLC0415 (see bridge/cli/__init__.py)

    if not found.envoys:
        typer.echo("no Envoy is connected")
    else:
        report.table(report.console(sys.stdout), _COLUMNS, [_row(each) for each in found.envoys])
    for each in found.absent:
        silent = ", without an answer to what it was sent" if each.unanswered else ""
        typer.echo(shown(f"left {utc(each.left)}, and not come back: {each.node} at {each.peer}{silent}"))
    _print_findings(found.findings)


def _row(envoy: Envoy) -> tuple[str, ...]:
    of_type = {label(each.type_url): _cell(each) for each in envoy.types}
    names = f" ({', '.join(envoy.names)})" if envoy.names else ""
    return (
        envoy.node,
        envoy.cluster,
        f"{envoy.address}{names}",
        envoy.transport,
        envoy.view,
        span(envoy.connected),
        of_type.get("clusters", "-"),
        of_type.get("endpoints", "-"),
    )


def _cell(status: TypeStatus) -> str:
    version = f" {status.version_acked[:_SHORT]}" if status.version_acked else ""
    return f"{_state(status)}{version}, {_ack(status)}"


def _print_one(found: _Detail) -> None:
    from bridge.cli import report  # noqa: PLC0415 (see bridge/cli/__init__.py)

    console = report.console(sys.stdout)
    for envoy in merged(stream.status for stream in found.streams):
        typer.echo(shown(_headline(envoy)))
    typer.echo()
    report.table(console, _TYPES, [row for stream in found.streams for row in _type_rows(stream)])
    contents = [each for stream in found.streams for each in stream.contents]
    if any(each.rejected for each in contents):
        typer.echo()
        rejected = [row for each in contents for row in _rejected_rows(each)]
        report.table(console, ("rejected of", "name", "version", "what Envoy says"), rejected)
    for each in contents:
        if each.unknown:
            names = some(each.unknown, len(each.unknown), each.unknown_count)
            typer.echo(shown(f"asked for of {label(each.type_url)}, and not there: {names}"))
    if found.comparison:
        _print_comparison(found.comparison)
    _print_findings(found.findings)


def _headline(envoy: Envoy) -> str:
    names = f" with a certificate for {', '.join(envoy.names)}" if envoy.names else ""
    view = f"sees the view {envoy.view}" if envoy.view else "has not asked for anything"
    return (
        f"Envoy {envoy.node} of cluster {envoy.cluster or '(none)'} at {envoy.address}{names}: "
        f"connected for {span(envoy.connected)}, {view}"
    )


def _type_rows(stream: _NodeStream) -> Iterator[tuple[str, ...]]:
    contents = {each.type_url: each for each in stream.contents}
    for each in stream.status.types:
        there = contents.get(each.type_url)
        yield (
            label(each.type_url),
            stream.status.transport,
            _state(each),
            "all" if each.names is None else str(each.names),
            str(there.resources) if there else "",
            each.version_sent[:_SHORT],
            each.version_acked[:_SHORT],
            _ack(each),
        )


def _rejected_rows(contents: _Contents) -> Iterator[tuple[str, ...]]:
    kind = label(contents.type_url)
    for each in contents.rejected:
        yield kind, each.name, each.version[:_SHORT], gist(each.message)
    if more := contents.rejected_count - len(contents.rejected):
        yield kind, f"and {more} before", "", ""


def _print_comparison(comparison: Comparison) -> None:
    from bridge.cli import report  # noqa: PLC0415 (see bridge/cli/__init__.py)

    typer.echo()
    served = f"{counted(comparison.clusters, 'cluster')} with {counted(comparison.endpoints, 'endpoint')}"
    if not comparison.differences:
        typer.echo(f"Envoy has what it is served: {served}")
        return
    typer.echo(f"served are {served}; Envoy has otherwise:")
    rows = [(each.cluster or "(all)", each.endpoint, each.what) for each in comparison.differences]
    report.table(report.console(sys.stdout), ("cluster", "endpoint", "difference"), rows)


def _print_findings(lines: Sequence[str]) -> None:
    if lines:
        typer.echo()
    for line in lines:
        typer.echo(shown(f"! {line}"))


def _state(status: TypeStatus) -> str:
    return status.state.replace("_", " ").upper()


def _ack(status: TypeStatus) -> str:
    if status.state == "stale" and status.unanswered is not None:
        return f"not answered for {span(status.unanswered)}"
    return "no ACK" if status.acked is None else f"ACK {span(status.acked)} ago"
