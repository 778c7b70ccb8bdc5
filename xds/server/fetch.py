"""The unary methods of the discovery services: one question, one answer."""

from collections.abc import Mapping, Sequence

import grpc

from xds.admission import Admission
from xds.codec import RequestDecoder
from xds.fetch import Unchanged, fetch
from xds.node import Client, Node
from xds.refusal import Refused
from xds.resource import ResourceType
from xds.server.connection import Context, GrpcConnection, refuse
from xds.server.discovery import Methods
from xds.session import Connection
from xds.subscription import NameSets
from xds.surroundings import Surroundings


class Fetch:
    """`FetchClusters`, `FetchEndpoints`: what a stream would be sent first.

    Args:
        types: the table of what is served.
        shared: views, and who is told.
        admission: lets calls in; they have a place each, as streams have.
    """

    def __init__(self, types: Sequence[ResourceType], shared: Surroundings, admission: Admission) -> None:
        self._types = types
        self._shared = shared
        self._admission = admission
        self._sets = NameSets()

    def services(self) -> Mapping[str, Methods]:
        """The methods of each service by its full name."""
        return {kind.service: {kind.fetch_method: self._method(kind)} for kind in self._types}

    def _method(self, kind: ResourceType) -> "grpc.RpcMethodHandler[bytes, bytes]":
        async def handle(data: bytes, context: Context) -> bytes:
            connection = GrpcConnection(context)
            try:
                async with self._admission.place(connection.client):
                    answer = await self._answer(kind, data, connection)
            except Refused as refusal:
                await refuse(context, refusal, self._shared.observer)
            if isinstance(answer, Unchanged):
                # No status says "not modified", and an empty answer would say that everything is gone. This one is not
                # retried, and is a client's affair to every proxy: the condition "unless it is still this version".
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"nothing is newer than {answer.version}")
            return answer

        return grpc.unary_unary_rpc_method_handler(handle)

    async def _answer(self, kind: ResourceType, data: bytes, connection: Connection) -> bytes | Unchanged:
        request = await self._shared.desk.read(connection.client, RequestDecoder(self._sets).reading(data))
        cache = self._shared.views.view(Client(request.node or Node(), connection.peer, connection.names))
        answer = fetch(cache, kind, request)
        self._shared.observer.fetched(kind.url, unchanged=isinstance(answer, Unchanged))
        return answer if isinstance(answer, Unchanged) else cache.encode(answer)
