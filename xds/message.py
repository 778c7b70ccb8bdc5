"""Requests and responses as values, without protobuf: the language between the streams and the codec.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/discovery/v3/discovery.proto
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from xds.node import Node
from xds.refusal import Reason, Refused
from xds.resource import ResourceType
from xds.snapshot import Snapshot


class InvalidRequest(Refused):
    """A request that cannot be understood; it ends its stream."""

    def __init__(self, message: str, reason: Reason = Reason.INVALID_REQUEST) -> None:
        super().__init__(reason, message)


class ExcessiveRequest(InvalidRequest):
    """A request that asks for more than any client may; one that is wrong in nothing but its size."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Reason.EXCESSIVE_REQUEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A `DiscoveryRequest`: the client restates everything it wants."""

    type_url: str = ""
    names: frozenset[str] = frozenset()
    version: str = ""
    """`version_info`: what the client last accepted, on this stream or on one before."""
    nonce: str = ""
    error: str | None = None
    """Message of `error_detail`. Its presence alone, even empty, makes the request a NACK."""
    node: Node | None = None
    """Given in the first request of a stream; what a client says about itself later is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaRequest:
    """A `DeltaDiscoveryRequest`: the client says how its wishes changed."""

    type_url: str = ""
    subscribe: frozenset[str] = frozenset()
    unsubscribe: frozenset[str] = frozenset()
    initial_versions: Mapping[str, str] = field(default_factory=dict)
    """Version by name of what the client already holds; means something in the first request of a type only."""
    nonce: str = ""
    error: str | None = None
    """Message of `error_detail`. Its presence alone, even empty, makes the request a NACK."""
    node: Node | None = None
    """Given in the first request of a stream; what a client says about itself later is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a stream has decided to send, still unencoded, so that equal responses can be encoded once."""

    type: ResourceType
    nonce: str
    snapshot: Snapshot
    """Where the resources are taken from."""
    names: frozenset[str]
    """Resources to send; one that the snapshot does not have is sent as the type's placeholder."""
    removed: frozenset[str] = frozenset()
    """Names of resources that do not exist (any more). Incremental responses only."""
    incremental: bool = False

    @property
    def version(self) -> str:
        """`version_info` of State of the World, `system_version_info` of Delta."""
        return self.snapshot.version(self.type.url)
