"""Small snapshots for tests of the xDS server, and what may be expected of them."""

from collections.abc import Mapping

from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment

from xds import CLUSTER, ENDPOINT, Resource, Snapshot, content_version


def cluster(name: str, content: str = "", *, requires: tuple[str, ...] | None = None) -> Resource:
    """A cluster that waits for the assignment of its own name; `content` makes it another version."""
    body = bytes(Cluster(name=name, alt_stat_name=content))
    return Resource(name, body, content_version(body), requires=(name,) if requires is None else requires)


def assignment(name: str, content: str = "") -> Resource:
    """An assignment; `content` makes it another version."""
    body = bytes(ClusterLoadAssignment(cluster_name=name)) + _unknown_field(content)
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


def _unknown_field(content: str) -> bytes:
    encoded = content.encode()
    return bytes((15 << 3 | 2, len(encoded))) + encoded if encoded else b""
