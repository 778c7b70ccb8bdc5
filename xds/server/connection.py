"""One RPC of grpc.aio as the sessions see it, and how it is refused."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NoReturn

import grpc
import grpc.aio

from xds.observer import StreamObserver
from xds.refusal import Reason, Refused
from xds.session import Disconnected

Context = grpc.aio.ServicerContext[bytes, bytes]

STATUS: Mapping[Reason, grpc.StatusCode] = MappingProxyType(
    {
        Reason.INVALID_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
        Reason.NO_VIEW: grpc.StatusCode.PERMISSION_DENIED,
        Reason.NOT_ALLOWED: grpc.StatusCode.PERMISSION_DENIED,
        Reason.NOT_READY: grpc.StatusCode.UNAVAILABLE,
        Reason.STOPPING: grpc.StatusCode.UNAVAILABLE,
        Reason.TOO_MANY: grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
"""https://grpc.io/docs/guides/status-codes ."""


class GrpcConnection:
    """One RPC of grpc.aio as a `Connection`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def peer(self) -> str:
        """Network address of the client, such as `ipv4:127.0.0.1:40000`."""
        return self._context.peer()

    @property
    def names(self) -> tuple[str, ...]:
        """Subject alternative names of the client's certificate, which gRPC has verified; none without TLS."""
        found = self._context.auth_context().get("x509_subject_alternative_name", ())
        return tuple(name.decode(errors="replace") for name in found)

    async def read(self) -> bytes | None:
        """The next message; None when the client has said its last."""
        message: object = await self._context.read()
        return message if isinstance(message, bytes) else None  # EOF is an object of its own

    async def write(self, message: bytes) -> None:
        """Return when gRPC has taken the message.

        Raises:
            Disconnected: it never will.
        """
        try:
            await self._context.write(message)
        except grpc.aio.BaseError as error:
            raise Disconnected from error


async def refuse(context: Context, refusal: Refused, observer: StreamObserver) -> NoReturn:
    """End an RPC with the status that belongs to a refusal, and say so."""
    observer.refused(context.peer(), refusal)
    await context.abort(STATUS[refusal.reason], str(refusal))
