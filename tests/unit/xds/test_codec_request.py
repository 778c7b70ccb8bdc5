from collections.abc import Collection

import pytest
from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryRequest

from xds import Node
from xds.codec import DeltaRequestDecoder, RequestDecoder
from xds.message import InvalidRequest
from xds.subscription import NameSets


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x1a\x05abc", "ends within a field"),
        (b"\x1a", "ends within a number"),
        (b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "too long"),
        (b"\x1b", "wire type 3"),
        (b"\x02\x00", "field number 0"),
        (b"\x1a\x01\xff", "not UTF-8"),
        (b"\x29\x00", "ends within a field"),
    ],
)
def test_what_is_no_message_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        RequestDecoder(NameSets()).decode(data)
    with pytest.raises(InvalidRequest, match=reason):
        DeltaRequestDecoder(NameSets()).decode(data)


def test_unknown_fields_of_every_kind_are_passed_over() -> None:
    unknown = b"\x78\x96\x01" + b"\x7d\x00\x00\x00\x00" + b"\x79\x00\x00\x00\x00\x00\x00\x00\x00" + b"\x7a\x02hi"

    request = RequestDecoder(NameSets()).decode(unknown + b"\x1a\x01a" + unknown)

    assert request.names == {"a"}


def test_names_apart_from_each_other_are_all_read() -> None:
    decoder = RequestDecoder(NameSets())

    for _ in range(2):
        request = decoder.decode(b"\x1a\x01a\x0a\x01v\x1a\x01b\x1a\x01c")

        assert request.names == {"a", "b", "c"}
        assert request.version == "v"


def test_names_strewn_among_other_fields_cost_no_more_than_names_in_a_row() -> None:
    class CountingSets(NameSets):
        shared = 0

        def share(self, names: Collection[str]) -> frozenset[str]:
            self.shared += 1
            return super().share(names)

    sets = CountingSets()
    strewn = b"".join(b"\x1a\x03%03d\x0a\x01v" % number for number in range(1000))

    request = RequestDecoder(sets).decode(strewn)

    assert len(request.names) == 1000
    assert sets.shared <= 2, "a set for each of them would take time by the square of their number"


def test_repeated_names_are_one_object() -> None:
    decoder = RequestDecoder(NameSets())
    message = bytes(DiscoveryRequest(resource_names=[f"service-{number}" for number in range(100)]))

    first, second = decoder.decode(message), decoder.decode(message)

    assert first.names is second.names


def test_names_that_begin_like_the_last_ones_are_not_cut_off() -> None:
    decoder = RequestDecoder(NameSets())
    decoder.decode(b"\x1a\x01a")

    request = decoder.decode(b"\x1a\x01a\x1a\x01b")

    assert request.names == {"a", "b"}


def test_the_node_is_read_in_the_first_request_only() -> None:
    introduced, broken = b"\x12\x06\x0a\x04edge", b"\x12\x01\xff"
    decoder = RequestDecoder(NameSets())

    first, second = decoder.decode(introduced), decoder.decode(broken)

    assert first.node == Node("edge")
    assert second.node is None


def test_a_node_that_comes_late_is_no_introduction() -> None:
    decoder = DeltaRequestDecoder(NameSets())
    decoder.decode(b"")

    assert decoder.decode(b"\x0a\x06\x0a\x04edge").node is None


def test_a_rejection_without_a_message_is_a_rejection() -> None:
    assert RequestDecoder(NameSets()).decode(b"\x32\x00").error == ""
    assert DeltaRequestDecoder(NameSets()).decode(b"\x3a\x00").error == ""
    assert RequestDecoder(NameSets()).decode(b"").error is None


def test_a_rejection_may_quote_what_is_not_utf8() -> None:
    assert RequestDecoder(NameSets()).decode(b"\x32\x03\x12\x01\xff").error == "\N{REPLACEMENT CHARACTER}"
