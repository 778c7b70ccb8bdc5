"""Resources, and the table of resource types: all that the server knows about what it serves.

Versions are data given with a resource; `content_version` is the default, so that equal content has the equal version
on every replica and after every restart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b


def content_version(body: bytes) -> str:
    """The version of a resource made from its content: 128 bits of BLAKE2b, as 32 hexadecimal digits."""
    return blake2b(body, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Resource:
    """One encoded resource, built once and shared by all streams."""

    name: str
    body: bytes
    """The encoded message itself, without its `google.protobuf.Any` envelope."""
    version: str
    requires: tuple[str, ...] = ()
    """Names of the resources that a client waits for after it got this one, in the type's `required_type`.

    A client that receives a new or changed cluster warms it until its assignment arrives, even an unchanged one.
    https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-warming
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """A row of the table of types: what sets one resource type apart from the others in the protocol."""

    url: str
    """`type_url` of requests, responses and each `Any`."""
    service: str
    """Full name of the gRPC service that serves this type alone."""
    stream_method: str
    """Its State-of-the-World method."""
    delta_method: str
    """Its incremental method."""
    fetch_method: str
    """Its unary method, which answers once."""
    fetch_path: str
    """Where the same is asked for by a `POST` of JSON."""
    legacy_wildcard: bool
    """A first request without names asks for everything. Listener and Cluster only."""
    full_state: bool
    """A State-of-the-World response must carry every resource subscribed to. Listener and Cluster only."""
    awaited: bool = False
    """A client may wait for a resource of this type that it holds already: it is sent whatever a client says it holds.

    https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-warming
    """
    required_type: str | None = None
    """`url` of the type that `Resource.requires` names; it is sent after this one in the same stream."""
    placeholder: Callable[[str], bytes] | None = None
    """Encodes an empty resource for a name that does not exist, for types whose client would wait for it.

    Used in State-of-the-World, which has no other way to say that a resource does not exist.
    """


def _empty_assignment(name: str) -> bytes:
    encoded = name.encode()
    length, prefix = len(encoded), bytearray(b"\x0a")  # ClusterLoadAssignment.cluster_name = 1
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + encoded


ENDPOINT = ResourceType(
    url="type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    service="envoy.service.endpoint.v3.EndpointDiscoveryService",
    stream_method="StreamEndpoints",
    delta_method="DeltaEndpoints",
    fetch_method="FetchEndpoints",
    fetch_path="/v3/discovery:endpoints",
    legacy_wildcard=False,
    full_state=False,
    awaited=True,
    placeholder=_empty_assignment,
)

CLUSTER = ResourceType(
    url="type.googleapis.com/envoy.config.cluster.v3.Cluster",
    service="envoy.service.cluster.v3.ClusterDiscoveryService",
    stream_method="StreamClusters",
    delta_method="DeltaClusters",
    fetch_method="FetchClusters",
    fetch_path="/v3/discovery:clusters",
    legacy_wildcard=True,
    full_state=True,
    required_type=ENDPOINT.url,
)

TYPES = (CLUSTER, ENDPOINT)
"""The types of this product in push order: what is required comes after what requires it (make before break).

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#eventual-consistency-considerations
"""
