"""The discovery services: one generic handler serves every stream, aggregated or of one type, in both variants."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

import grpc

from xds.admission import Admission
from xds.audience import AnySession, Audience
from xds.codec import DeltaRequestDecoder, RequestDecoder
from xds.refusal import Refused
from xds.resource import ResourceType
from xds.server.connection import Context, GrpcConnection, refuse
from xds.server.line import Lines
from xds.session import Connection, Session
from xds.stream import Acceptances, Incremental, StateOfTheWorld, Stream
from xds.subscription import NameSets
from xds.surroundings import Surroundings

Methods = dict[str, "grpc.RpcMethodHandler[bytes, bytes]"]
"""The methods of one service by name."""

_FAREWELL = 1.0
"""Seconds for gRPC to notice that a connection was shut down; it takes a millisecond."""

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
        admission: lets streams in.
        withhold: takes out of the messages of NACKs what nobody may read.
    """

    def __init__(
        self,
        types: Sequence[ResourceType],
        audience: Audience,
        shared: Surroundings,
        admission: Admission,
        withhold: Callable[[str], str],
    ) -> None:
        self._types = types
        self._audience = audience
        self._shared = shared
        self._sets = NameSets()
        self._acceptances = Acceptances()
        self._admission = admission
        self._withhold = withhold
        self._lines = Lines()
        self._closed = False
        self._calls = 0
        self._over = asyncio.Event()

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
        """Refuse every further stream, and those that wait for their turn."""
        self._closed = True
        self._admission.close()
        self._lines.close()
        self._look_over()

    async def over(self) -> None:
        """Return when gRPC is done with every stream; after `close`.

        A client that takes nothing any more may never get its status, and can put this off: who waits sets a limit.
        """
        await self._over.wait()

    def _begin(self, context: Context) -> None:
        self._calls += 1
        context.add_done_callback(self._end)  # type: ignore[arg-type]  # the stubs have a class that gRPC has not

    def _end(self, _: Context) -> None:
        self._calls -= 1
        self._look_over()

    def _look_over(self) -> None:
        if self._closed and not self._calls:
            self._over.set()

    def _methods(self, stream: str, delta: str, offer: _Offer) -> Methods:
        def handler(open_session: _Open) -> "grpc.RpcMethodHandler[bytes, bytes]":
            async def handle(_: AsyncIterator[bytes], context: Context) -> None:
                self._begin(context)
                connection = GrpcConnection(context)
                try:
                    await self._serve(open_session(offer, connection), connection)
                except Refused as refusal:
                    await refuse(context, refusal, self._shared.observer)

            # Without serializers the handler gets and gives bytes.
            return grpc.stream_stream_rpc_method_handler(handle)

        return {stream: handler(self._open_sotw), delta: handler(self._open_delta)}

    def _open_sotw(self, offer: _Offer, connection: Connection) -> AnySession:
        stream = Stream(
            StateOfTheWorld(self._acceptances), offer.types, aggregated=offer.aggregated, withhold=self._withhold
        )
        return Session(self._audience.next_number(), stream, RequestDecoder(self._sets), connection, self._shared)

    def _open_delta(self, offer: _Offer, connection: Connection) -> AnySession:
        stream = Stream(Incremental(self._sets), offer.types, aggregated=offer.aggregated, withhold=self._withhold)
        return Session(self._audience.next_number(), stream, DeltaRequestDecoder(self._sets), connection, self._shared)

    async def _serve(self, session: AnySession, connection: GrpcConnection) -> None:
        async with self._admission.place(connection.client):
            with self._audience.holding(session):
                await session.run()
            if connection.unsent and not self._closed and not self._serves_others(session, connection):
                await self._hang_up(session)
                return
        if session.refusal is not None:
            raise session.refusal

    def _serves_others(self, session: AnySession, connection: GrpcConnection) -> bool:
        """Whether the connection is in use for other streams: then this one ends alone, and its message is counted."""
        since = session.stuck_since
        return (
            since is not None
            and connection.left is not None
            and not self._shared.in_flight.overdrawn(connection.client)
            and self._audience.heard_from(session.peer, since)
        )

    async def _hang_up(self, session: AnySession) -> None:
        """Be rid of a client whose status would wait behind a message that it does not take."""
        if session.refusal is not None:
            self._shared.observer.refused(session.peer, session.refusal)
        await self._lines.hang_up(session.peer)
        await asyncio.sleep(_FAREWELL)  # cancelled as soon as gRPC notices
