"""An xDS v3 server: any table of resource types, State of the World and Delta, aggregated and separate streams.

Knows nothing of where resources come from: `SnapshotCache.set` is the way in, `XdsServer` the way out, and a
`StreamObserver` is told what happens in between.
"""

from xds.cache import SnapshotCache
from xds.node import Node
from xds.observer import ObservedStream, Observers, StreamObserver, StreamStatus, TypeStatus
from xds.resource import CLUSTER, ENDPOINT, TYPES, Resource, ResourceType, content_version
from xds.server import ServerOptions, XdsServer
from xds.snapshot import Snapshot

__all__ = [
    "CLUSTER",
    "ENDPOINT",
    "TYPES",
    "Node",
    "ObservedStream",
    "Observers",
    "Resource",
    "ResourceType",
    "ServerOptions",
    "Snapshot",
    "SnapshotCache",
    "StreamObserver",
    "StreamStatus",
    "TypeStatus",
    "XdsServer",
    "content_version",
]

__distribution__ = "xds-bridge"
"""Checked at the start: a package of PyPI has the same import name."""
