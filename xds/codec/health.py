"""The messages of `grpc.health.v1`, which have a field each.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

from enum import IntEnum

from xds.codec.wire import VARINT, fields, number_bytes, tag, text


class ServingStatus(IntEnum):
    """`HealthCheckResponse.ServingStatus`."""

    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3
    """In answers of `Watch` alone."""


def decode_health_request(data: bytes) -> str:
    """The service that a `HealthCheckRequest` asks about; empty for the whole server.

    Raises:
        InvalidRequest: it is none.
    """
    return text(dict(fields(data)).get(tag(1), b""))


def encode_health_response(status: ServingStatus) -> bytes:
    """A `HealthCheckResponse`."""
    return bytes((1 << 3 | VARINT,)) + number_bytes(status)
