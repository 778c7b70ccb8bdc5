"""One open RPC: a reader that feeds the stream, and the only writer, which asks it what to send next."""

import asyncio
from collections.abc import Generator
from dataclasses import replace
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from xds.bucket import Bucket, price
from xds.cache import SnapshotCache
from xds.in_flight import SMALL
from xds.message import DeltaRequest, Request, Response
from xds.node import Client, Node
from xds.observer import StreamContents, StreamStatus
from xds.refusal import Reason, Refused
from xds.snapshot import Snapshot
from xds.standing import Presence, Receiver
from xds.stream import Acknowledgement, Stream, Unsupported
from xds.surroundings import Surroundings

_BURST = 20.0
"""Seconds' worth of requests that may come at once: an Envoy with 1,000 clusters may ask for each of them by itself."""

_KEPT_METADATA = 4096
"""Characters of metadata that are remembered of a client, to ask again what it may see."""

RequestT = TypeVar("RequestT", Request, DeltaRequest)
RequestT_co = TypeVar("RequestT_co", Request, DeltaRequest, covariant=True)


class Disconnected(Exception):  # noqa: N818 (an event in the life of a connection, not an error of ours)
    """The client is gone; nothing can be written any more."""


class Connection(Protocol):
    """The two directions of one RPC, in encoded messages."""

    @property
    def peer(self) -> str:
        """Network address of the client."""

    @property
    def client(self) -> str:
        """Whom it counts for, where what one client may ask of us is counted."""

    @property
    def names(self) -> tuple[str, ...]:
        """Subject alternative names of the client's verified certificate; none without TLS."""

    @property
    def left(self) -> asyncio.Future[None] | None:
        """Done when the transport lets go of a large message that it has not taken; None while there is none."""

    async def read(self) -> bytes | None:
        """The next message; None when the client has said its last."""

    async def write(self, message: bytes) -> None:
        """Return when the transport has taken the message.

        Raises:
            Disconnected: it never will.
        """


class Decoder(Protocol[RequestT_co]):
    """Reads the requests of one stream."""

    @property
    def fields(self) -> int:
        """How many fields were read of the last request."""

    def reading(self, data: bytes) -> Generator[None, None, RequestT_co]:
        """Read the request encoded in `data`, with a pause wherever others may have a turn.

        Raises:
            InvalidRequest: there is none.
        """


