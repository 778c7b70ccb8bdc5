"""The gRPC server: one generic loop serves every stream, aggregated or of one type, in both variants."""

import asyncio
import errno
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import grpc
import grpc.aio

from xds.cache import SnapshotCache
from xds.codec import DeltaRequestDecoder, RequestDecoder
from xds.message import DeltaRequest, Request
from xds.observer import StreamObserver, StreamStatus
from xds.propagation import Propagation
from xds.resource import TYPES, ResourceType
from xds.session import Connection, Disconnected, Session, Surroundings
from xds.stream import Acceptances, Incremental, StateOfTheWorld, Stream
from xds.subscription import NameSets

_AGGREGATED = "envoy.service.discovery.v3.AggregatedDiscoveryService"

_SLICE = 500
"""Streams woken at a time; between two slices everybody else has a turn on the event loop."""

_CHECK_INTERVAL = 1.0


@dataclass(frozen=True, slots=True)
class _Offer:
    """What the streams of one method carry."""

    types: Sequence[ResourceType]
    aggregated: bool = True


_Context = grpc.aio.ServicerContext[bytes, bytes]
_Methods = dict[str, "grpc.RpcMethodHandler[bytes, bytes]"]
_Open = Callable[[_Offer, Connection], Session[Request] | Session[DeltaRequest]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Where and how to listen. Times are seconds."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 lets the operating system choose."""
    keepalive_interval: float = 7.0
    """An idle connection is probed this often..."""
    keepalive_timeout: float = 4.0
    """...and closed when a probe is not answered within this time: a frozen or vanished client."""
    patience: float = 30.0
    """A stream whose client does not read is ended after this time."""
    max_request_size: int = 16 << 20
    """Bytes. A State-of-the-World request restates every name; gRPC's own default of 4 MiB is too small for it."""


class XdsServer:
    """Serves a cache to any number of clients, until stopped.

    Args:
        cache: what to serve; streams stay open and unanswered until it has a snapshot.
        options: where and how to listen.
        observer: is told what happens.
        types: the table of what is served, in push order.
    """

    def __init__(
        self,
        cache: SnapshotCache,
        options: ServerOptions,
        observer: StreamObserver,
        types: Sequence[ResourceType] = TYPES,
    ) -> None:
        self._cache = cache
        self._options = options
        self._types = types
        self._propagation = Propagation()
        self._shared = Surroundings(cache, observer, self._propagation, time.monotonic)
        self._sets = NameSets()
        self._acceptances = Acceptances()
        self._numbers = itertools.count(1)
        self._sessions: dict[int, Session[Request] | Session[DeltaRequest]] = {}
        self._changed = asyncio.Event()
        self._unwatch: Callable[[], None] = lambda: None
        self._server: grpc.aio.Server | None = None
        self._stopping = False

    async def start(self) -> int:
        """Listen, and return the port.

        Raises:
            OSError: the address cannot be listened on.
        """
        options = self._options
        server = grpc.aio.server(options=_channel_arguments(options))
        server.add_generic_rpc_handlers(self._services())
        host = f"[{options.host}]" if ":" in options.host else options.host
        try:
            port = server.add_insecure_port(f"{host}:{options.port}")
        except RuntimeError as error:
            message = f"cannot listen for xDS on {host}:{options.port}; is the port in use?"
            raise OSError(errno.EADDRINUSE, message) from error
        await server.start()
        self._server = server
        self._unwatch = self._cache.watch(self._notice)
        return port

    async def run(self) -> None:
        """Tell the streams of changes and look after them, until cancelled. Without it clients learn of no change."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._rouse_on_changes())
            tasks.create_task(self._check_regularly())

    async def stop(self, grace: float) -> None:
        """Say goodbye to all clients and end their streams; they come back by themselves, to us or to another.

        Args:
            grace: seconds after which what still runs is cut off.
        """
        self._stopping = True
        self._unwatch()
        if self._server:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._server.stop(grace))
                # gRPC would wait for the streams, and these never end by themselves.
                for session in list(self._sessions.values()):
                    session.end()

    def streams(self) -> Sequence[StreamStatus]:
        """Every open stream, oldest first."""
        now = self._shared.clock()
        return [session.status(now) for session in self._sessions.values()]

    def _services(self) -> Sequence[grpc.GenericRpcHandler]:
        methods = {
            _AGGREGATED: self._methods("StreamAggregatedResources", "DeltaAggregatedResources", _Offer(self._types))
        }
        for kind in self._types:
            methods[kind.service] = self._methods(
                kind.stream_method, kind.delta_method, _Offer((kind,), aggregated=False)
            )
        return [grpc.method_handlers_generic_handler(service, handlers) for service, handlers in methods.items()]

    def _methods(self, stream: str, delta: str, offer: _Offer) -> _Methods:
        def handler(open_session: _Open) -> "grpc.RpcMethodHandler[bytes, bytes]":
            async def handle(_: AsyncIterator[bytes], context: _Context) -> None:
                await self._serve(open_session(offer, _GrpcConnection(context)), context)

            # Without serializers the handler gets and gives bytes.
            return grpc.stream_stream_rpc_method_handler(handle)

        return {stream: handler(self._open_sotw), delta: handler(self._open_delta)}

    def _open_sotw(self, offer: _Offer, connection: Connection) -> Session[Request]:
        stream = Stream(StateOfTheWorld(self._acceptances), offer.types, aggregated=offer.aggregated)
        return Session(next(self._numbers), stream, RequestDecoder(self._sets), connection, self._shared)

    def _open_delta(self, offer: _Offer, connection: Connection) -> Session[DeltaRequest]:
        stream = Stream(Incremental(self._sets), offer.types, aggregated=offer.aggregated)
        return Session(next(self._numbers), stream, DeltaRequestDecoder(self._sets), connection, self._shared)

    async def _serve(self, session: Session[Request] | Session[DeltaRequest], context: _Context) -> None:
        if self._stopping:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is stopping")
        self._sessions[session.id] = session
        try:
            with session:
                await session.run()
        finally:
            del self._sessions[session.id]
        if session.refusal is not None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, session.refusal)

    def _notice(self) -> None:
        if generation := self._cache.generation:
            self._propagation.begin(generation.number, self._shared.clock())
        self._changed.set()

    async def _rouse_on_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if generation := self._cache.generation:
                await self._rouse(generation.number)

    async def _rouse(self, generation: int) -> None:
        for count, session in enumerate(list(self._sessions.values()), 1):
            session.rouse(generation)
            if count % _SLICE == 0:
                await asyncio.sleep(0)
        for number, latency in self._propagation.told_all(generation, self._shared.clock()):
            self._shared.observer.settled(number, latency)

    async def _check_regularly(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_INTERVAL)
            now = self._shared.clock()
            for session in list(self._sessions.values()):
                session.check(now, self._options.patience)


class _GrpcConnection:
    """One RPC of grpc.aio as a `Connection`."""

    def __init__(self, context: _Context) -> None:
        self._context = context

    @property
    def peer(self) -> str:
        return self._context.peer()

    async def read(self) -> bytes | None:
        message: object = await self._context.read()
        return message if isinstance(message, bytes) else None  # EOF is an object of its own

    async def write(self, message: bytes) -> None:
        try:
            await self._context.write(message)
        except grpc.aio.BaseError as error:
            raise Disconnected from error


def _channel_arguments(options: ServerOptions) -> list[tuple[str, int]]:
    """https://grpc.github.io/grpc/core/group__grpc__arg__keys.html ."""
    timeout = int(options.keepalive_timeout * 1000)
    return [
        ("grpc.so_reuseport", 0),  # by default a second process binds the same port silently
        ("grpc.max_receive_message_length", options.max_request_size),
        ("grpc.max_concurrent_streams", 2**31 - 1),  # without ADS an Envoy opens one stream per cluster
        ("grpc.keepalive_time_ms", int(options.keepalive_interval * 1000)),
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
