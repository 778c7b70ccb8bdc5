"""The hand-written codec of CSDS against envoy-data-plane."""

import contextlib
from datetime import UTC, datetime

from envoy_data_plane.envoy.admin.v3 import ClientResourceStatus, UpdateFailureState
from envoy_data_plane.envoy.config.core.v3 import Locality as EnvoyLocality
from envoy_data_plane.envoy.config.core.v3 import Node as EnvoyNode
from envoy_data_plane.envoy.service.status.v3 import (
    ClientConfig,
    ClientConfigGenericXdsConfig,
    ClientStatusRequest,
    ClientStatusResponse,
    ConfigStatus,
)
from envoy_data_plane.envoy.type.matcher.v3 import NodeMatcher as EnvoyMatcher
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher
from hypothesis import given
from hypothesis import strategies as st

from xds.codec.client_status import (
    decode_client_status_request,
    encode_client_config,
    encode_client_status_response,
)
from xds.matcher import Form, NodeMatcher
from xds.message import InvalidRequest
from xds.node import Locality, Node
from xds.standing import Presence, Progress, Standing

NOW = 1_800_000_000.0
TEXTS = st.text(st.characters(codec="utf-8"), max_size=200)
STATUSES = {
    Progress.SYNCED: ConfigStatus.SYNCED,
    Progress.NOT_SENT: ConfigStatus.NOT_SENT,
    Progress.BEHIND: ConfigStatus.STALE,
    Progress.REJECTED: ConfigStatus.ERROR,
}

nodes = st.builds(Node, TEXTS, TEXTS, st.builds(Locality, region=TEXTS, zone=TEXTS, sub_zone=TEXTS))
standings = st.builds(
    Standing,
    type_url=TEXTS,
    progress=st.sampled_from(Progress),
    version=TEXTS,
    version_rejected=TEXTS,
    rejection=TEXTS,
    since=st.none() | st.integers(0, 10**6).map(float),
)
presences = st.builds(Presence, nodes, TEXTS, st.lists(standings, max_size=3).map(tuple))


@given(st.lists(presences, max_size=3))
def test_responses_are_what_envoy_reads(clients: list[Presence]) -> None:
    encoded = encode_client_status_response([encode_client_config(client, NOW) for client in clients])

    assert ClientStatusResponse.parse(encoded) == ClientStatusResponse(config=[meant(client) for client in clients])


def meant(client: Presence) -> ClientConfig:
    place = client.node.locality
    located = EnvoyLocality(region=place.region, zone=place.zone, sub_zone=place.sub_zone)
    return ClientConfig(
        node=EnvoyNode(
            id=client.node.id, cluster=client.node.cluster, locality=located if place != Locality() else None
        ),
        generic_xds_configs=[config(standing) for standing in client.standings],
        client_scope=client.peer,
    )


def config(standing: Standing) -> ClientConfigGenericXdsConfig:
    rejected = standing.progress is Progress.REJECTED
    accepted = ClientResourceStatus.ACKED if standing.version else ClientResourceStatus.REQUESTED
    failure = UpdateFailureState(details=standing.rejection, version_info=standing.version_rejected)
    return ClientConfigGenericXdsConfig(
        type_url=standing.type_url,
        version_info=standing.version,
        last_updated=None if standing.since is None else datetime.fromtimestamp(NOW - standing.since, UTC),
        config_status=STATUSES[standing.progress],
        client_status=ClientResourceStatus.NACKED if rejected else accepted,
        error_state=failure if rejected else None,
    )


@given(st.lists(st.builds(NodeMatcher, st.sampled_from(Form), TEXTS, st.booleans()), max_size=4), TEXTS)
def test_requests_are_what_envoy_writes(matchers: list[NodeMatcher], node_id: str) -> None:
    request = ClientStatusRequest(
        node_matchers=[EnvoyMatcher(node_id=string_matcher(matcher)) for matcher in matchers],
        node=EnvoyNode(id=node_id),
        exclude_resource_contents=True,
    )

    assert decode_client_status_request(bytes(request)) == tuple(matchers)


def string_matcher(matcher: NodeMatcher) -> StringMatcher:
    match matcher.form:
        case Form.EXACT:
            return StringMatcher(exact=matcher.text, ignore_case=matcher.ignore_case)
        case Form.PREFIX:
            return StringMatcher(prefix=matcher.text, ignore_case=matcher.ignore_case)
        case Form.SUFFIX:
            return StringMatcher(suffix=matcher.text, ignore_case=matcher.ignore_case)
    return StringMatcher(contains=matcher.text, ignore_case=matcher.ignore_case)


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        decode_client_status_request(data)
