"""Where and how the server listens, and what gRPC is told about it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Where and how to listen. Times are seconds."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 lets the operating system choose."""
    socket: str = ""
    """Path of a unix socket to listen on as well; none where empty."""
    status_names: Sequence[str] = ()
    """Patterns (`xds.names`) of the certificates that may ask for the status of clients beyond the unix socket."""
    keepalive_interval: float = 7.0
    """An idle connection is probed this often..."""
    keepalive_timeout: float = 4.0
    """...and closed when a probe is not answered within this time: a frozen or vanished client."""
    patience: float = 30.0
    """A stream whose client does not read is ended after this time."""
    max_request_size: int = 16 << 20
    """Bytes. A State-of-the-World request restates every name; gRPC's own default of 4 MiB is too small for it."""


def channel_arguments(options: ServerOptions) -> list[tuple[str, int]]:
    """https://grpc.github.io/grpc/core/group__grpc__arg__keys.html ."""
    timeout = int(options.keepalive_timeout * 1000)
    return [
        ("grpc.so_reuseport", 0),  # by default a second process binds the same port silently
        ("grpc.max_receive_message_length", options.max_request_size),
        ("grpc.max_concurrent_streams", 2**31 - 1),  # without ADS an Envoy opens one stream per cluster
        ("grpc.keepalive_time_ms", int(options.keepalive_interval * 1000)),
        ("grpc.keepalive_timeout_ms", timeout),
        ("grpc.http2.ping_timeout_ms", timeout),  # the one that closes the connection of a client that froze
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # Envoys may send keepalive probes of their own; by default the server hangs up on frequent ones.
        ("grpc.http2.min_ping_interval_without_data_ms", 1000),
        ("grpc.http2.max_ping_strikes", 0),
        # Requests are small: without a growing window a flooding client cannot make us buffer megabytes.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", 64 << 10),
    ]
