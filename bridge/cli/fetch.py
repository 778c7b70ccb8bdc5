"""`xds-bridge fetch`: acts as an Envoy against any xDS v3 server, and prints what comes."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from bridge.cli import reading
from bridge.cli.bootstrap import Output as Format
from bridge.cli.bootstrap import write
from bridge.cli.comparison import Content, Reader, compare, summary
from bridge.cli.convention import duration
from bridge.cli.node import ClusterOption, IdOption, MetadataOption, RegionOption, node
from bridge.cli.reading import Output, OutputOption, one_of_many, shown
from bridge.cli.served import awaited, endpoints
from bridge.errors import BridgeError
from bridge.wording import FETCHER, some

if TYPE_CHECKING:
    from xds import Holding, Node, ServerAddress

EXAMPLE = "xds-bridge fetch 127.0.0.1:18000 --node-cluster edge"

_COLUMNS = ("cluster", "endpoint", "health", "weight", "priority", "locality")
_PLACE = ("locality.region", "locality.zone", "locality.sub_zone")
_NAMED = 10

CaOption = Annotated[
    Path | None, typer.Option("--tls-ca", metavar="FILE", help="Verify the server by these authorities (PEM).")
]
CertificateOption = Annotated[
    Path | None, typer.Option("--tls-certificate", "--tls-cert", metavar="FILE", help="Prove who you are (PEM).")
]
KeyOption = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Of --tls-certificate (PEM).")]
ServerNameOption = Annotated[
    str,
    typer.Option("--tls-server-name", metavar="NAME", help="What its certificate is for.", show_default="its host"),
]
TimeoutOption = Annotated[
    str, typer.Option("--timeout", metavar="DURATION", help="How long the first answer may take.")
]


class FetchError(BridgeError):
    """Not everything came that was asked for."""


class _Question(NamedTuple):
    """Whom to ask, as whom, and how."""

    server: "ServerAddress"
    node: "Node"
    delta: bool
    timeout: float


def fetch(  # noqa: PLR0913 (an option each)
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="HOST:PORT, or unix:PATH.")],
    *,
    delta: Annotated[bool, typer.Option("--delta", help="Incremental, in place of State of the World.")] = False,
    node_id: IdOption = FETCHER,
    node_cluster: ClusterOption = "",
    metadata: MetadataOption = None,
    region: RegionOption = "",
    tls_ca: CaOption = None,
    tls_certificate: CertificateOption = None,
    tls_key: KeyOption = None,
    tls_server_name: ServerNameOption = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on with what changes, until Ctrl-C.")] = False,
    timeout: TimeoutOption = "10s",
    output: OutputOption = Output.TABLE,
) -> None:
    """Act as an Envoy, and print what an xDS server serves. All clusters and their endpoints, by xDS v3.

    On one aggregated stream (ADS), as this node. Exits with 3 when the server cannot be reached, refuses, ends the
    stream or does not answer everything in time.
    """
    deadline = duration(timeout, "--timeout")
    described = node(node_id, node_cluster, metadata or (), region)
    server = _server(address, (tls_ca, tls_certificate, tls_key), tls_server_name)
    question = _Question(server, described, delta, deadline)
    try:
        asyncio.run(_show(question, output, watch=watch))
    except BridgeError as error:
        reading.fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit from None


async def _show(question: _Question, output: Output, *, watch: bool) -> None:
    from xds import ClosedError, follow  # noqa: PLC0415 (see bridge/cli/__init__.py)

    try:
        async with aclosing(follow(question.server, question.node, delta=question.delta)) as holdings:
            held = await _first(holdings, question)
            _print(held, output, more=watch)
            if watch:
                await _watch(holdings, held, output)
    except ClosedError as error:
        raise FetchError(f"{question.server.address}: {error}") from error


async def _first(holdings: "AsyncIterator[Holding]", question: _Question) -> "Holding":
    """The first that is everything that was asked for."""
    held: Holding | None = None
    try:
        async with asyncio.timeout(question.timeout):
            async for held in holdings:
                if held.complete:
                    return held
    except TimeoutError:
        pass
    raise FetchError(f"{question.server.address}: {_lacking(held)} within {question.timeout:g} s")


async def _watch(holdings: "AsyncIterator[Holding]", first: "Holding", output: Output) -> None:
    """Print what changes, until the server ends the stream."""
    from bridge.cli import decoded, report  # noqa: PLC0415 (see bridge/cli/__init__.py)

    read, console, before = decoded.reader(), report.console(sys.stdout), _content(first)
    async for held in holdings:
        content = _content(held)
        if not held.complete or not (changes := compare(before, content, read)):
            continue
        before = content
        if output is Output.TABLE:
            report.changes(console, summary(changes), changes)
        else:
            found = [change.model_dump(mode="json") for change in changes]
            typer.echo(one_of_many({"versions": dict(held.versions), "changes": found}, output), nl=False)
        sys.stdout.flush()


def _print(held: "Holding", output: Output, *, more: bool) -> None:
    from bridge.cli import decoded, report  # noqa: PLC0415 (see bridge/cli/__init__.py)

    read, content = decoded.reader(), _content(held)
    if output is not Output.TABLE:
        document = decoded.responses(content, held.versions, read)
        typer.echo(one_of_many(document, output) if more else write(document, Format(output)), nl=False)
    else:
        for url, version in sorted(held.versions.items()):
            typer.echo(shown(f"{url.rpartition('.')[2]}: version {version or '(none)'}"))
        report.table(report.console(sys.stdout), _COLUMNS, _rows(content, read))
    sys.stdout.flush()


def _rows(content: Content, read: Reader) -> Iterator[tuple[str, ...]]:
    """A line for each endpoint, and one for a cluster without any."""
    for name, body in sorted(content.clusters.items()):
        cluster = read.cluster(body)
        assigned = content.assignments.get(awaited(name, cluster))
        found = endpoints(read.assignment(assigned) if assigned is not None else cluster.get("load_assignment"))[0]
        if not found:
            yield name, "(no endpoint)", "", "", "", ""
        for key, fields in sorted(found.items()):
            place = (str(fields[part]) for part in _PLACE if part in fields)
            health, weight = fields.get("health_status", "UNKNOWN"), fields.get("load_balancing_weight", 1)
            yield name, key, str(health), str(weight), str(fields.get("priority", 0)), "/".join(place)


def _content(held: "Holding") -> Content:
    return Content(held.clusters, held.assignments)


def _lacking(held: "Holding | None") -> str:
    """What did not come."""
    if held is None:
        return "no answer came"
    return f"{len(held.clusters)} clusters came, but no endpoints of {some(sorted(held.missing), _NAMED)}"


def _server(address: str, files: tuple[Path | None, Path | None, Path | None], name: str) -> "ServerAddress":
    """Where to connect; files are read here, so that one that cannot be is told by its name."""
    # gRPC's core writes lines of its own form to standard error. Read at its import.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")

    from xds import ServerAddress  # noqa: PLC0415 (see bridge/cli/__init__.py)

    ca, certificate, key = files
    if ca is None and (certificate or key or name):
        raise typer.BadParameter("TLS needs --tls-ca, by which the server is verified", param_hint="--tls-ca")
    if (certificate is None) != (key is None):
        raise typer.BadParameter("a certificate needs its key, and a key its certificate", param_hint="--tls-key")
    read = [_read(file) if file else None for file in files]
    return ServerAddress(address=address, ca=read[0], certificate=read[1], private_key=read[2], server_name=name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reading.fail(f"cannot read {path} ({error.strerror})")
