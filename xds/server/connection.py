"""One RPC of grpc.aio as the sessions see it, and how it is refused."""

import asyncio
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import NoReturn

import grpc
import grpc.aio

from xds.in_flight import SMALL
from xds.name import certificate_names
from xds.observer import StreamObserver
from xds.refusal import Reason, Refused
from xds.session import Disconnected

Context = grpc.aio.ServicerContext[bytes, bytes]

STATUS: Mapping[Reason, grpc.StatusCode] = MappingProxyType(
    {
        Reason.INVALID_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
        Reason.EXCESSIVE_REQUEST: grpc.StatusCode.RESOURCE_EXHAUSTED,
        Reason.STREAMS: grpc.StatusCode.RESOURCE_EXHAUSTED,
        Reason.STREAMS_PER_CLIENT: grpc.StatusCode.RESOURCE_EXHAUSTED,
        Reason.ACCEPT_RATE: grpc.StatusCode.RESOURCE_EXHAUSTED,
        Reason.REQUEST_SIZE: grpc.StatusCode.RESOURCE_EXHAUSTED,
        Reason.NO_VIEW: grpc.StatusCode.PERMISSION_DENIED,
        Reason.NAME_NOT_ALLOWED: grpc.StatusCode.PERMISSION_DENIED,
        Reason.NOT_ALLOWED: grpc.StatusCode.PERMISSION_DENIED,
        Reason.NOT_READY: grpc.StatusCode.UNAVAILABLE,
        Reason.STOPPING: grpc.StatusCode.UNAVAILABLE,
        Reason.UNREAD: grpc.StatusCode.RESOURCE_EXHAUSTED,
        Reason.TOO_MANY: grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
"""https://grpc.io/docs/guides/status-codes ."""


class GrpcConnection:
    """One RPC of grpc.aio as a `Connection`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.unsent = False
        """Whether gRPC holds a message that the client has not taken."""
        self.left: asyncio.Future[None] | None = None
        """Done when gRPC lets go of that message; None where that is a small one."""

    @property
    def peer(self) -> str:
        """Network address of the client, such as `ipv4:127.0.0.1:40000`."""
        return self._context.peer()

    @property
    def client(self) -> str:
        """Whom it counts for: what the certificate says first, else the host; a unix socket is one client."""
        if names := self.names:
            return names[0]
        kind, _, address = self.peer.partition(":")
        return kind if kind.startswith("unix") else address.rpartition(":")[0]

    @cached_property  # for whoever looks at all streams: gRPC makes it of the certificate anew each time
    def names(self) -> tuple[str, ...]:
        """Subject alternative names of the client's certificate, which gRPC has verified; none without TLS."""
        return verified_names(self._context)

    async def read(self) -> bytes | None:
        """The next message; None when the client has said its last."""
        message: object = await self._context.read()
        return message if isinstance(message, bytes) else None  # EOF is an object of its own

    async def write(self, message: bytes) -> None:
        """Return when gRPC has taken the message.

        Raises:
            Disconnected: it never will.
        """
        self.unsent = True
        try:
            await (self._context.write(message) if len(message) <= SMALL else self._write_large(message))
        except grpc.aio.BaseError as error:
            self.unsent = False
            raise Disconnected from error
        self.unsent = False

    async def _write_large(self, message: bytes) -> None:
        # In a task of its own, in no group: it outlives a writer that gives up, and ends when gRPC has let go of the
        # message, which is when the connection ends at the latest.
        writing = self.left = asyncio.ensure_future(self._context.write(message))
        writing.add_done_callback(_look_at)
        await asyncio.shield(writing)
        self.left = None


def _look_at(ended: asyncio.Future[None]) -> None:
    """An error is of no interest to anybody once the writer has given up."""
    if not ended.cancelled():
        ended.exception()


def verified_names(context: Context) -> tuple[str, ...]:
    """The DNS names, URIs and IP addresses that a client's certificate is for; none without a verified certificate.

    E-mail addresses are left out: authorities do not always check them, and any text could stand there.
    """
    properties = context.auth_context()
    dns, uris, addresses = (
        [name.decode(errors="replace") for name in properties.get(kind, ())]
        for kind in ("peer_dns", "peer_uri", "peer_ip")
    )
    return certificate_names(dns, uris, addresses)


async def refuse(context: Context, refusal: Refused, observer: StreamObserver) -> NoReturn:
    """End an RPC with the status that belongs to a refusal, and say so."""
    observer.refused(context.peer(), refusal)
    await context.abort(STATUS[refusal.reason], str(refusal))
