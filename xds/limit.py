"""How much clients may ask of the server: every number in one place, with its default."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client, and all of them together, may cost. Sizes are bytes, times seconds, rates per second."""

    streams: int = 50_000
    """Open streams in all; each costs some 40 KB."""
    streams_per_client: int = 5_000
    """Open streams of one client: without ADS an Envoy opens one for each cluster."""
    accept_rate: int = 1_000
    """New streams per second. Two seconds' worth may come at once; more wait their turn."""
    request_rate: int = 100
    """Requests per second on one stream. Twenty seconds' worth may come at once; more are read later."""
    names: int = 2_000_000
    """Names that are asked for in all and of which there is no resource; each costs up to 400 bytes."""
    names_per_client: int = 250_000
    """Such names of one client."""
    request_size: int = 16 << 20
    """Of one request. In State of the World it restates every name; gRPC's own default of 4 MiB is too small for it."""
    in_flight: int = 64 << 20
    """Of the large responses that are being written; those that clients are slow to read may take as much again."""
    write_timeout: float = 30.0
    """A client that has not taken a response after this time is hung up on."""
    keepalive_interval: float = 7.0
    """An idle connection is probed this often..."""
    keepalive_timeout: float = 4.0
    """...and closed when a probe is not answered within this time: a frozen or vanished client."""
