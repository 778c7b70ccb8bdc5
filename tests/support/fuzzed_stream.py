"""A stream that is fed whatever bytes, as a session feeds it, with what must hold after every one of them."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from random import Random
from typing import Generic

from envoy_data_plane.envoy.service.discovery.v3 import DeltaDiscoveryRequest, DiscoveryRequest

from support.model_envoy import ModelEnvoy
from support.mutation import mutated, with_text
from support.protobuf_fields import parse
from xds import CLUSTER, ENDPOINT, TYPES, Resource, ResourceType, Snapshot, SnapshotCache
from xds.codec import DeltaRequestDecoder, RequestDecoder
from xds.codec.request import at_once
from xds.message import DeltaRequest, InvalidRequest, Request, Response
from xds.session import Decoder
from xds.stream import Incremental, StateOfTheWorld, Stream
from xds.stream.channel import _MAX_PENDING, Channel
from xds.stream.plan import RequestT
from xds.subscription import LONGEST_NAME, MAX_NAMES, NameSets

EXISTING = frozenset(f"s{number:02}" for number in range(10))
"""What may be served; all that a stream sends or keeps is one of these, or was named by its client."""

_LONG = 8192
"""Bytes from which on envoy-data-plane takes too long to be asked."""


class FuzzedStream(Generic[RequestT]):
    """One stream, opened anew whenever a request has ended it.

    Args:
        cache: what it serves.
        connect: makes the stream and its decoder.
        delta: which variant that is.
    """

    def __init__(
        self, cache: SnapshotCache, connect: Callable[[], tuple[Stream[RequestT], Decoder[RequestT]]], *, delta: bool
    ) -> None:
        self.cache = cache
        self.delta = delta
        self.now = 0.0
        self.refusals: list[str] = []
        self.responses = 0
        self.compared = 0
        """Requests that envoy-data-plane read as well, and alike."""
        self._connect: Callable[[], tuple[Stream[RequestT], Decoder[RequestT]]] = connect
        self._open()

    def _open(self) -> None:
        stream, decoder = self._connect()
        self._stream: Stream[RequestT] = stream
        self._decoder: Decoder[RequestT] = decoder
        self._nonces: dict[str, None] = {}
        self._named: dict[str, set[str]] = defaultdict(set)

    def feed(self, message: bytes, *, answering: bool = False) -> None:
        """Let a request arrive, which may be made to answer the last response, and send what follows from it."""
        if answering and self._nonces:
            message = with_text(message, 6 if self.delta else 5, next(reversed(self._nonces)))
        try:
            request = at_once(self._decoder.reading(message))
            self._compare(message, request)
            self._named[self._type(request).url] |= names_in(request)
            self._stream.receive(request, self.now)
        except InvalidRequest as refusal:
            self._refuse(str(refusal))
        self.send()

    def send(self) -> None:
        """Send all that may be sent now, and check what the stream keeps."""
        for _ in TYPES:
            if (response := self._stream.next(self.cache, self.now)) is not None:
                self._check(response)
        assert self._stream.next(self.cache, self.now) is None, "a client is given one response of a type at a time"
        for channel in self._stream._channels:
            if channel:
                self._check_channel(channel)
        assert len(self._stream._unsupported) <= 16
        assert all(len(url) <= 200 for url in self._stream._unsupported)
        assert len(self._stream.status(self.cache, self.now)) <= len(TYPES)

    def pass_time(self, seconds: float) -> None:
        """Let answers become overdue."""
        self.now += seconds
        self._stream.expire(self.now)
        self.send()

    def _refuse(self, reason: str) -> None:
        assert len(reason) < 2000, "it goes into the status of the RPC, which gRPC limits"
        self.refusals.append(reason)
        self._open()

    def _type(self, request: RequestT) -> ResourceType:
        types: Sequence[ResourceType] = self._stream._types
        return next((kind for kind in types if kind.url == request.type_url), types[0])

    def _compare(self, message: bytes, request: RequestT) -> None:
        expected = read_by_envoy_data_plane(message, delta=self.delta) if len(message) < _LONG else None
        if expected is not None:
            assert essence(request) == expected
            self.compared += 1

    def _check(self, response: Response) -> None:
        self.responses += 1
        allowed = self._named[response.type.url] | EXISTING
        assert response.nonce
        assert response.nonce not in self._nonces
        assert response.names | response.removed <= allowed
        fields = parse(self.cache.encode(response))
        assert fields is not None
        assert sum(field.number == 2 for field in fields) == len(response.names)
        assert sum(field.number == 6 for field in fields if self.delta) == len(response.removed)
        self._nonces[response.nonce] = None

    def _check_channel(self, channel: Channel) -> None:
        allowed = self._named[channel.type.url] | EXISTING
        assert channel.wants.count == len(channel.wants.names) <= MAX_NAMES
        assert channel.wants.names <= self._named[channel.type.url]
        assert len(channel.pending) <= _MAX_PENDING
        for kept in (channel.owed, channel.held.keys(), frozenset(channel.suspects.names)):
            assert kept <= allowed


class Audience:
    """Fuzzed streams of both variants on one cache, and beside them two clients that behave well."""

    def __init__(self, types: Sequence[ResourceType] = TYPES) -> None:
        self.cache = SnapshotCache("control-plane")
        aggregated = len(types) > 1
        sets = NameSets()

        def sotw() -> tuple[Stream[Request], RequestDecoder]:
            return Stream(StateOfTheWorld(), types, aggregated=aggregated), RequestDecoder(sets)

        def delta() -> tuple[Stream[DeltaRequest], DeltaRequestDecoder]:
            return Stream(Incremental(sets), types, aggregated=aggregated), DeltaRequestDecoder(sets)

        self.sotw = FuzzedStream(self.cache, sotw, delta=False)
        self.incremental = FuzzedStream(self.cache, delta, delta=True)
        requires = {name: name for name in EXISTING}
        self._neighbours = [
            ModelEnvoy(self.cache, delta=delta, requires=requires, follows=True) for delta in (False, True)
        ]
        for neighbour in self._neighbours:
            neighbour.want(CLUSTER, (), everything=True)

    def publish(self, contents: Mapping[str, str]) -> None:
        """Serve clusters and assignments of some `EXISTING` names, in these versions."""
        assert contents.keys() <= EXISTING
        clusters = [Resource(name, name.encode(), version, (name,)) for name, version in contents.items()]
        assignments = [replace(each, requires=()) for each in clusters]
        self.cache.set(Snapshot().replace(CLUSTER.url, clusters).replace(ENDPOINT.url, assignments))

    def check_neighbours(self) -> None:
        """Whoever behaves has exactly what there is."""
        for neighbour in self._neighbours:
            neighbour.settle()
            for kind in (CLUSTER, ENDPOINT):
                assert neighbour.held[kind.url] == neighbour.wanted(kind)
            assert neighbour.wishes[ENDPOINT.url].names == neighbour.held[CLUSTER.url].keys()


def conversed(random: Random, audience: Audience, sotw: Sequence[bytes], delta: Sequence[bytes]) -> None:
    """A dozen steps: requests good and bad, changes of what is served, and silence."""
    for _ in range(12):
        step = random.random()
        if step < 0.15:
            names = random.sample(range(5), random.randint(0, 5))
            audience.publish({f"s{name:02}": random.choice(["v1", "v2", "v3"]) for name in names})
        elif step < 0.2:
            audience.sotw.pass_time(6)
            audience.incremental.pass_time(6)
        elif step < 0.6:
            _ask(random, audience.sotw, sotw)
        else:
            _ask(random, audience.incremental, delta)
    audience.publish({"s00": "last", "s03": "v1"})
    audience.sotw.send()
    audience.incremental.send()
    audience.check_neighbours()


def _ask(random: Random, stream: FuzzedStream[Request] | FuzzedStream[DeltaRequest], seeds: Sequence[bytes]) -> None:
    message = random.choice(seeds)
    if random.random() < 0.6:
        message = mutated(random, message)
    stream.feed(message, answering=random.random() < 0.5)


Essence = tuple[str, frozenset[str], frozenset[str], str, str, str | None]
"""Type, names, dropped names, nonce, version, error: what a request says, the node left aside."""


def names_in(request: Request | DeltaRequest) -> set[str]:
    """Every name that a request mentions."""
    if isinstance(request, Request):
        return set(request.names)
    return {*request.subscribe, *request.unsubscribe, *request.initial_versions}


def essence(request: Request | DeltaRequest) -> Essence:
    """What our decoder read."""
    assert all(len(name) <= LONGEST_NAME for name in names_in(request))
    if isinstance(request, Request):
        return (request.type_url, request.names, frozenset(), request.nonce, request.version, request.error)
    return (request.type_url, request.subscribe, request.unsubscribe, request.nonce, "", request.error)


@lru_cache(maxsize=4096)
def read_by_envoy_data_plane(message: bytes, *, delta: bool) -> Essence | None:
    """The same, read by an independent library; None if it cannot read the message."""
    try:
        return _read_delta(message) if delta else _read_sotw(message)
    except Exception:  # noqa: BLE001 (it has no error of its own for this: whatever its parser happens to hit)
        return None


def _read_sotw(message: bytes) -> Essence:
    read = DiscoveryRequest.parse(message)
    names = {*read.resource_names, *(each.name for each in read.resource_locators if not each.dynamic_parameters)}
    error = None if read.error_detail is None else read.error_detail.message
    return read.type_url, frozenset(names), frozenset(), read.response_nonce, read.version_info, error


def _read_delta(message: bytes) -> Essence:
    read = DeltaDiscoveryRequest.parse(message)
    plain, dropped = (
        frozenset(each.name for each in located if not each.dynamic_parameters)
        for located in (read.resource_locators_subscribe, read.resource_locators_unsubscribe)
    )
    error = None if read.error_detail is None else read.error_detail.message
    subscribe = plain.union(read.resource_names_subscribe)
    return read.type_url, subscribe, dropped.union(read.resource_names_unsubscribe), read.response_nonce, "", error
