"""Our scan of requests and our framing of responses say what the messages of envoy-data-plane say."""

import contextlib
from dataclasses import replace

import hypothesis.strategies as st
from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.core.v3 import ControlPlane, Extension
from envoy_data_plane.envoy.config.core.v3 import Node as NodeMessage
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment
from envoy_data_plane.envoy.service.discovery.v3 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
    ResourceLocator,
)
from envoy_data_plane.envoy.service.discovery.v3 import Resource as ResourceMessage
from envoy_data_plane.google.protobuf import Any as AnyMessage
from envoy_data_plane.google.rpc import Status
from hypothesis import example, given, settings

from xds import CLUSTER, ENDPOINT, Node, Resource
from xds.codec import DeltaRequestDecoder, Envelope, RequestDecoder, encode_delta_response, encode_response
from xds.message import DeltaRequest, InvalidRequest, Request
from xds.resource import TYPES
from xds.subscription import NameSets

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.text("ab", min_size=100, max_size=200)
names = st.lists(text, max_size=8)
nodes = st.builds(
    NodeMessage, id=text, cluster=text, extensions=st.lists(st.builds(Extension, name=text, category=text), max_size=3)
)
errors = st.none() | st.builds(Status, code=st.integers(0, 16), message=text)
plain_locators = st.lists(st.builds(ResourceLocator, name=text), max_size=2)
locators_with_parameters = st.lists(
    st.builds(ResourceLocator, name=text, dynamic_parameters=st.just({"key": "value"})), max_size=2
)
requests = st.builds(
    DiscoveryRequest,
    version_info=text,
    node=st.none() | nodes,
    resource_names=names,
    resource_locators=plain_locators | locators_with_parameters,
    type_url=text,
    response_nonce=text,
    error_detail=errors,
)
delta_requests = st.builds(
    DeltaDiscoveryRequest,
    node=st.none() | nodes,
    type_url=text,
    resource_names_subscribe=names,
    resource_names_unsubscribe=names,
    resource_locators_subscribe=plain_locators | locators_with_parameters,
    initial_resource_versions=st.dictionaries(text, text, max_size=4),
    response_nonce=text,
    error_detail=errors,
)
resources = st.lists(
    st.builds(Resource, name=text, body=st.binary(max_size=300), version=text), max_size=5, unique_by=lambda r: r.name
)
envelopes = st.builds(
    Envelope,
    type_url=st.sampled_from([kind.url for kind in TYPES]),
    version=text,
    nonce=text,
    control_plane=text,
)


@settings(max_examples=40)
@given(st.lists(requests, min_size=1, max_size=4))
def test_requests_of_a_stream_are_read_as_they_were_written(messages: list[DiscoveryRequest]) -> None:
    decoder = RequestDecoder(NameSets())

    decoded = [decoder.decode(bytes(message)) for message in messages]

    expected = [as_request(message) for message in messages]
    assert decoded == [*expected[:1], *(replace(later, node=None) for later in expected[1:])]


@settings(max_examples=40)
@given(st.lists(delta_requests, min_size=1, max_size=4))
def test_incremental_requests_are_read_as_they_were_written(messages: list[DeltaDiscoveryRequest]) -> None:
    decoder = DeltaRequestDecoder(NameSets())

    decoded = [decoder.decode(bytes(message)) for message in messages]

    expected = [as_delta_request(message) for message in messages]
    assert decoded == [*expected[:1], *(replace(later, node=None) for later in expected[1:])]


@given(names, names)
def test_the_memory_of_names_never_shows(first: list[str], second: list[str]) -> None:
    decoder = RequestDecoder(NameSets())

    decoded = [
        decoder.decode(bytes(DiscoveryRequest(resource_names=each, response_nonce="n")))
        for each in (first, first, second, first + second, second)
    ]

    expected = [set(first), set(first), set(second), set(first) | set(second), set(second)]
    assert [request.names for request in decoded] == expected


@given(st.binary(max_size=200))
@example(b"\x1a")
@example(b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
@example(b"\x1a\x01\xff")
def test_any_bytes_are_a_request_or_refused(data: bytes) -> None:
    for decoder in (RequestDecoder(NameSets()), DeltaRequestDecoder(NameSets())):
        with contextlib.suppress(InvalidRequest):
            assert isinstance(decoder.decode(data), Request | DeltaRequest)


@settings(max_examples=40)
@given(envelopes, resources)
def test_a_response_has_the_bytes_of_the_message(envelope: Envelope, content: list[Resource]) -> None:
    encoded = encode_response(envelope, content)

    message = DiscoveryResponse(
        version_info=envelope.version,
        resources=[AnyMessage(type_url=envelope.type_url, value=each.body) for each in content],
        type_url=envelope.type_url,
        nonce=envelope.nonce,
        control_plane=ControlPlane(identifier=envelope.control_plane) if envelope.control_plane else None,
    )
    assert encoded == bytes(message)


@settings(max_examples=40)
@given(envelopes, resources, names)
def test_an_incremental_response_has_the_bytes_of_the_message(
    envelope: Envelope, content: list[Resource], removed: list[str]
) -> None:
    encoded = encode_delta_response(envelope, content, removed)

    message = DeltaDiscoveryResponse(
        system_version_info=envelope.version,
        resources=[
            ResourceMessage(
                version=each.version, resource=AnyMessage(type_url=envelope.type_url, value=each.body), name=each.name
            )
            for each in content
        ],
        type_url=envelope.type_url,
        nonce=envelope.nonce,
        removed_resources=removed,
        control_plane=ControlPlane(identifier=envelope.control_plane) if envelope.control_plane else None,
    )
    assert encoded == bytes(message)


@given(text)
@settings(max_examples=30)
def test_the_placeholder_of_an_assignment_is_an_assignment_without_endpoints(name: str) -> None:
    assert ENDPOINT.placeholder is not None

    placeholder = ENDPOINT.placeholder(name)

    assert ClusterLoadAssignment.parse(placeholder) == ClusterLoadAssignment(cluster_name=name)
    assert CLUSTER.placeholder is None
    assert bytes(Cluster(name=name)) or not name


def as_request(message: DiscoveryRequest) -> Request:
    return Request(
        type_url=message.type_url,
        names=frozenset(message.resource_names) | located(message.resource_locators),
        version=message.version_info,
        nonce=message.response_nonce,
        error=message.error_detail.message if message.error_detail is not None else None,
        node=as_node(message.node),
    )


def as_delta_request(message: DeltaDiscoveryRequest) -> DeltaRequest:
    return DeltaRequest(
        type_url=message.type_url,
        subscribe=frozenset(message.resource_names_subscribe) | located(message.resource_locators_subscribe),
        unsubscribe=frozenset(message.resource_names_unsubscribe),
        initial_versions=message.initial_resource_versions,
        nonce=message.response_nonce,
        error=message.error_detail.message if message.error_detail is not None else None,
        node=as_node(message.node),
    )


def as_node(message: NodeMessage | None) -> Node | None:
    return Node(message.id, message.cluster) if message is not None else None


def located(locators: list[ResourceLocator]) -> frozenset[str]:
    return frozenset(locator.name for locator in locators if not locator.dynamic_parameters)
