"""Small snapshots for tests of the xDS server, written field by field: envoy-data-plane takes a millisecond each."""

from collections.abc import Mapping

from support.protobuf_fields import encode, text
from xds import CLUSTER, ENDPOINT, Resource, Snapshot, content_version

# Numbers of fields: two of a `Cluster`, then one of a `ClusterLoadAssignment` and one that it does not have.
_NAME, _ALT_STAT_NAME = 1, 28
_CLUSTER_NAME, _UNKNOWN = 1, 15


def cluster(name: str, content: str = "", *, requires: tuple[str, ...] | None = None) -> Resource:
    """A cluster that waits for the assignment of its own name; `content` makes it another version."""
    body = encode([text(_NAME, name)] + [text(_ALT_STAT_NAME, content)] * bool(content))
    return Resource(name, body, content_version(body), requires=(name,) if requires is None else requires)


def assignment(name: str, content: str = "") -> Resource:
    """An assignment; `content` makes it another version."""
    body = encode([text(_CLUSTER_NAME, name)] + [text(_UNKNOWN, content)] * bool(content))
    return Resource(name, body, content_version(body))


def snapshot(clusters: Mapping[str, str], assignments: Mapping[str, str] | None = None) -> Snapshot:
    """A snapshot of contents by name; by default every cluster has an assignment without content."""
    if assignments is None:
        assignments = dict.fromkeys(clusters, "")
    return (
        Snapshot()
        .replace(CLUSTER.url, [cluster(name, content) for name, content in clusters.items()])
        .replace(ENDPOINT.url, [assignment(name, content) for name, content in assignments.items()])
    )
