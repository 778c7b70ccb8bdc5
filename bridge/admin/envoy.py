"""`/api/v1/envoys/NODE` and `/api/v1/served`: one Envoy by the names of resources, and what a view serves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.admin import query
from bridge.peers import type_versions
from bridge.problem import nearest
from bridge.resources import Assigned, assigned
from xds import CLUSTER, ENDPOINT, RejectedResource, Snapshot, StreamContents, StreamStatus, TypeContents

LISTED = 100
"""Names of a kind that are shown of a stream and type; all of them are counted."""

CLUSTERS = 500
"""Clusters that are shown at a time."""

_PARAMETERS = ("view", "after", "limit")


@dataclass(frozen=True, slots=True)
class ContentsDocument:
    """What a stream asks for and rejects of one type."""

    type_url: str
    resources: int
    """How many resources there are of those that it asks for."""
    unknown: tuple[str, ...]
    """Names that it asks for and of which there is no resource: the first hundred."""
    unknown_count: int
    rejected: tuple[RejectedResource, ...]
    """The last hundred."""
    rejected_count: int


@dataclass(frozen=True, slots=True)
class NodeStream:
    """One stream of an Envoy."""

    status: StreamStatus
    contents: tuple[ContentsDocument, ...]


@dataclass(frozen=True, slots=True)
class NodeDocument:
    """`/api/v1/envoys/NODE`; several Envoys, where they share a node id."""

    node: str
    streams: tuple[NodeStream, ...]


@dataclass(frozen=True, slots=True)
class ServedCluster:
    """A cluster as it is served."""

    name: str
    version: str
    endpoints: tuple[Assigned, ...] | None
    """Those of its assignment, by address and port; null where there is none."""


@dataclass(frozen=True, slots=True)
class ServedDocument:
    """`/api/v1/served`: what Envoys of one view are served, by cluster."""

    view: str
    version: str
    """Of all clusters together."""
    clusters: tuple[ServedCluster, ...]
    next: str | None
    """The `after` to ask with for what follows; null at the end."""


def node(name: str, streams: Sequence[StreamContents]) -> NodeDocument:
    """One Envoy; work for a thread."""
    return NodeDocument(name, tuple(NodeStream(each.status, tuple(map(_contents, each.types))) for each in streams))


def unknown(name: str, streams: Sequence[StreamStatus]) -> str:
    """What is said of an Envoy that is not connected."""
    return (
        f"no Envoy {name[: query.SHOWN]!r} is connected{nearest(name, {each.node.id for each in streams if each.node})}"
    )


@dataclass(frozen=True, slots=True)
class Query:
    """Which clusters of which view are asked for."""

    view: str
    after: str = ""
    limit: int = CLUSTERS


def parse(parameters: Sequence[tuple[str, str]], snapshots: Mapping[str, Snapshot]) -> Query:
    """What a query says.

    Args:
        parameters: names and values, as they came.
        snapshots: of the views in use, by name.

    Raises:
        WrongQueryError: something is not understood; the message names it, and what there is instead.
    """
    given = {"view": "default", **query.given(parameters, _PARAMETERS)}
    limit = query.number(given, "limit", 1, CLUSTERS) or CLUSTERS
    return Query(query.choice(given, "view", snapshots), given.get("after", ""), limit)


def served(snapshot: Snapshot, asked: Query) -> ServedDocument:
    """What is served; work for a thread."""
    clusters, assignments = snapshot.resources(CLUSTER.url), snapshot.resources(ENDPOINT.url)
    following = sorted(name for name in clusters if name > asked.after)
    names = following[: asked.limit]
    shown = (
        ServedCluster(name, clusters[name].version, assigned(assignments[name]) if name in assignments else None)
        for name in names
    )
    return ServedDocument(
        view=asked.view,
        version=type_versions(snapshot)["cluster"],
        clusters=tuple(shown),
        next=names[-1] if len(following) > asked.limit else None,
    )


def _contents(contents: TypeContents) -> ContentsDocument:
    absent = sorted(contents.asked - contents.existing)
    count = len(contents.existing) if contents.wildcard else len(contents.asked) - len(absent)
    return ContentsDocument(
        type_url=contents.type_url,
        resources=count,
        unknown=tuple(absent[:LISTED]),
        unknown_count=len(absent),
        rejected=contents.rejected[-LISTED:],
        rejected_count=len(contents.rejected),
    )
