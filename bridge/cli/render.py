"""`xds-bridge render`: the clusters and endpoints that a configuration would serve now, without a daemon."""

import asyncio
import os
from typing import TYPE_CHECKING, Annotated

import typer

from bridge import plugins
from bridge.cli.bootstrap import Output, write
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
from bridge.cli.node import ClusterOption, IdOption, MetadataOption, RegionOption, node
from bridge.cli.reading import shown
from bridge.config import Config, load

if TYPE_CHECKING:
    from bridge.cli.outlook import Sight
    from xds import Client

EXAMPLE = "xds-bridge render --config bridge.yaml --node-cluster edge -o json"

SanOption = Annotated[
    list[str] | None, typer.Option("--san", metavar="NAME", help="A name in the Envoy's certificate; again for each.")
]


def render(  # noqa: PLR0913 (an option each)
    *,
    node_id: IdOption = "",
    node_cluster: ClusterOption = "",
    metadata: MetadataOption = None,
    region: RegionOption = "",
    san: SanOption = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to write it.")] = Output.YAML,
    timeout: TimeoutOption = "30s",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Print what this configuration would serve an Envoy now. Clusters and endpoints, without a running bridge.

    Each source is read once. What is printed are two discovery responses as protobuf's JSON has them, with the versions
    that a bridge would send. `views` go by the options that say who the Envoy is. What is set aside is told on standard
    error. Exits with 3 when a required source cannot be read, and with 1 when the Envoy would be refused.
    """
    deadline = duration(timeout, "--timeout")
    described = node(node_id, node_cluster, metadata or (), region)
    settings = load(config, os.environ, plugins.discover())

    from xds import Client  # noqa: PLC0415 (see bridge/cli/__init__.py)

    only_errors()
    with asyncio.Runner() as runner:
        # Before the runner is closed, as in `run`: that waits for threads, and a read may hang in one.
        leave(_render(runner, settings, Client(described, "", tuple(san or ())), deadline, output))


def _render(runner: asyncio.Runner, config: Config, client: "Client", timeout: float, output: Output) -> int:
    """Print, and say what to exit with."""
    from bridge.cli import outlook  # noqa: PLC0415 (see bridge/cli/__init__.py)
    from xds import Refused  # noqa: PLC0415

    async def sight() -> "Sight":
        known = await outlook.services(config, timeout)
        (seen,) = await outlook.sights(config, known, [lambda views: views.view(client)])
        return seen

    try:
        seen = runner.run(sight())
    except outlook.UnreadError as error:
        typer.echo(shown(str(error)), err=True)
        return EXIT_FAILED
    except Refused as refusal:
        typer.echo(shown(str(refusal)), err=True)
        return EXIT_FINDING
    typer.echo(write(_document(seen), output), nl=False)
    return 0


def _document(seen: "Sight") -> dict[str, object]:
    from bridge.cli import decoded  # noqa: PLC0415 (see bridge/cli/__init__.py)
    from xds import TYPES  # noqa: PLC0415

    versions = {kind.url: seen.snapshot.version(kind.url) for kind in TYPES}
    return {"view": seen.view, **decoded.responses(seen.content, versions, decoded.reader())}
