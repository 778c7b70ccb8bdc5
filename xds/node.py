"""Who is on the other end of a stream: as it names itself, and as its certificate proves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Locality:
    """Where a node says that it runs (`core.v3.Locality`); an empty string is "not given"."""

    region: str = ""
    zone: str = ""
    sub_zone: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """The fields of `core.v3.Node` by which operators know their Envoys; an empty string is "not given".

    A convenience and no boundary: nothing proves that a client is who it says it is.
    https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/base.proto#config-core-v3-node
    """

    id: str = ""
    cluster: str = ""
    locality: Locality = Locality()
    metadata: tuple[tuple[str, str], ...] = ()
    """Top-level texts, numbers and switches of its metadata, sorted by key."""


@dataclass(frozen=True, slots=True)
class Client:
    """Everything that is known of a client when it is decided what it may see."""

    node: Node
    peer: str
    """Its network address, as gRPC writes it."""
    names: tuple[str, ...] = ()
    """The subject alternative names of its certificate, which was verified; none without TLS. These are a boundary."""
