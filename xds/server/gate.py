"""Who may call at all, by the names in the certificate; asked before anything else is done for a call."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar, cast

import grpc
import grpc.aio

from xds.name import AllowedNames
from xds.observer import StreamObserver
from xds.refusal import Reason, Refused
from xds.server.connection import Context, refuse, verified_names

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

_Handler = grpc.RpcMethodHandler
_Behaviour = Callable[[object, Context], Awaitable[object]]

_QUOTED = 8
"""Names of a client that are quoted to it, and so to the log; a certificate may hold thousands."""


class Gate(grpc.aio.ServerInterceptor):
    """Refuses clients without a name on a list, whichever method they call.

    Calls that come through a unix socket pass: there the rights of the file decide. Behaviours must be coroutines.

    Args:
        allowed: the list.
        observer: is told who was refused.
    """

    def __init__(self, allowed: Iterable[str], observer: StreamObserver) -> None:
        self._allowed = AllowedNames(allowed)
        self._observer = observer

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[_Handler[RequestT, ResponseT] | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "_Handler[RequestT, ResponseT] | None":
        """The handler of a method, behind the gate; None where there is no such method."""
        handler = await continuation(handler_call_details)
        return self._gated(handler) if handler else None

    def _gated(self, handler: "_Handler[RequestT, ResponseT]") -> "_Handler[RequestT, ResponseT]":
        kind = "_".join("stream" if one else "unary" for one in (handler.request_streaming, handler.response_streaming))
        behaviour = cast("_Behaviour", getattr(handler, kind))

        async def handle(requests: object, context: Context) -> object:
            await self._admit(context)
            return await behaviour(requests, context)

        wrap = getattr(grpc, f"{kind}_rpc_method_handler")
        gated: _Handler[RequestT, ResponseT] = wrap(handle, handler.request_deserializer, handler.response_serializer)
        return gated

    async def _admit(self, context: Context) -> None:
        names = verified_names(context)
        if context.peer().startswith("unix:") or self._allowed.admit(names):
            return
        await refuse(context, Refused(Reason.NAME_NOT_ALLOWED, _message(names)), self._observer)


def _message(names: tuple[str, ...]) -> str:
    if not names:
        return (
            "your certificate has no DNS, URI or IP name (SAN) that counts, so none that is allowed here (allowed_sans)"
        )
    more = f" and {len(names) - _QUOTED} more" if len(names) > _QUOTED else ""
    quoted = ", ".join(name[:200] for name in names[:_QUOTED])
    return f"none of the names in your certificate is allowed here (allowed_sans); it has {quoted}{more}"
