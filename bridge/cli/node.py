"""Which Envoy a command stands for: what an Envoy says of itself, as people type it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from xds import Node

IdOption = Annotated[str, typer.Option("--node-id", metavar="ID", help="The Envoy's node id.")]
ClusterOption = Annotated[str, typer.Option("--node-cluster", "--node", metavar="NAME", help="The Envoy's cluster.")]
MetadataOption = Annotated[
    list[str] | None, typer.Option("--metadata", metavar="KEY=VALUE", help="Of the node's metadata; again for each.")
]
RegionOption = Annotated[str, typer.Option("--region", metavar="NAME", help="The region that the Envoy runs in.")]


def node(identity: str, cluster: str, metadata: Sequence[str], region: str) -> "Node":
    """The node that these options describe; wrong usage when a pair is none."""
    from xds import Locality, Node  # noqa: PLC0415 (see bridge/cli/__init__.py)

    pairs = dict(_pair(text) for text in metadata)
    return Node(id=identity, cluster=cluster, locality=Locality(region=region), metadata=tuple(sorted(pairs.items())))


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE, such as stage=canary", param_hint="--metadata")
    return key, value
