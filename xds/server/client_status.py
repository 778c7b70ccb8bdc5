"""The client status discovery service (CSDS): which Envoy has what, for operators and their tools.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/status/v3/csds.proto
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

import grpc

from xds.admission import Admission
from xds.audience import Audience
from xds.codec.client_status import (
    decode_client_status_request,
    encode_client_config,
    encode_client_status_response,
)
from xds.matcher import any_of
from xds.name import AllowedNames
from xds.observer import StreamObserver
from xds.refusal import Reason, Refused
from xds.server.connection import Context, GrpcConnection, refuse
from xds.server.discovery import Methods
from xds.server.open_calls import OpenCalls
from xds.session import Connection, Disconnected
from xds.standing import Presence, merged

_MOST_STREAMS = 64
"""Open streams of one client."""

_SLICE = 100
"""Streams or clients looked at in a row."""


class ClientStatus:
    """Shows the clients of every stream, to those who may see that.

    Args:
        audience: whose streams are shown.
        allowed: entries of `AllowedNames`; who comes by the unix socket needs none.
        admission: lets streams in; they have a place each, as those of Envoys have.
        observer: is told of calls that are refused.
    """

    def __init__(
        self, audience: Audience, allowed: Sequence[str], admission: Admission, observer: StreamObserver
    ) -> None:
        self._audience = audience
        self._admission = admission
        self._allowed = AllowedNames(allowed)
        self._observer = observer
        self._streams = OpenCalls(_MOST_STREAMS)

    def services(self) -> Mapping[str, Methods]:
        """The methods of the service by its full name."""
        return {
            "envoy.service.status.v3.ClientStatusDiscoveryService": {
                "FetchClientStatus": grpc.unary_unary_rpc_method_handler(self._fetch),
                "StreamClientStatus": grpc.stream_stream_rpc_method_handler(self._stream),
            }
        }

    def close(self) -> None:
        """End every open stream."""
        self._streams.end()

    async def _fetch(self, data: bytes, context: Context) -> bytes:
        try:
            self._admit(GrpcConnection(context))
            return await self._answer(data)
        except Refused as refusal:
            await refuse(context, refusal, self._observer)

    async def _stream(self, _: AsyncIterator[bytes], context: Context) -> None:
        connection = GrpcConnection(context)
        try:
            self._admit(connection)
            async with self._admission.place(connection.client), self._streams.holding(connection.client) as call:
                while (data := await connection.read()) is not None:
                    answer = await self._answer(data)
                    with call.answering():
                        await connection.write(answer)
        except Refused as refusal:
            await refuse(context, refusal, self._observer)
        except Disconnected:
            return

    def _admit(self, connection: Connection) -> None:
        if not (connection.peer.startswith("unix:") or self._allowed.admit(connection.names)):
            message = "the status of clients is shown on the unix socket, and to the certificates that are allowed it"
            raise Refused(Reason.NOT_ALLOWED, message)

    async def _answer(self, data: bytes) -> bytes:
        wanted, now = any_of(decode_client_status_request(data)), time.time()
        found = [presence async for presence in _by_turns(self._audience.presences()) if wanted(presence.node)]
        encoded = [encode_client_config(client, now) async for client in _by_turns(merged(found))]
        return encode_client_status_response(encoded)


async def _by_turns(presences: Iterable[Presence]) -> AsyncIterator[Presence]:
    """The same, with a turn on the event loop for everybody else in between."""
    for count, presence in enumerate(presences, 1):
        yield presence
        if count % _SLICE == 0:
            await asyncio.sleep(0)
