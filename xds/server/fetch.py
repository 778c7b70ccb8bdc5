"""The unary methods of the discovery services: one question, one answer."""

from collections.abc import Mapping, Sequence

import grpc

from xds.codec import RequestDecoder
from xds.fetch import Unchanged, fetch
from xds.node import Client, Node
from xds.refusal import Refused
from xds.resource import ResourceType
from xds.server.connection import Context, GrpcConnection, refuse
from xds.server.discovery import Methods
from xds.session import Surroundings
from xds.subscription import NameSets


class Fetch:
    """`FetchClusters`, `FetchEndpoints`: what a stream would be sent first.

    Args:
        types: the table of what is served.
        shared: views, and who is told.
    """

    def __init__(self, types: Sequence[ResourceType], shared: Surroundings) -> None:
        self._types = types
        self._shared = shared
        self._sets = NameSets()

    def services(self) -> Mapping[str, Methods]:
        """The methods of each service by its full name."""
        return {kind.service: {kind.fetch_method: self._method(kind)} for kind in self._types}

    def _method(self, kind: ResourceType) -> "grpc.RpcMethodHandler[bytes, bytes]":
        async def handle(data: bytes, context: Context) -> bytes:
            try:
                answer = self._answer(kind, data, context)
            except Refused as refusal:
                await refuse(context, refusal, self._shared.observer)
            if isinstance(answer, Unchanged):
                # No status says "not modified", and an empty answer would say that everything is gone. This one is not
                # retried, and is a client's affair to every proxy: the condition "unless it is still this version".
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"nothing is newer than {answer.version}")
            return answer

        return grpc.unary_unary_rpc_method_handler(handle)

    def _answer(self, kind: ResourceType, data: bytes, context: Context) -> bytes | Unchanged:
        request, connection = RequestDecoder(self._sets).decode(data), GrpcConnection(context)
        cache = self._shared.views.view(Client(request.node or Node(), connection.peer, connection.names))
        answer = fetch(cache, kind, request)
        self._shared.observer.fetched(kind.url, unchanged=isinstance(answer, Unchanged))
        return answer if isinstance(answer, Unchanged) else cache.encode(answer)
