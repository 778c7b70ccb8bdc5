"""The values that sources report and the registry keeps: endpoints of services, with Envoy's meaning of each field.

Separate from everything else so that adapters and the domain share words, and nothing but words.
"""

import ipaddress
import unicodedata
from dataclasses import dataclass
from enum import Enum
from typing import NewType

ServiceName = NewType("ServiceName", str)
SourceName = NewType("SourceName", str)

Scope = NewType("Scope", str)
"""The smallest unit of a source that can fail alone, such as one service of one Consul datacenter."""

InstanceId = NewType("InstanceId", str)
"""The source's own, stable name of the thing behind an endpoint; never built from its address."""

MAX_WEIGHT = 128
"""Envoy accepts more, but its own documentation and the tag grammar stop here."""

MAX_SERVICE_NAME = 255
"""A cluster's name is part of each of its statistics' names in Envoy; longer ones are mistakes or malice."""


class Health(Enum):
    """Health of an endpoint, with the meaning of Envoy's `core.v3.HealthStatus`."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"
    UNKNOWN = "unknown"


class UpstreamProtocol(Enum):
    """What an endpoint says it speaks (label `xds-protocol`); decides a cluster's upstream protocol options."""

    HTTP1 = "http1"
    HTTP2 = "http2"
    GRPC = "grpc"
    TCP = "tcp"


@dataclass(frozen=True, slots=True, order=True)
class Locality:
    """Where an endpoint runs, with Envoy's meaning (`core.v3.Locality`); an empty string is "not known"."""

    region: str = ""
    zone: str = ""
    sub_zone: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address and port that serves a service. Identity is (address, port).

    An invalid one cannot be built: what a source reports wrongly becomes a `SetAside` instead.

    Raises:
        ValueError: the address is not a canonical IP (see `canonical_address`), or a field is out of its range;
            the message is the reason shown to the user.
    """

    address: str
    port: int
    health: Health = Health.HEALTHY
    weight: int = 1
    locality: Locality = Locality()
    metadata: tuple[tuple[str, str], ...] = ()
    """Becomes `envoy.lb` metadata; sorted by key, without duplicates, only values that are stable."""
    instance: InstanceId = InstanceId("")
    protocol: UpstreamProtocol | None = None

    def __post_init__(self) -> None:
        if self.address != canonical_address(self.address):
            raise ValueError(f"address {self.address!r} is not in its canonical form")
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not between 1 and 65535")
        if not 1 <= self.weight <= MAX_WEIGHT:
            raise ValueError(f"weight {self.weight} is not between 1 and {MAX_WEIGHT}")
        if list(self.metadata) != sorted(dict(self.metadata).items()):
            raise ValueError("metadata is not sorted by key, or has a key twice")
        locality = (self.locality.region, self.locality.zone, self.locality.sub_zone)
        for text in (*locality, *(part for pair in self.metadata for part in pair)):
            require_printable(text)

    @property
    def key(self) -> "EndpointKey":
        """What makes it this endpoint and no other within a service."""
        return EndpointKey(self.address, self.port)


@dataclass(frozen=True, slots=True, order=True)
class EndpointKey:
    """Identity of an endpoint within a service."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class SetAside:
    """Something a source reported that cannot be an endpoint, kept so that its owner can be told why."""

    instance: InstanceId
    reported: str
    """The address and port as the source gave them, for people; may be anything."""
    reason: str


Entry = Endpoint | SetAside
"""What a source reports of a service: an endpoint that can be served, or one set aside with its reason."""


def canonical_address(text: str) -> str:
    """The one spelling of an IP address that Envoy and we compare by (`fd00:0::6` becomes `fd00::6`).

    Raises:
        ValueError: it is no IP address, as EDS needs one (`core.v3.SocketAddress`), or names an interface: `fe80::1%e0`
            means something else on every machine, and an Envoy without that interface refuses the whole response.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"address {text[:100]!r} is not an IP address; EDS takes IP addresses only") from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise ValueError(f"address {text[:100]!r} names an interface, which other machines do not have")
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
    return str(address)


def require_service_name(name: str) -> None:
    """Refuse what cannot name a cluster.

    Raises:
        ValueError: it is empty, longer than 255 characters, or holds a control character.
    """
    if not 1 <= len(name) <= MAX_SERVICE_NAME:
        raise ValueError(f"service name {name[:100]!r} does not have 1 to {MAX_SERVICE_NAME} characters")
    require_printable(name)


def require_printable(text: str) -> None:
    """Refuse text that would break a log line, a metric label or Envoy's UTF-8 check.

    Raises:
        ValueError: it holds a control character or a lone surrogate.
    """
    if text.isascii() and text.isprintable():
        return
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise ValueError(f"{text[:100]!r} holds the control character {character!r}")
