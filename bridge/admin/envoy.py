"""`/api/v1/envoys/NODE`: the streams of one Envoy, by the names of what it asks for and rejects."""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.absent import Absent
from bridge.admin import query
from bridge.admin.client import clients, findings
from bridge.problem import nearest
from bridge.wording import utc
from xds import RejectedResource, StreamContents, StreamStatus, TypeContents

LISTED = 100
"""Names of a kind that are shown of a stream and type; all of them are counted."""


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
    findings: tuple[str, ...]
    """What a person should look at."""


def node(name: str, streams: Sequence[StreamContents]) -> NodeDocument:
    """One Envoy; work for a thread."""
    return NodeDocument(
        name,
        tuple(NodeStream(each.status, tuple(map(_contents, each.types))) for each in streams),
        findings(clients(each.status for each in streams)),
    )


def unknown(name: str, streams: Sequence[StreamStatus], absent: Sequence[Absent]) -> str:
    """What is said of an Envoy that is not connected."""
    for each in absent:
        if each.node == name:
            silent = " without an answer to what it was sent" if each.unanswered else ""
            return f"Envoy {name!r} left {utc(each.left)}{silent}, and has not come back"
    hint = nearest(name, {each.node.id for each in streams if each.node})
    return f"no Envoy {name[: query.SHOWN]!r} is connected{hint}"


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
