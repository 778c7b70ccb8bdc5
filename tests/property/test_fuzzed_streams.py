"""Whatever bytes arrive in whatever order: a stream refuses them or goes on, and nobody else notices."""

from random import Random

import hypothesis.strategies as st
from hypothesis import given, settings

from support.fuzzed_stream import Audience, conversed, essence, read_by_envoy_data_plane
from support.protobuf_fields import encode, text
from xds import CLUSTER, ENDPOINT, ResourceType
from xds.codec import DeltaRequestDecoder, RequestDecoder
from xds.subscription import NameSets

NODE = encode([text(1, "node"), text(2, "edge"), *(text(9, encode([text(1, f"extension{n}")])) for n in range(5))])
STATUS = b"\x08\x0d" + encode([text(2, "rejected")])

SOTW = [
    encode([text(2, NODE), text(4, CLUSTER.url)]),
    encode([text(1, "v1"), text(4, CLUSTER.url), text(5, "1.0.0")]),
    encode([text(3, "s00"), text(3, "s01"), text(4, ENDPOINT.url)]),
    encode([text(1, "v1"), text(3, "s00"), text(3, "unknown"), text(4, ENDPOINT.url), text(5, "1.1.0")]),
    encode([text(3, "*"), text(4, ENDPOINT.url), text(5, "1.1.0"), text(6, STATUS)]),
    encode([text(4, CLUSTER.url), text(5, "1.0.0"), text(6, STATUS)]),
    encode([text(4, ENDPOINT.url), text(7, encode([text(1, "s00")]))]),
]
DELTA = [
    encode([text(1, NODE), text(2, CLUSTER.url)]),
    encode([text(2, CLUSTER.url), text(5, encode([text(1, "s00"), text(2, "v1")])), text(6, "1.0.0")]),
    encode([text(2, ENDPOINT.url), text(3, "s00"), text(3, "unknown")]),
    encode([text(2, ENDPOINT.url), text(4, "s00"), text(4, "*"), text(6, "1.1.0")]),
    encode([text(2, ENDPOINT.url), text(3, "*"), text(6, "1.1.0"), text(7, STATUS)]),
    encode([text(2, CLUSTER.url), text(6, "1.0.0"), text(7, STATUS)]),
    encode([text(2, ENDPOINT.url), text(8, encode([text(1, "s01")])), text(9, encode([text(1, "s00")]))]),
]


@settings(max_examples=40)
@given(st.randoms(use_true_random=False))
def test_a_fuzzed_aggregated_stream_refuses_or_goes_on(random: Random) -> None:
    conversed(random, Audience(), SOTW, DELTA)


@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.sampled_from([CLUSTER, ENDPOINT]))
def test_a_fuzzed_stream_of_one_type_refuses_or_goes_on(random: Random, kind: ResourceType) -> None:
    conversed(random, Audience([kind]), SOTW, DELTA)


def test_what_is_fuzzed_is_good_before() -> None:
    for message in SOTW:
        assert essence(RequestDecoder(NameSets()).decode(message)) == read_by_envoy_data_plane(message, delta=False)
    for message in DELTA:
        assert essence(DeltaRequestDecoder(NameSets()).decode(message)) == read_by_envoy_data_plane(message, delta=True)


def test_fuzzing_gets_somewhere() -> None:
    audience, random = Audience(), Random(1)

    for _ in range(20):
        conversed(random, audience, SOTW, DELTA)

    for stream in (audience.sotw, audience.incremental):
        assert stream.responses > 20
        assert stream.compared > 20
        assert len({refusal[:50] for refusal in stream.refusals}) > 4