class Session(Generic[RequestT]):
    """Serves one stream for as long as it is open, within `with`, which reports its beginning and end.

    Args:
        number: no other session of the process has it.
        stream: the state and rules of the stream.
        decoder: reads its requests.
        connection: reads and writes its messages.
        surroundings: what it shares with other sessions.
    """

    def __init__(
        self,
        number: int,
        stream: Stream[RequestT],
        decoder: Decoder[RequestT],
        connection: Connection,
        surroundings: Surroundings,
    ) -> None:
        self.id = number
        self.node: Node | None = None
        self.peer = connection.peer
        self.refusal: Refused | None = None
        """Why the stream was ended, where the client is to blame."""
        self.heard = surroundings.clock()
        """When the last request came, or the stream."""
        self.introduced: Client | None = None
        """As whom the client was introduced; None before that, and of one that says too much of itself to be kept."""
        self._cache: SnapshotCache | None = None
        """What this client may see; known from its first request on."""
        self._stream: Stream[RequestT] = stream
        self._decoder: Decoder[RequestT] = decoder
        self._connection = connection
        self._shared = surroundings
        self._opened = surroundings.clock()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        rate = surroundings.limits.request_rate
        self._pace = Bucket(rate, _BURST * rate, self._opened)
        self._slowed = self._ended = False
        self._finished = False
        """Whether nothing more is read: the client has said its last, or what it said is refused."""
        self._writing_since: float | None = None
        # When a generation became current of which this client has been written nothing yet; None if there is none.
        self._due_since: float | None = None
        self._client = connection.client
        self._accounted = 0
        """The revision of the stream whose names the ledger has."""
        self._claims = False
        """Whether some of them are kept until the first answer only."""

    @property
    def transport(self) -> str:
        """`sotw` or `delta`."""
        return self._stream.transport

    @property
    def stuck_since(self) -> float | None:
        """When the response was handed out that the client has not taken; None where there is no such."""
        return self._writing_since

    @property
    def aggregated(self) -> bool:
        """Whether the stream carries all types (ADS)."""
        return self._stream.aggregated

    def __enter__(self) -> None:
        self._shared.window.opened()
        self._shared.observer.opened(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, Exception):
            self._shared.observer.failed(self, error)
        self._report_settled(self._shared.propagation.gone(self.id, self._shared.clock()))
        self._shared.ledger.release(self.id, self._client)
        self._shared.observer.closed(self)

    async def run(self) -> None:
        """Serve until the client or we end it. An exception is a bug; it ends both directions, never only one."""
        if self._ended:
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = [tasks.create_task(self._read()), tasks.create_task(self._write())]
        finally:
            self._tasks = []  # they lead to their errors, these to frames, and those to us and to what was to be sent

    def end(self) -> None:
        """Let `run` return soon, whatever the client does."""
        self._ended = True
        for task in self._tasks:
            task.cancel()

    def rouse(self, generation: int, since: float) -> None:
        """Have the writer look at a new generation, current since then, if it concerns this stream."""
        if self._cache is None:
            return
        if self._stream.due(self._cache):
            self._shared.propagation.expect(generation, self.id)
            self._due_since = self._due_since or since
            self._wake.set()
        elif self._stream.unanswered:
            self._shared.propagation.expect(generation, self.id)

    def check(self, now: float, patience: float) -> None:
        """Go on without answers that are overdue; end a stream whose client has not read for `patience` seconds."""
        if overdue := self._stream.expire(now):
            for type_url in overdue:
                self._shared.observer.unanswered(self, type_url)
            self._report_settled(self._shared.propagation.gone(self.id, now))
            self._wake.set()
        if self._writing_since is not None and now - self._writing_since > patience:
            self._give_up()

    def reconsider(self) -> None:
        """Ask again what the client may see, and end the stream if that is another view: it comes back, and gets it."""
        if self._cache is None:
            return
        try:
            stays = self.introduced is not None and self._shared.views.view(self.introduced) is self._cache
        except Refused as refusal:
            self.refusal, stays = refusal, False
        if not stays:
            self.end()

    def status(self, now: float) -> StreamStatus:
        """What there is to say about this stream."""
        return StreamStatus(
            id=self.id,
            node=self.node,
            peer=self.peer,
            transport=self.transport,
            aggregated=self.aggregated,
            age=now - self._opened,
            types=self._stream.status(self._cache, now),
            view=self._cache.name if self._cache else "",
            names=self._connection.names,
        )

    def contents(self, now: float) -> StreamContents:
        """The same, and what its client asks for and rejects by name."""
        return StreamContents(self.status(now), self._stream.contents(self._cache))

    def presence(self, now: float) -> Presence | None:
        """Who is there and how far; None before the first request says who it is."""
        if self.node is None:
            return None
        return Presence(self.node, self.peer, self._stream.standings(self._cache, now))

    def receiver(self, name: str) -> Receiver:
        """How far the client is with what is called so."""
        view = self._cache.name if self._cache else ""
        return Receiver(node=self.node, peer=self.peer, view=view, receipts=self._stream.receipts(self._cache, name))

    async def _read(self) -> None:
        try:
            while (data := await self._connection.read()) is not None:
                size = len(data)
                self._check_size(size)
                reading = self._decoder.reading(data)
                try:  # nearly all requests are one portion, and are not worth another coroutine
                    next(reading)
                except StopIteration as end:
                    self._receive(end.value)
                else:
                    self._receive(await self._shared.desk.read(self._client, reading))
                del data  # or an idle stream keeps its last request, with every name in it, and 61 KB of node
                if delay := self._pace.take(self._shared.clock(), price(self._decoder.fields, size)):
                    await self._slow_down(delay)
        except Refused as refusal:
            self.refusal = refusal
        self._finished = True  # what is being written comes before the end, and before the status that tells why
        if self._writing_since is None:
            self.end()

    async def _slow_down(self, delay: float) -> None:
        """Read the next request later. Flow control makes the client wait, and it alone."""
        if not self._slowed:
            self._slowed = True
            self._shared.observer.slowed(self)
        await asyncio.sleep(delay)

    def _check_size(self, size: int) -> None:
        if size > (most := self._shared.limits.request_size):
            message = f"a request of {size} bytes is larger than {most} bytes (limits.request_size)"
            raise Refused(Reason.REQUEST_SIZE, message)

    def _receive(self, request: RequestT) -> None:
        now = self.heard = self._shared.clock()
        cache = self._cache or self._introduce(request.node or Node())
        match self._stream.receive(request, now):
            case Acknowledgement() as verdict:
                self._report(verdict)
            case Unsupported(type_url):
                self._shared.observer.unsupported(self, type_url)
        if self._stream.revision != self._accounted:
            self._account(cache)
        if self._stream.due(cache):
            self._wake.set()
        elif not self._stream.unanswered:
            self._report_settled(self._shared.propagation.answered(self.id, now))

    def _account(self, cache: SnapshotCache) -> None:
        """Have the names counted that are kept for the client."""
        self._accounted, self._claims = self._stream.revision, self._stream.claims
        snapshot = cache.snapshot or Snapshot()
        names = ((names, snapshot.names(url)) for url, names in self._stream.names())
        self._shared.ledger.hold(self.id, self._client, names)

    def _introduce(self, node: Node) -> SnapshotCache:
        """Choose what the client may see, for as long as nobody changes the views, by what it said first of itself."""
        self.node = replace(node, metadata=())  # of no use to anybody who shows it
        self._shared.observer.identified(self)
        client = Client(node, self.peer, self._connection.names)
        self._cache = self._shared.views.view(client)
        if sum(len(key) + len(value) for key, value in node.metadata) <= _KEPT_METADATA:
            self.introduced = client
        return self._cache

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._write_all()
                self._due_since = None
        except Disconnected:
            self.end()
        except Refused as refusal:
            self.refusal = refusal
            self.end()

    async def _write_all(self) -> None:
        """Write until there is nothing left that may be sent."""
        while self._cache and not self._ended and await self._write_next(self._cache):
            pass  # once ended, a write would be cut off where it begins, and pass for one that the client does not take

    async def _write_next(self, cache: SnapshotCache) -> bool:
        """Write a response, which is computed when it can be written; False when there is none."""
        shared = self._shared
        try:
            if turn := shared.window.ask(self.id):
                await turn
            if response := self._stream.next(cache, shared.clock()):
                size = await self._send(cache, response)
                resources = len(response.names) + len(response.removed)
                shared.observer.sent(self, response.type.url, resources, size)
                if self._claims:
                    self._account(cache)
            return response is not None
        finally:
            shared.window.leave(self.id)

    async def _send(self, cache: SnapshotCache, response: Response) -> int:
        """Write a response, a large one when there is room for it; returns its size in bytes."""
        message = cache.encode(response)
        size = len(message)
        if size <= SMALL:
            await self._put(message)
        else:
            del message  # whoever waits for room holds no bytes: nobody would count them
            self._shared.window.leave(self.id)  # nor a turn, which small ones need: room keeps the large ones few
            async with self._shared.in_flight.room(self.id, size, self._give_up):
                if self.peer.startswith("unix:"):  # nobody can be hung up on there
                    self._shared.in_flight.require_read(self._client)
                try:
                    await self._put(cache.encode(response))
                finally:
                    if left := self._connection.left:
                        self._shared.in_flight.leave(self._client, size, left)
        return size

    async def _put(self, message: bytes) -> None:
        self._writing_since = self._shared.clock()
        if self._due_since is not None:
            self._shared.observer.begun(self._writing_since - self._due_since)
            self._due_since = None
        await self._connection.write(message)
        self._writing_since = None
        if self._finished:
            self.end()

    def _give_up(self) -> None:
        if self._ended:  # two ways lead here, and a busy machine takes its time to end a stream
            return
        self._shared.observer.stalled(self)
        self.end()

    def _report(self, verdict: Acknowledgement) -> None:
        if verdict.error is None:
            self._shared.observer.acked(self, verdict.type_url, verdict.version, verdict.latency)
        else:
            self._shared.observer.nacked(self, verdict.type_url, verdict.version, verdict.error)
            self._report_settled(self._shared.propagation.rejected(verdict.generation, self.id, self._shared.clock()))

    def _report_settled(self, settled: list[tuple[int, float]]) -> None:
        for generation, latency in settled:
            self._shared.observer.settled(generation, latency)
