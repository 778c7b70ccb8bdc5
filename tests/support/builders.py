"""Builders of endpoints and services, so that a test names only what it is about."""

from collections.abc import Iterable

from bridge.diff import Diff
from bridge.merge import ServedEndpoint, Service
from bridge.model import Endpoint, Health, Locality, ServiceName, UpstreamProtocol


def endpoint(
    address: str = "10.0.0.1",
    port: int = 8080,
    *,
    health: Health = Health.HEALTHY,
    weight: int = 1,
    locality: Locality | None = None,
    metadata: dict[str, str] | None = None,
) -> Endpoint:
    """A valid endpoint."""
    return Endpoint(
        address,
        port,
        health=health,
        weight=weight,
        locality=locality or Locality(),
        metadata=tuple(sorted((metadata or {}).items())),
    )


def served(endpoint: Endpoint, *, priority: int = 0) -> ServedEndpoint:
    """An endpoint as the registry serves it."""
    return ServedEndpoint(endpoint, origins=(), priority=priority)


def service(
    name: str, endpoints: Iterable[Endpoint | ServedEndpoint] = (), *, protocol: UpstreamProtocol | None = None
) -> Service:
    """A service as the registry serves it."""
    entries = (one if isinstance(one, ServedEndpoint) else served(one) for one in endpoints)
    ordered = sorted(entries, key=lambda entry: entry.endpoint.key)
    return Service(ServiceName(name), tuple(ordered), protocol)


def appeared(*services: Service) -> Diff[ServiceName, Service]:
    """The diff that adds services."""
    return Diff(added={one.name: one for one in services})


def changed(*services: Service) -> Diff[ServiceName, Service]:
    """The diff that changes services."""
    return Diff(changed={one.name: one for one in services})


def gone(*names: str) -> Diff[ServiceName, Service]:
    """The diff that removes services."""
    return Diff(removed=frozenset(map(ServiceName, names)))
