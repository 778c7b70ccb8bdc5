"""Resources in JSON hold what their bytes hold, and are read by the strict reader of cluster templates."""

import json

import pytest
from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment
from hypothesis import given
from hypothesis import strategies as st

from bridge.model import Endpoint, Health, Locality, UpstreamProtocol
from bridge.resources import Renderer, ResourceBuilder
from bridge.resources.schema import build, encode
from support.builders import appeared, service
from xds import CLUSTER, ENDPOINT, Resource, Snapshot

TEMPLATE = {
    "connect_timeout": "1.25s",
    "lb_policy": "ROUND_ROBIN",
    "dns_lookup_family": "V4_ONLY",
    "circuit_breakers": {"thresholds": [{"max_connections": 500}]},
    "outlier_detection": {"consecutive_5xx": 0, "enforcing_success_rate": 0},
    "common_lb_config": {
        "healthy_panic_threshold": {"value": 0},
        "override_host_status": {"statuses": ["HEALTHY", "UNKNOWN", "DRAINING"]},
    },
    "per_connection_buffer_limit_bytes": 32768,
    "lb_subset_config": {"fallback_policy": "ANY_ENDPOINT", "subset_selectors": [{"keys": ["version", "stage"]}]},
    "upstream_bind_config": {"source_address": {"address": "0.0.0.0", "port_value": 0}},
    "health_checks": [
        {
            "timeout": "1s",
            "interval": "5s",
            "unhealthy_threshold": 0,
            "healthy_threshold": 1,
            "reuse_connection": False,
            "http_health_check": {"path": "/", "expected_statuses": [{"start": 200, "end": 9223372036854775807}]},
        }
    ],
    "metadata": {"filter_metadata": {"envoy.lb": {"a": "b", "n": 1.5, "t": True, "l": [1, None, {"x": "é"}]}}},
    "transport_socket": {
        "name": "tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": "x",
            "max_session_keys": 0,
            "common_tls_context": {"validation_context": {"trusted_ca": {"inline_bytes": "aGFsbG8="}}},
        },
    },
}
BUILDER = ResourceBuilder(TEMPLATE, [("plain", {})])
NAMES = ["web", "payments é"]

localities = st.builds(Locality, st.sampled_from(["", "eu"]), st.sampled_from(["", "eu-1"]), st.sampled_from(["", "r"]))
endpoints = st.builds(
    Endpoint,
    st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1"]),
    st.integers(1, 65535),
    health=st.sampled_from(Health),
    weight=st.integers(1, 128),
    locality=localities,
    metadata=st.dictionaries(st.sampled_from(["version", "é"]), st.sampled_from(["v1", ""])).map(
        lambda entries: tuple(sorted(entries.items()))
    ),
)


@pytest.mark.parametrize("protocol", [None, *UpstreamProtocol])
@pytest.mark.parametrize("name", NAMES)
def test_json_of_a_cluster_holds_what_the_bytes_hold(name: str, protocol: UpstreamProtocol | None) -> None:
    snapshot = BUILDER.apply(Snapshot(), appeared(service(name, [], protocol=protocol)))
    cluster = snapshot.resources(CLUSTER.url)[name]

    assert _again(CLUSTER.url, cluster, Cluster) == encode(Cluster.parse(cluster.body))


@given(st.sampled_from(NAMES), st.lists(endpoints, max_size=5, unique_by=lambda each: each.key))
def test_json_of_an_assignment_holds_what_the_bytes_hold(name: str, content: list[Endpoint]) -> None:
    snapshot = BUILDER.apply(Snapshot(), appeared(service(name, content)))
    assignment = snapshot.resources(ENDPOINT.url)[name]

    assert _again(ENDPOINT.url, assignment, ClusterLoadAssignment) == encode(
        ClusterLoadAssignment.parse(assignment.body)
    )


def _again(type_url: str, resource: Resource, message: type[Cluster] | type[ClusterLoadAssignment]) -> bytes:
    document = json.loads(Renderer().render(type_url, resource))
    assert document.pop("@type") == type_url
    return encode(build(message, document, ()))
