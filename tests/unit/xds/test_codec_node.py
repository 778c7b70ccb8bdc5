import pytest
from envoy_data_plane.envoy.config.core.v3 import Extension
from envoy_data_plane.envoy.config.core.v3 import Locality as EnvoyLocality
from envoy_data_plane.envoy.config.core.v3 import Node as EnvoyNode
from envoy_data_plane.google.protobuf import ListValue, Struct, Value

from xds import Locality, Node
from xds.codec.node import decode_node
from xds.message import ExcessiveRequest, InvalidRequest


def test_what_envoy_says_about_itself_is_read_whole() -> None:
    metadata = {
        "team": Value(string_value="pay"),
        "rack": Value(number_value=7.0),
        "share": Value(number_value=0.5),
        "canary": Value(bool_value=True),
        "spare": Value(bool_value=False),
        "nested": Value(struct_value=Struct(fields={"a": Value(string_value="b")})),
        "list": Value(list_value=ListValue()),
    }
    sent = EnvoyNode(
        id="edge-1",
        cluster="edge",
        locality=EnvoyLocality(region="eu", zone="eu-1", sub_zone="r7"),
        metadata=Struct(fields=metadata),
        extensions=[Extension(name=f"envoy.filters.{number}") for number in range(500)],
    )

    node = decode_node(bytes(sent))

    assert node == Node(
        "edge-1",
        "edge",
        Locality(region="eu", zone="eu-1", sub_zone="r7"),
        (("canary", "true"), ("rack", "7"), ("share", "0.5"), ("spare", "false"), ("team", "pay")),
    )


def test_an_empty_node_is_a_node() -> None:
    assert decode_node(b"") == Node()


def test_of_endless_metadata_a_part_is_kept() -> None:
    fields = {f"key-{number:04}": Value(string_value="x") for number in range(1000)}

    node = decode_node(bytes(EnvoyNode(metadata=Struct(fields=fields))))

    assert len(node.metadata) == 64


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a\x05abc",  # the id is cut off
        b"\x12\x01\xff",  # the cluster is not UTF-8
        b"\x22\x02\x0a\x09",  # the locality is cut off
        b"\x1a\x0b\x0a\x09\x0a\x01k\x12\x04\x11\x00\x00\x00",  # a number is cut off
        b"\x1a\x07\x0a\x05\x0a\x01k\x12\x00\xff",
    ],
)
def test_what_is_no_node_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode_node(data)


def test_a_node_that_goes_on_and_on_about_itself_is_refused() -> None:
    long = "x" * 1025

    for node in (EnvoyNode(id=long), EnvoyNode(cluster=long), EnvoyNode(locality=EnvoyLocality(zone=long))):
        with pytest.raises(ExcessiveRequest, match="more than 1024 bytes"):
            decode_node(bytes(node))
