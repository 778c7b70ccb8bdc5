"""The discovery services: one generic handler serves every stream, aggregated or of one type, in both variants."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

import grpc

from xds.audience import AnySession, Audience
from xds.codec import DeltaRequestDecoder, RequestDecoder
from xds.refusal import Reason, Refused
from xds.resource import ResourceType
from xds.server.connection import Context, GrpcConnection, refuse
from xds.session import Connection, Session, Surroundings
from xds.stream import Incremental, StateOfTheWorld, Stream
from xds.subscription import NameSets

Methods = dict[str, "grpc.RpcMethodHandler[bytes, bytes]"]
"""The methods of one service by name."""

_AGGREGATED = "envoy.service.discovery.v3.AggregatedDiscoveryService"


@dataclass(frozen=True, slots=True)
class _Offer:
    """What the streams of one method carry."""

    types: Sequence[ResourceType]
    aggregated: bool = True


_Open = Callable[[_Offer, Connection], AnySession]


class Discovery:
    """The aggregated service and the service of each type.

    Args:
        types: the table of what is served, in push order.
        audience: where open streams are told of changes.
        shared: what sessions share.
    """

    def __init__(self, types: Sequence[ResourceType], audience: Audience, shared: Surroundings) -> None:
        self._types = types
        self._audience = audience
        self._shared = shared
        self._sets = NameSets()
        self._closed = False

    def services(self) -> Mapping[str, Methods]:
        """The methods of each service by its full name."""
        everything = self._methods("StreamAggregatedResources", "DeltaAggregatedResources", _Offer(self._types))
        return {
            _AGGREGATED: everything,
            **{
                kind.service: self._methods(kind.stream_method, kind.delta_method, _Offer((kind,), aggregated=False))
                for kind in self._types
            },
        }

    def close(self) -> None:
        """Refuse every further stream."""
        self._closed = True

    def _methods(self, stream: str, delta: str, offer: _Offer) -> Methods:
        def handler(open_session: _Open) -> "grpc.RpcMethodHandler[bytes, bytes]":
            async def handle(_: AsyncIterator[bytes], context: Context) -> None:
                await self._serve(open_session(offer, GrpcConnection(context)), context)

            # Without serializers the handler gets and gives bytes.
            return grpc.stream_stream_rpc_method_handler(handle)

        return {stream: handler(self._open_sotw), delta: handler(self._open_delta)}

    def _open_sotw(self, offer: _Offer, connection: Connection) -> AnySession:
        stream = Stream(StateOfTheWorld(), offer.types, aggregated=offer.aggregated)
        return Session(self._audience.next_number(), stream, RequestDecoder(self._sets), connection, self._shared)

    def _open_delta(self, offer: _Offer, connection: Connection) -> AnySession:
        stream = Stream(Incremental(self._sets), offer.types, aggregated=offer.aggregated)
        return Session(self._audience.next_number(), stream, DeltaRequestDecoder(self._sets), connection, self._shared)

    async def _serve(self, session: AnySession, context: Context) -> None:
        if self._closed:
            await refuse(context, Refused(Reason.STOPPING, "the server is stopping"), self._shared.observer)
        # Otherwise the first response carries them, and while that is on its way gRPC cannot send a status.
        await context.send_initial_metadata(())
        with self._audience.holding(session):
            await session.run()
        if session.refusal is not None:
            await refuse(context, session.refusal, self._shared.observer)
