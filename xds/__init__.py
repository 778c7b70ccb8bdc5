"""An xDS v3 server: any table of resource types, State of the World and Delta, aggregated and separate streams.

Knows nothing of where resources come from: `SnapshotCache.set` is the way in, `XdsServer` the way out and `fetch` the
one for other servers, `Views` decide who sees what, and a `StreamObserver` is told what happens in between. `follow` is
a client, of this or any other server.
"""

from xds.cache import SnapshotCache
from xds.client import ClosedError, Holding, ServerAddress, follow
from xds.fetch import Unchanged, fetch
from xds.identity import Identity, IdentityError, Part, TlsFiles, Validity, read_identity, server_context
from xds.limit import Limits
from xds.message import InvalidRequest, Request, Response
from xds.name import AllowedNames, any_matches, certificate_names, possible_pattern
from xds.node import Client, Locality, Node
from xds.observer import (
    Load,
    ObservedStream,
    Observers,
    RejectedResource,
    StreamContents,
    StreamObserver,
    StreamStatus,
    TypeContents,
    TypeState,
    TypeStatus,
)
from xds.refusal import Reason, Refused
from xds.resource import CLUSTER, ENDPOINT, TYPES, Resource, ResourceType, content_version
from xds.server import Credentials, FreshIdentity, IdentityObserver, ServerOptions, XdsServer
from xds.snapshot import Snapshot
from xds.standing import Progress, Receipt, Receiver
from xds.view import Views

__all__ = [
    "CLUSTER",
    "ENDPOINT",
    "TYPES",
    "AllowedNames",
    "Client",
    "ClosedError",
    "Credentials",
    "FreshIdentity",
    "Holding",
    "Identity",
    "IdentityError",
    "IdentityObserver",
    "InvalidRequest",
    "Limits",
    "Load",
    "Locality",
    "Node",
    "ObservedStream",
    "Observers",
    "Part",
    "Progress",
    "Reason",
    "Receipt",
    "Receiver",
    "Refused",
    "RejectedResource",
    "Request",
    "Resource",
    "ResourceType",
    "Response",
    "ServerAddress",
    "ServerOptions",
    "Snapshot",
    "SnapshotCache",
    "StreamContents",
    "StreamObserver",
    "StreamStatus",
    "TlsFiles",
    "TypeContents",
    "TypeState",
    "TypeStatus",
    "Unchanged",
    "Validity",
    "Views",
    "XdsServer",
    "any_matches",
    "certificate_names",
    "content_version",
    "fetch",
    "follow",
    "possible_pattern",
    "read_identity",
    "server_context",
]

__distribution__ = "xds-bridge"
"""Checked at the start: a package of PyPI has the same import name."""
