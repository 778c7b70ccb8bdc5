"""What the server tells the outside about its streams, for logs, metrics and status; it does not log itself."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from xds.node import Node
from xds.refusal import Refused


class ObservedStream(Protocol):
    """A stream as its observer sees it. The same object from `opened` to `closed`, hashable by identity."""

    @property
    def id(self) -> int:
        """A number no other stream of this process has or had."""

    @property
    def node(self) -> Node | None:
        """Who is on the other end; None until its first request."""

    @property
    def peer(self) -> str:
        """The network address of the client, as gRPC writes it."""

    @property
    def transport(self) -> str:
        """`sotw` or `delta`."""

    @property
    def aggregated(self) -> bool:
        """Whether the stream carries all types (ADS)."""


class StreamObserver:
    """Is told what happens. Called on the event loop: must neither block nor raise.

    A class and no Protocol: most observers want a few of the events, and inherit "does nothing" for the others.
    """

    def opened(self, stream: ObservedStream) -> None:
        """A client opened a stream; its node is not known yet."""

    def identified(self, stream: ObservedStream) -> None:
        """The first request of a stream arrived: from now on `stream.node` is known."""

    def closed(self, stream: ObservedStream) -> None:
        """A stream ended, whoever ended it."""

    def sent(self, stream: ObservedStream, type_url: str, resources: int, size: int) -> None:
        """A response was written: so many resources (removals included), `size` in bytes."""

    def begun(self, waited: float) -> None:
        """The first response with a new generation to a client begins to be written.

        Args:
            waited: seconds from `SnapshotCache.set` until then.
        """

    def acked(self, stream: ObservedStream, type_url: str, version: str, latency: float) -> None:
        """The client accepted a response, `latency` seconds after it was written."""

    def nacked(self, stream: ObservedStream, type_url: str, version: str, message: str) -> None:
        """The client rejected a response and keeps what it has; `message` is the client's, shortened."""

    def settled(self, generation: int, latency: float) -> None:
        """Every stream concerned by the content of a generation has accepted it, or rejected it, or was given up.

        At least one has accepted it.

        Args:
            generation: number of the generation (`SnapshotCache.generation`).
            latency: seconds from `SnapshotCache.set` to the last answer.
        """

    def unanswered(self, stream: ObservedStream, type_url: str) -> None:
        """A response was neither accepted nor rejected in time; the stream goes on without waiting for it."""

    def stalled(self, stream: ObservedStream) -> None:
        """A client did not read for so long that its stream is ended."""

    def slowed(self, stream: ObservedStream) -> None:
        """A client sends more requests than it may, so that they are read later; told once per stream."""

    def unsupported(self, stream: ObservedStream, type_url: str) -> None:
        """A stream asked for a type that is not served; told once per stream and type. It gets no answer."""

    def fetched(self, type_url: str, *, unchanged: bool) -> None:
        """A client that polls was answered, or was told that it has all there is."""

    def refused(self, peer: str, refusal: Refused) -> None:
        """A client at the network address `peer` is told that it will not be served, and why."""

    def failed(self, stream: ObservedStream, error: BaseException) -> None:
        """A bug: serving a stream raised. The stream is ended, so that its client comes back."""


class Observers(StreamObserver):
    """Tells several observers, in this order."""

    def __init__(self, *observers: StreamObserver) -> None:
        self._observers = observers
        # These three are told for every response to every client: only to those who listen.
        self._of_sent = [each.sent for each in observers if type(each).sent is not StreamObserver.sent]
        self._of_begun = [each.begun for each in observers if type(each).begun is not StreamObserver.begun]
        self._of_acked = [each.acked for each in observers if type(each).acked is not StreamObserver.acked]

    def opened(self, stream: ObservedStream) -> None:
        """Tell everybody."""
        for observer in self._observers:
            observer.opened(stream)

    def identified(self, stream: ObservedStream) -> None:
        """Tell everybody."""
        for observer in self._observers:
            observer.identified(stream)

    def closed(self, stream: ObservedStream) -> None:
        """Tell everybody."""
        for observer in self._observers:
            observer.closed(stream)

    def sent(self, stream: ObservedStream, type_url: str, resources: int, size: int) -> None:
        """Tell everybody."""
        for tell in self._of_sent:
            tell(stream, type_url, resources, size)

    def begun(self, waited: float) -> None:
        """Tell everybody."""
        for tell in self._of_begun:
            tell(waited)

    def acked(self, stream: ObservedStream, type_url: str, version: str, latency: float) -> None:
        """Tell everybody."""
        for tell in self._of_acked:
            tell(stream, type_url, version, latency)

    def nacked(self, stream: ObservedStream, type_url: str, version: str, message: str) -> None:
        """Tell everybody."""
        for observer in self._observers:
            observer.nacked(stream, type_url, version, message)

    def settled(self, generation: int, latency: float) -> None:
        """Tell everybody."""
        for observer in self._observers:
            observer.settled(generation, latency)

    def unanswered(self, stream: ObservedStream, type_url: str) -> None:
        """Tell everybody."""
        for observer in self._observers:
            observer.unanswered(stream, type_url)

    def stalled(self, stream: ObservedStream) -> None:
        """Tell everybody."""
        for observer in self._observers:
            observer.stalled(stream)

    def slowed(self, stream: ObservedStream) -> None:
        """Tell everybody."""
        for observer in self._observers:
            observer.slowed(stream)

    def unsupported(self, stream: ObservedStream, type_url: str) -> None:
        """Tell everybody."""
        for observer in self._observers:
            observer.unsupported(stream, type_url)

    def fetched(self, type_url: str, *, unchanged: bool) -> None:
        """Tell everybody."""
        for observer in self._observers:
            observer.fetched(type_url, unchanged=unchanged)

    def refused(self, peer: str, refusal: Refused) -> None:
        """Tell everybody."""
        for observer in self._observers:
            observer.refused(peer, refusal)

    def failed(self, stream: ObservedStream, error: BaseException) -> None:
        """Tell everybody."""
        for observer in self._observers:
            observer.failed(stream, error)


