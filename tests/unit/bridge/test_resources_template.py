import datetime as dt

import pytest
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterLbPolicy
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import UpstreamTlsContext
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import HttpProtocolOptions

from bridge.errors import ConfigError
from bridge.model import ServiceName, UpstreamProtocol
from bridge.resources import TemplateError
from bridge.resources.template import Templates

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
Tree = dict[str, object]


def cluster(defaults: Tree, overlay: Tree | None = None, protocol: UpstreamProtocol | None = None) -> Cluster:
    """The template of a service that the overlay's rule matches."""
    templates = Templates(defaults, [] if overlay is None else [("*", overlay)])
    return Cluster.parse(templates.find(ServiceName("web")).encoded[protocol])


def tls(**fields: object) -> Tree:
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": TLS, **fields}}}


def http_options(**fields: object) -> Tree:
    typed: Tree = {"@type": f"type.googleapis.com/{HTTP_OPTIONS}", **fields}
    return {"typed_extension_protocol_options": {HTTP_OPTIONS: typed}}


def decoded_tls(built: Cluster) -> UpstreamTlsContext:
    assert built.transport_socket is not None
    assert built.transport_socket.typed_config is not None
    return UpstreamTlsContext.parse(built.transport_socket.typed_config.value)


def decoded_http(built: Cluster) -> HttpProtocolOptions:
    return HttpProtocolOptions.parse(built.typed_extension_protocol_options[HTTP_OPTIONS].value)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ({"lb_polcy": "RANDOM"}, "cluster_defaults.lb_polcy: Cluster has no such field; did you mean 'lb_policy'?"),
        ({"connectTimeout": "1s"}, "cluster_defaults.connectTimeout: .* did you mean 'connect_timeout'"),
        ({"xyzzy": 1}, "cluster_defaults.xyzzy: Cluster has no such field$"),
        ({"lb_policy": "LEAST_REQUESTS"}, "lb_policy: 'LEAST_REQUESTS' is not .* did you mean 'LEAST_REQUEST'"),
        ({"lb_policy": "least_request"}, "lb_policy: .* did you mean 'LEAST_REQUEST'"),
        ({"lb_policy": 99}, "lb_policy: 99 is not .* there are CLUSTER_PROVIDED, LEAST_REQUEST"),
        ({"connect_timeout": "250ms"}, "connect_timeout: '250ms' is not a duration; .* 0.25s"),
        ({"connect_timeout": 5}, "connect_timeout: 5 is not a duration"),
        ({"connect_timeout": "0s"}, "connect_timeout: must be more than 0s"),
        ({"connect_timeout": "-1s"}, "connect_timeout: must be more than 0s"),
        ({"circuit_breakers": {"thresholds": {}}}, "circuit_breakers.thresholds: must be a list, not a mapping"),
        (
            {"circuit_breakers": {"thresholds": [{}, {"max_conections": 1}]}},
            r"circuit_breakers.thresholds\[1\].max_conections: CircuitBreakers.Thresholds .* 'max_connections'",
        ),
        ({"outlier_detection": {"consecutive_5xx": "many"}}, "consecutive_5xx: must be a whole number, not text"),
        ({"outlier_detection": {"consecutive_5xx": True}}, "consecutive_5xx: must be a whole number, not true"),
        ({"outlier_detection": {"consecutive_5xx": 1.5}}, "consecutive_5xx: must be a whole number, not a number"),
        ({"outlier_detection": {"consecutive_5xx": -1}}, "consecutive_5xx: -1 is not between 0 and 4294967295"),
        ({"outlier_detection": []}, "outlier_detection: must be a mapping, not a list"),
        ({"ignore_health_on_host_removal": "yes"}, "must be true or false, not text"),
        ({"alt_stat_name": 5}, "alt_stat_name: must be text, not a number"),
        ({"alt_stat_name": "\ud800"}, "alt_stat_name: .*UTF-8"),
        ({1: 2}, "cluster_defaults: the key 1 must be text"),
        ({"ring_hash_lb_config": {}, "maglev_lb_config": {}}, "only one of ring_hash_lb_config and maglev_lb_config"),
        (
            {"common_lb_config": {"healthy_panic_threshold": {"value": 101}}},
            "common_lb_config.healthy_panic_threshold.value: 101 is not between 0 and 100",
        ),
        ({"common_lb_config": {"healthy_panic_threshold": {"value": "50"}}}, "value: must be a number, not text"),
        ({"metadata": {"filter_metadata": {"a": {"b": object()}}}}, "filter_metadata.a.b: must be a value of JSON"),
        (
            {"metadata": {"filter_metadata": {"a": {"b": 10**399}}}},
            "filter_metadata.a.b: is out of the range of numbers",
        ),
        ({"metadata": {"filter_metadata": {"a": {"b": float("nan")}}}}, "a.b: is out of the range of numbers"),
        (
            {"common_lb_config": {"healthy_panic_threshold": {"value": 10**399}}},
            "healthy_panic_threshold.value: is out of the range of numbers",
        ),
        (
            {"common_lb_config": {"locality_weighted_lb_config": {}, "zone_aware_lb_config": {}}},
            "only one of .*locality_weighted_lb_config",
        ),
        ({"lrs_report_endpoint_metrics": ["a", None]}, r"lrs_report_endpoint_metrics\[1\]: must be text, not nothing"),
        (tls(snii="x"), "transport_socket.typed_config.snii: UpstreamTlsContext has no such field; did you mean 'sni'"),
        (
            tls(common_tls_context={"alpn_protocol": ["h2"]}),
            "typed_config.common_tls_context.alpn_protocol: CommonTlsContext has no such field; .* 'alpn_protocols'",
        ),
        (tls() | {"transport_socket": {"name": "x", "typed_config": {}}}, "typed_config: needs the key @type"),
        (tls(**{"@type": 5}), "typed_config.@type: must be text"),
        (tls(**{"@type": TLS[:-1]}), f"@type: .* is not a type that Envoy knows; did you mean '{TLS}'"),
        (tls(**{"@type": TLS.replace("sockets", "socket")}), f"@type: .* did you mean '{TLS}'"),
        (tls(**{"@type": TLS.removeprefix("type.googleapis.com/")}), f"@type: .* did you mean '{TLS}'"),
        (tls(**{"@type": "type.googleapis.com/os.system"}), "@type: .* is not a type that Envoy knows"),
        (tls(**{"@type": "type.googleapis.com/google.protobuf.Struct"}), "@type: .*not a configuration of its own"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_nearest_right_word(template: Tree, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        Templates(template, [])


def test_a_mistake_in_a_rule_names_the_rule() -> None:
    rules: list[tuple[str, Tree]] = [("a", {}), ("b", {"outlier_detection": {"consecutive_5x": 1}})]

    with pytest.raises(ConfigError, match=r"^services\[1\].cluster.outlier_detection.consecutive_5x: ") as caught:
        Templates({}, rules)

    assert isinstance(caught.value, TemplateError)
    assert caught.value.path == ("services", 1, "cluster", "outlier_detection", "consecutive_5x")


@pytest.mark.parametrize("key", ["name", "type", "cluster_type", "eds_cluster_config", "load_assignment"])
def test_what_the_bridge_sets_is_refused_with_the_reason(key: str) -> None:
    with pytest.raises(TemplateError, match=f"cluster_defaults.{key}: cannot be set: "):
        Templates({key: "anything"}, [])


def test_values_of_secrets_are_not_in_a_message() -> None:
    key = {"inline_string": ["-----BEGIN PRIVATE KEY-----"]}
    template = tls(common_tls_context={"tls_certificates": [{"private_key": key}]})

    with pytest.raises(TemplateError, match="inline_string: must be text, not a list") as caught:
        Templates(template, [])

    assert "PRIVATE" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1s", 1_000_000), ("0.25s", 250_000), ("2.3s", 2_300_000), ("86400.000001s", 86_400_000_001)],
)
def test_durations_are_exact(text: str, expected: int) -> None:
    built = cluster({"connect_timeout": text})

    assert built.connect_timeout == dt.timedelta(microseconds=expected)


def test_native_fields_of_every_kind_are_taken() -> None:
    built = cluster(
        {
            "lb_policy": 1,
            "per_connection_buffer_limit_bytes": "32768",
            "outlier_detection": {"consecutive_5xx": 7, "consecutive_gateway_failure": 3},
            "common_lb_config": {"healthy_panic_threshold": {"value": 12.5}},
            "metadata": {"filter_metadata": {"a": {"list": [1, "x", None, True, {"k": []}]}}},
            "upstream_connection_options": {"tcp_keepalive": {}},
            "lb_subset_config": {"subset_selectors": [{"keys": ["version"]}]},
        }
    )

    assert built.lb_policy is ClusterLbPolicy.LEAST_REQUEST
    assert built.per_connection_buffer_limit_bytes == 32768
    assert built.outlier_detection is not None
    assert built.outlier_detection.consecutive_5xx == 7
    assert built.metadata is not None
    assert built.metadata.to_dict()["filterMetadata"] == {"a": {"list": [1, "x", None, True, {"k": []}]}}
    assert built.upstream_connection_options is not None
    assert built.upstream_connection_options.tcp_keepalive is not None


def test_typed_configurations_are_packed() -> None:
    built = cluster(tls(sni="web.example.com", common_tls_context={"alpn_protocols": ["h2"]}))

    context = decoded_tls(built)
    assert context.sni == "web.example.com"
    assert context.common_tls_context is not None
    assert context.common_tls_context.alpn_protocols == ["h2"]


def test_nothing_configured_leaves_envoys_defaults() -> None:
    built = cluster({})

    assert built.connect_timeout is None
    assert built.lb_policy is ClusterLbPolicy.ROUND_ROBIN
    assert built.typed_extension_protocol_options == {}


def test_the_order_of_keys_does_not_change_the_bytes() -> None:
    one: Tree = {"metadata": {"filter_metadata": {"a": {"x": 1, "y": 2}, "b": {}}}, "alt_stat_name": "s"}
    other: Tree = {"alt_stat_name": "s", "metadata": {"filter_metadata": {"b": {}, "a": {"y": 2, "x": 1}}}}

    templates = [Templates(template, []).find(ServiceName("web")) for template in (one, other)]

    assert templates[0] == templates[1]


def test_messages_are_merged_and_lists_and_values_replaced() -> None:
    built = cluster(
        {
            "connect_timeout": "1s",
            "outlier_detection": {"consecutive_5xx": 5, "interval": "1s"},
            "circuit_breakers": {"thresholds": [{"max_requests": 1}, {"max_requests": 2}]},
        },
        {"outlier_detection": {"interval": "2s"}, "circuit_breakers": {"thresholds": [{"max_requests": 3}]}},
    )

    assert built.connect_timeout == dt.timedelta(seconds=1)
    assert built.outlier_detection is not None
    assert built.outlier_detection.consecutive_5xx == 5
    assert built.outlier_detection.interval == dt.timedelta(seconds=2)
    assert built.circuit_breakers is not None
    assert [threshold.max_requests for threshold in built.circuit_breakers.thresholds] == [3]


def test_null_takes_a_default_out() -> None:
    built = cluster({"connect_timeout": "1s", "outlier_detection": {"interval": "1s"}}, {"outlier_detection": None})

    assert built.connect_timeout == dt.timedelta(seconds=1)
    assert built.outlier_detection is None


def test_a_member_of_a_oneof_replaces_the_other_members() -> None:
    built = cluster(
        {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 64}},
        {"lb_policy": "MAGLEV", "maglev_lb_config": {}},
    )

    assert built.ring_hash_lb_config is None
    assert built.maglev_lb_config is not None


