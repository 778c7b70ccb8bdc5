"""What a client can make us do grows no faster than what it sends: counted in instructions and names, not seconds."""

import sys
import tracemalloc
from collections.abc import Callable, Collection
from math import isqrt, log2

import pytest

from support.protobuf_fields import Field, encode, text
from support.work import instructions
from xds import ENDPOINT, TYPES, Resource, Snapshot, SnapshotCache
from xds.codec import DeltaRequestDecoder, RequestDecoder
from xds.message import DeltaRequest, ExcessiveRequest, Request, Response
from xds.stream import Incremental, StateOfTheWorld, Stream
from xds.subscription import MAX_NAMES, NameSets

ENTRY = encode([text(1, "name"), text(2, "version")])
SHAPES: dict[str, Callable[[int], list[Field]]] = {
    "names": lambda size: [text(3, f"n{n}") for n in range(size)],
    "names among others": lambda size: [text((3, 15)[n % 2], f"n{n}") for n in range(size)],
    "one name again and again": lambda size: [text(3, "n")] * size,
    "names given up": lambda size: [text(4, f"n{n}") for n in range(size)],
    "versions": lambda size: [text(5, encode([text(1, f"n{n}"), text(2, "v")])) for n in range(size)],
    "locators": lambda size: [text(n % 3 + 7, encode([text(1, f"n{n}")])) for n in range(size)],
    "unknown fields": lambda size: [Field(100 + n, 0, 1) for n in range(size)],
    "a long node": lambda size: [text(1, ENTRY * size), text(2, ENTRY * size)],
}


def cost(message: bytes) -> int:
    decoders = RequestDecoder(NameSets()), DeltaRequestDecoder(NameSets())
    return instructions(lambda: [decoder.decode(message) for decoder in decoders])


@pytest.mark.parametrize("shape", SHAPES)
def test_reading_a_request_costs_by_its_length(shape: str) -> None:
    once, twice = encode(SHAPES[shape](400)), encode(SHAPES[shape](800))

    assert 1.1 * cost(once) < cost(twice) < 2.2 * cost(once)


NOTHING = b"\x78\x01" * 310_000
FULL_OF_NOTHING: dict[str, tuple[type[RequestDecoder | DeltaRequestDecoder], bytes]] = {
    "a request": (RequestDecoder, NOTHING),
    "an incremental request": (DeltaRequestDecoder, NOTHING),
    "a node": (RequestDecoder, encode([text(2, NOTHING)])),
    "an incremental node": (DeltaRequestDecoder, encode([text(1, NOTHING)])),
    "an error": (RequestDecoder, encode([text(6, NOTHING)])),
    "an incremental error": (DeltaRequestDecoder, encode([text(7, NOTHING)])),
    "a locator": (RequestDecoder, encode([text(7, NOTHING)])),
    "an incremental locator": (DeltaRequestDecoder, encode([text(8, NOTHING)])),
    "a version": (DeltaRequestDecoder, encode([text(5, NOTHING)])),
}


@pytest.mark.parametrize("what", FULL_OF_NOTHING)
def test_what_is_full_of_nothing_is_refused(what: str) -> None:
    decoder, message = FULL_OF_NOTHING[what]

    with pytest.raises(ExcessiveRequest, match="fields"):
        decoder(NameSets()).decode(message)


class CountingSets(NameSets):
    """Counts the names in new sets, which is what making them costs."""

    def __init__(self) -> None:
        super().__init__()
        self.names = 0
        self._known: dict[int, object] = {}

    def share(self, names: Collection[str]) -> frozenset[str]:
        shared = super().share(names)
        if id(shared) not in self._known:
            self._known[id(shared)] = shared  # kept, so that no other gets its id
            self.names += len(names)
        return shared


@pytest.mark.parametrize("known", [1000, 16_000])
def test_one_name_more_or_less_costs_the_root_of_all(known: int) -> None:
    sets = CountingSets()
    stream = Stream(Incremental(sets), TYPES, aggregated=True)
    names = [f"n{number:05}" for number in range(known)]
    stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset(names)), 0.0)
    sets.names = 0

    for name in names[:500]:
        stream.receive(DeltaRequest(type_url=ENDPOINT.url, unsubscribe=frozenset({name})), 0.0)
        stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset({f"{name}-new"})), 0.0)

    assert sets.names < 1000 * 4 * isqrt(known)


def test_names_that_wait_to_be_sent_are_not_copied_for_each_one_more() -> None:
    stream = Stream(Incremental(NameSets()), TYPES, aggregated=True)
    names = frozenset(f"n{number:05}" for number in range(16_000))
    stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=names), 0.0)

    tracemalloc.start()
    for number in range(50):
        stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset({f"m{number}"})), 0.0)
        assert stream.due(SnapshotCache()) is False
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < sys.getsizeof(names) / 4


