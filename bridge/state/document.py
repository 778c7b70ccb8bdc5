"""What the bridge keeps across a restart, as plain values: taken on the event loop, written and read by `codec`.

A value that could be written and not be read again cannot be built, so that no file is found damaged for what is in it.
"""

import math
from dataclasses import dataclass

from bridge.model import (
    Endpoint,
    EndpointKey,
    InstanceId,
    Scope,
    ServiceName,
    SourceName,
    UpstreamProtocol,
    require_service_name,
)


@dataclass(frozen=True, slots=True)
class KnownEndpoint:
    """An endpoint, and since when (Unix time) its source has reported it.

    Raises:
        ValueError: `since` is no point in time.
    """

    endpoint: Endpoint
    since: float

    def __post_init__(self) -> None:
        _require_time(self.since)


@dataclass(frozen=True, slots=True)
class KnownService:
    """What one scope of a source last said about a service; without endpoints it is there and empty.

    Hand over the same object for as long as nothing in it changes: one that was written before is not encoded again.

    Raises:
        ValueError: no cluster can have the service's name.
    """

    scope: Scope
    service: ServiceName
    endpoints: tuple[KnownEndpoint, ...] = ()
    """In any order; entries that were set aside are not kept."""

    def __post_init__(self) -> None:
        require_service_name(self.service)


@dataclass(frozen=True, slots=True)
class KnownSource:
    """What a source last said.

    Raises:
        ValueError: `read` is no point in time.
    """

    source: SourceName
    services: tuple[KnownService, ...] = ()
    read: float | None = None
    """Unix time when it was last read completely; None for never. What `restore_max_age` goes by."""

    def __post_init__(self) -> None:
        _require_time(self.read)


@dataclass(frozen=True, slots=True)
class Hold:
    """An endpoint that stays although its source no longer reports it.

    Raises:
        ValueError: no cluster can have the service's name, no endpoint can be there, or `since` is no point in time.
    """

    source: SourceName
    scope: Scope
    service: ServiceName
    endpoint: EndpointKey
    instance: InstanceId
    reason: str
    since: float
    """Unix time: the clock of `release_after` goes on across a restart."""

    def __post_init__(self) -> None:
        require_service_name(self.service)
        _require_place(self.endpoint)
        _require_time(self.since)


@dataclass(frozen=True, slots=True)
class RetainedCluster:
    """A cluster that stays, empty, although nobody reports its service any more.

    Raises:
        ValueError: no cluster can have the service's name, or `gone` is no point in time.
    """

    service: ServiceName
    gone: float
    """Unix time when the last source stopped naming it."""

    def __post_init__(self) -> None:
        require_service_name(self.service)
        _require_time(self.gone)


@dataclass(frozen=True, slots=True)
class AgreedProtocol:
    """What the endpoints of a service last agreed to speak.

    Raises:
        ValueError: no cluster can have the service's name.
    """

    service: ServiceName
    protocol: UpstreamProtocol

    def __post_init__(self) -> None:
        require_service_name(self.service)


@dataclass(frozen=True, slots=True)
class Pause:
    """What an operator froze.

    Raises:
        ValueError: `since` is no point in time.
    """

    source: SourceName | None
    """None: everything."""
    since: float
    """Unix time."""
    by: str
    """Who asked for it, for people."""
    frozen: str
    """Where to find what is served meanwhile, such as the name of a file; means nothing to this package."""

    def __post_init__(self) -> None:
        _require_time(self.since)


@dataclass(frozen=True, slots=True)
class Drain:
    """What an operator is draining.

    Raises:
        ValueError: no cluster can have the service's name, no endpoint can be there, or `until` is no point in time.
    """

    target: ServiceName | EndpointKey
    """A whole service, or an address and port in every service."""
    until: float | None
    """Unix time; None for no end."""
    by: str
    """Who asked for it, for people."""

    def __post_init__(self) -> None:
        if isinstance(self.target, EndpointKey):
            _require_place(self.target)
        else:
            require_service_name(self.target)
        _require_time(self.until)


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is kept."""

    sources: tuple[KnownSource, ...] = ()
    holds: tuple[Hold, ...] = ()
    retained: tuple[RetainedCluster, ...] = ()
    protocols: tuple[AgreedProtocol, ...] = ()
    pauses: tuple[Pause, ...] = ()
    drains: tuple[Drain, ...] = ()


def _require_place(key: EndpointKey) -> None:
    Endpoint(key.address, key.port)  # knows the rules


def _require_time(value: float | None) -> None:
    if value is not None and not 0 <= value < math.inf:
        raise ValueError(f"{value} is no point in time")