def test_typed_configurations_of_the_same_type_are_merged() -> None:
    built = cluster(
        http_options(
            common_http_protocol_options={"idle_timeout": "5s"},
            explicit_http_config={"http_protocol_options": {}},
        ),
        http_options(explicit_http_config={"http2_protocol_options": {"max_concurrent_streams": 10}}),
    )

    options = decoded_http(built)
    assert options.common_http_protocol_options is not None
    assert options.common_http_protocol_options.idle_timeout == dt.timedelta(seconds=5)
    assert options.explicit_http_config is not None
    assert options.explicit_http_config.http_protocol_options is None
    assert options.explicit_http_config.http2_protocol_options is not None


def test_a_typed_configuration_of_another_type_replaces() -> None:
    raw = "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"

    built = cluster(tls(sni="x"), {"transport_socket": {"name": "raw", "typed_config": {"@type": raw}}})

    assert built.transport_socket is not None
    assert built.transport_socket.name == "raw"
    assert built.transport_socket.typed_config is not None
    assert built.transport_socket.typed_config.type_url == raw
    assert built.transport_socket.typed_config.value == b""


@pytest.mark.parametrize(
    "explicit",
    [
        http_options(explicit_http_config={"http_protocol_options": {}}),
        {"http_protocol_options": {}},
        {"http2_protocol_options": {}},
        {"protocol_selection": "USE_DOWNSTREAM_PROTOCOL"},
    ],
    ids=["typed", "old HTTP/1", "old HTTP/2", "downstream's"],
)
def test_the_agreed_protocol_yields_to_a_template_that_names_one(explicit: Tree) -> None:
    encoded = Templates(explicit, []).find(ServiceName("web")).encoded

    assert set(encoded) == {None, *UpstreamProtocol}
    assert len(set(encoded.values())) == 1


def test_other_typed_options_do_not_hide_the_agreed_protocol() -> None:
    tcp = "envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions"
    template: Tree = {"typed_extension_protocol_options": {tcp: {"@type": f"type.googleapis.com/{tcp}"}}}

    built = cluster(template, protocol=UpstreamProtocol.HTTP2)

    assert set(built.typed_extension_protocol_options) == {tcp, HTTP_OPTIONS}


@pytest.mark.parametrize(
    ("template", "threshold"),
    [
        ({}, 50),
        ({"common_lb_config": {}}, 50),
        ({"common_lb_config": {"healthy_panic_threshold": {"value": 12.5}}}, 12.5),
        ({"common_lb_config": {"healthy_panic_threshold": {}}}, 0),
    ],
)
def test_the_panic_threshold_is_envoys(template: Tree, threshold: float) -> None:
    found = Templates(template, []).find(ServiceName("web"))

    assert found.panic_threshold == threshold
