"""Requests and responses as a client has them, held against envoy-data-plane's."""

import pytest
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType, ClusterEdsClusterConfig
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment
from envoy_data_plane.envoy.service.discovery.v3 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
    Resource,
)
from envoy_data_plane.google.protobuf import Any

from xds import CLUSTER, ENDPOINT, InvalidRequest, Locality, Node
from xds.codec.client import (
    Answer,
    Received,
    awaited_assignment,
    decode_delta_response,
    decode_response,
    encode_delta_request,
    encode_request,
)
from xds.codec.request import RequestDecoder
from xds.subscription import NameSets

NODE = Node("envoy-1", "edge", Locality(region="eu", zone="a", sub_zone="r"), (("stage", "canary"), ("team", "pay")))
BODY = bytes(ClusterLoadAssignment(cluster_name="web"))


def wrapped(url: str = ENDPOINT.url, body: bytes = BODY) -> Any:
    return Any(type_url=url, value=body)


def test_a_request_says_who_asks_for_what_and_accepts() -> None:
    encoded = encode_request(ENDPOINT.url, {"web", "api"}, NODE, Answer(version="v1", nonce="n1"))

    decoded = DiscoveryRequest.parse(encoded)
    assert (decoded.type_url, decoded.resource_names) == (ENDPOINT.url, ["api", "web"])
    assert (decoded.version_info, decoded.response_nonce, decoded.error_detail) == ("v1", "n1", None)
    assert decoded.node is not None
    assert (decoded.node.id, decoded.node.cluster, decoded.node.user_agent_name) == ("envoy-1", "edge", "xds-bridge")
    assert RequestDecoder(NameSets()).decode(encoded).node == NODE


def test_a_request_needs_neither_node_nor_names() -> None:
    decoded = DiscoveryRequest.parse(encode_request(CLUSTER.url, (), None, Answer()))

    assert decoded == DiscoveryRequest(type_url=CLUSTER.url)


def test_an_incremental_request_says_how_wishes_changed() -> None:
    encoded = encode_delta_request(ENDPOINT.url, {"b", "a"}, {"c"}, NODE, Answer(nonce="n1"))

    decoded = DeltaDiscoveryRequest.parse(encoded)
    assert decoded.resource_names_subscribe == ["a", "b"]
    assert decoded.resource_names_unsubscribe == ["c"]
    assert (decoded.type_url, decoded.response_nonce) == (ENDPOINT.url, "n1")
    assert decoded.node is not None
    assert decoded.node.id == "envoy-1"


def test_a_response_is_read() -> None:
    response = DiscoveryResponse(
        version_info="v1", resources=[wrapped()], canary=True, type_url=ENDPOINT.url, nonce="n1"
    )

    read = decode_response(bytes(response))

    assert read == Received(type_url=ENDPOINT.url, version="v1", nonce="n1", resources={"web": BODY})


def test_a_resource_may_have_a_time_to_live_around_it() -> None:
    inner = bytes(Resource(name="web", version="1", resource=wrapped()))
    around = wrapped("type.googleapis.com/envoy.service.discovery.v3.Resource", inner)

    read = decode_response(bytes(DiscoveryResponse(resources=[around], type_url=ENDPOINT.url)))

    assert read.resources == {"web": BODY}


def test_an_incremental_response_is_read() -> None:
    response = DeltaDiscoveryResponse(
        system_version_info="s1",
        resources=[Resource(name="web", version="v1", resource=wrapped())],
        removed_resources=["api", "db"],
        type_url=ENDPOINT.url,
        nonce="n1",
    )

    assert decode_delta_response(bytes(response)) == Received(
        type_url=ENDPOINT.url,
        version="s1",
        nonce="n1",
        resources={"web": BODY},
        removed=frozenset({"api", "db"}),
        versions={"web": "v1"},
    )


@pytest.mark.parametrize("decode", [decode_response, decode_delta_response])
def test_what_is_no_response_is_refused(decode: object) -> None:
    assert callable(decode)
    with pytest.raises(InvalidRequest):
        decode(b"\x0a\xff")


@pytest.mark.parametrize(
    ("cluster", "awaited"),
    [
        (Cluster(name="web", type=ClusterDiscoveryType.EDS), "web"),
        (
            Cluster(
                name="web",
                type=ClusterDiscoveryType.EDS,
                eds_cluster_config=ClusterEdsClusterConfig(service_name="web-v2"),
            ),
            "web-v2",
        ),
        (Cluster(name="web", type=ClusterDiscoveryType.STRICT_DNS), None),
        (Cluster(name="web"), None),
    ],
)
def test_clusters_with_endpoints_of_their_own_want_none(cluster: Cluster, awaited: str | None) -> None:
    assert awaited_assignment("web", bytes(cluster)) == awaited