def rejecting_all(existing: int) -> tuple[int, int, int]:
    """Instructions, responses and resources in them, for a client that rejects whatever it gets."""
    cache = SnapshotCache()
    resources = [Resource(f"n{number:05}", b"", "v") for number in range(existing)]
    cache.set(Snapshot().replace(ENDPOINT.url, resources))
    stream = Stream(Incremental(NameSets()), TYPES, aggregated=True)
    responses: list[Response] = []

    def converse() -> None:
        stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset({"*"})), 0.0)
        while (response := stream.next(cache, 0.0)) is not None:
            responses.append(response)
            stream.receive(DeltaRequest(type_url=ENDPOINT.url, nonce=response.nonce, error="no"), 0.0)

    return instructions(converse), len(responses), sum(len(response.names) for response in responses)


def test_rejecting_everything_costs_by_the_number_of_rejections() -> None:
    once, responses, resources = rejecting_all(200)
    twice, more_responses, more_resources = rejecting_all(400)

    assert (responses, more_responses) == (2 * 200 - 1, 2 * 400 - 1)
    assert resources < 200 * (log2(200) + 2)
    assert more_resources < 400 * (log2(400) + 2)
    assert twice < 2.4 * once


@pytest.mark.parametrize("delta", [False, True])
def test_answering_for_what_does_not_exist_costs_by_its_number(*, delta: bool) -> None:
    def answering(number: int) -> int:
        cache, names = SnapshotCache(), frozenset(f"n{each:05}" for each in range(number))
        cache.set(Snapshot())
        response = Response(
            type=ENDPOINT,
            nonce="1",
            snapshot=Snapshot(),
            names=frozenset() if delta else names,
            removed=names if delta else frozenset(),
            incremental=delta,
        )
        return instructions(lambda: cache.encode(response))

    assert answering(800) < 2.2 * answering(400)


def test_more_names_than_a_client_may_ask_for_are_refused() -> None:
    names = [f"n{number}" for number in range(MAX_NAMES + 1)]

    for number, decoder in ((3, RequestDecoder(NameSets())), (4, DeltaRequestDecoder(NameSets()))):
        with pytest.raises(ExcessiveRequest, match=f"more than {MAX_NAMES} names"):
            decoder.decode(encode(text(number, name) for name in names))


def test_a_refusal_for_millions_of_names_says_how_many_are_allowed() -> None:
    for number, decoder in ((3, RequestDecoder(NameSets())), (3, DeltaRequestDecoder(NameSets()))):
        with pytest.raises(ExcessiveRequest, match=f"may ask for {MAX_NAMES} names"):
            decoder.decode(encode([text(number, "n")]) * (3 * MAX_NAMES + 200))


def test_names_asked_for_bit_by_bit_are_counted_together() -> None:
    names = [f"n{number}" for number in range(MAX_NAMES)]
    stream = Stream(Incremental(NameSets()), TYPES, aggregated=True)
    stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset(names)), 0.0)

    stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset({"n0"}), unsubscribe=frozenset({"n1"})), 0.0)
    stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset({"one more"})), 0.0)
    with pytest.raises(ExcessiveRequest, match=f"{MAX_NAMES} names of a type"):
        stream.receive(DeltaRequest(type_url=ENDPOINT.url, subscribe=frozenset({"one too many"})), 0.0)


def test_a_name_may_be_long_but_not_endless() -> None:
    for length, allowed in ((1024, True), (1025, False)):
        for message in (encode([text(3, "n" * length)]), encode([text(3, "a"), text(15, "v"), text(3, "n" * length)])):
            for decoder in (RequestDecoder(NameSets()), DeltaRequestDecoder(NameSets())):
                assert reads(decoder, message) is allowed


def reads(decoder: RequestDecoder | DeltaRequestDecoder, message: bytes) -> bool:
    try:
        decoder.decode(message)
    except ExcessiveRequest as refusal:
        return "1024 characters" not in str(refusal)
    return True


def test_names_in_unanswered_responses_are_bounded() -> None:
    cache, stream = SnapshotCache(), Stream(StateOfTheWorld(), TYPES, aggregated=True)
    cache.set(Snapshot())

    for turn in range(6):
        names = frozenset(f"{turn}-{number}" for number in range(MAX_NAMES // 2))
        stream.receive(Request(type_url=ENDPOINT.url, names=names), 0.0)
        assert stream.next(cache, 0.0)

    (channel,) = [each for each in stream._channels if each]
    assert sum(len(sent.response.names) for sent in channel.pending.values()) == 2 * MAX_NAMES


def test_a_type_that_nobody_serves_is_remembered_by_its_beginning() -> None:
    stream = Stream(StateOfTheWorld(), TYPES, aggregated=True)

    reports = [stream.receive(Request(type_url="x" * 1_000_000 + end), 0.0) for end in "ab"]

    assert reports[0] is not None
    assert reports[1] is None
    assert max(map(len, stream._unsupported)) <= 200