class TypeState(StrEnum):
    """How far a client is with one resource type, as an operator wants to know it."""

    SYNCED = "synced"
    """It accepted all there is."""
    NOT_SENT = "not_sent"
    """Nothing of what it asked for exists, so it was sent nothing."""
    WAITING = "waiting"
    """It waits for us: nothing is served yet, or something is to be sent and was not."""
    STALE = "stale"
    """It was sent something and has not answered."""
    ERROR = "error"
    """It rejected something that is still to be had, and works with what it accepted before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeStatus:
    """What one stream has of one resource type."""

    type_url: str
    names: int | None
    """How many names the client asked for; None for everything (wildcard)."""
    version_sent: str
    """Empty before the first response."""
    version_acked: str
    """Empty before the first ACK."""
    rejection: str | None
    """Why it has not got something that it rejected; None if there is no such, or that is no longer to be had."""
    since: float | None
    """Seconds since the last response; None before the first."""
    state: TypeState = TypeState.NOT_SENT
    rejected: str = ""
    """The resource of which `rejection` is said; empty while it is not known which one it is."""
    acked: float | None = None
    """Seconds since the last ACK; None before the first."""
    unanswered: float | None = None
    """Seconds since the oldest response that it has not answered; None where there is no such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """One open stream, for people."""

    id: int
    node: Node | None
    peer: str
    transport: str
    """`sotw` or `delta`."""
    aggregated: bool
    age: float
    """Seconds since it was opened."""
    types: tuple[TypeStatus, ...]
    view: str = ""
    """Name of what its client may see (`SnapshotCache.name`); empty until its first request."""
    names: tuple[str, ...] = ()
    """The subject alternative names of its client's certificate, which was verified; none without TLS."""

    @property
    def name(self) -> str:
        """What its client is called: its node's id, else its address."""
        return self.node.id if self.node and self.node.id else self.peer

    @property
    def client(self) -> tuple[str, str]:
        """Whose it is, by name and address: an Envoy without ADS has several, over one connection."""
        return self.name, self.peer


@dataclass(frozen=True, slots=True)
class RejectedResource:
    """A resource that a client does not take in the version that is served."""

    name: str
    version: str
    """Of the resource; empty for one that does not exist."""
    message: str
    """What the client says; shortened where it rejects many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeContents:
    """What one stream asks for and rejects of one resource type, by name. Nothing in it changes."""

    type_url: str
    asked: frozenset[str]
    """What the client asked for by name."""
    existing: frozenset[str]
    """All that there is, in its view."""
    wildcard: bool
    """Whether it asked for everything besides."""
    rejected: tuple[RejectedResource, ...]


@dataclass(frozen=True, slots=True)
class StreamContents:
    """One open stream by the names of resources."""

    status: StreamStatus
    types: tuple[TypeContents, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What clients cost at the moment, as far as `Limits` bounds it."""

    places: int = 0
    """Streams and calls that are open or wait for their turn."""
    names: int = 0
    """Names that are asked for and of which there was no resource."""
    in_flight: int = 0
    """Bytes of large responses on their way."""
    left: int = 0
    """Bytes of large responses that were given up and that clients have not let go of."""
    waiting: int = 0
    """Large responses that wait for room."""
