"""Where and how the server listens, and what gRPC is told about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from xds.limit import Limits

_PENDING = 100_000
_LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Where and how to listen."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 lets the operating system choose."""
    limits: Limits = field(default_factory=Limits)
    """How much clients may ask of it."""
    allowed_sans: tuple[str, ...] = ()
    """Whose certificate has none of these names is refused (`AllowedNames`); empty: nobody is asked for a name."""
    socket: str = ""
    """Path of a unix socket to listen on as well; none where empty."""
    status_names: Sequence[str] = ()
    """Entries of `AllowedNames`: the certificates that may ask for the status of clients beyond the unix socket."""
    withhold: Callable[[str], str] = str
    """Takes out of a NACK's message what nobody may read: Envoy puts the resource into it that it rejects."""


def channel_arguments(options: ServerOptions) -> list[tuple[str, int]]:
    """https://grpc.github.io/grpc/core/group__grpc__arg__keys.html ."""
    limits = options.limits
    timeout = int(limits.keepalive_timeout * 1000)
    return [
        ("grpc.so_reuseport", 0),  # by default a second process binds the same port silently
        # Above our own limit: gRPC refuses without a word to us, and an Envoy outgrows the limit step by step.
        ("grpc.max_receive_message_length", min(2 * limits.request_size, _LARGEST)),
        ("grpc.max_concurrent_streams", 2**31 - 1),  # without ADS an Envoy opens one stream per cluster
        # By default gRPC drops calls, in silence, once 1,000 have come that we have not looked at yet; we give reasons.
        ("grpc.server.max_pending_requests", _PENDING),
        ("grpc.server.max_pending_requests_hard_limit", _PENDING),
        ("grpc.keepalive_time_ms", int(limits.keepalive_interval * 1000)),
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
