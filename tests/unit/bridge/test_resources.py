import pytest
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType
from envoy_data_plane.envoy.config.core.v3 import ApiVersion
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import HttpProtocolOptions

from bridge.diff import Diff
from bridge.merge import Service
from bridge.model import Health, ServiceName, UpstreamProtocol
from bridge.resources import ResourceBuilder
from support.builders import appeared, changed, endpoint, gone, served, service
from xds import CLUSTER, ENDPOINT, Snapshot, content_version

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
EXPLICIT_HTTP1 = {
    HTTP_OPTIONS: {
        "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
        "explicit_http_config": {"http_protocol_options": {}},
    }
}


@pytest.fixture
def builder() -> ResourceBuilder:
    return ResourceBuilder({"connect_timeout": "1s"}, [])


def cluster(snapshot: Snapshot, name: str) -> Cluster:
    return Cluster.parse(snapshot.resources(CLUSTER.url)[name].body)


def assignment(snapshot: Snapshot, name: str) -> bytes:
    return snapshot.resources(ENDPOINT.url)[name].body


def ports(snapshot: Snapshot, name: str) -> list[int]:
    decoded = ClusterLoadAssignment.parse(assignment(snapshot, name))
    found = [one.endpoint for group in decoded.endpoints for one in group.lb_endpoints]
    addresses = [endpoint.address.socket_address for endpoint in found if endpoint and endpoint.address]
    return [address.port_value or 0 for address in addresses if address]


def http_options(snapshot: Snapshot, name: str) -> HttpProtocolOptions | None:
    packed = cluster(snapshot, name).typed_extension_protocol_options.get(HTTP_OPTIONS)
    return HttpProtocolOptions.parse(packed.value) if packed else None


def test_a_service_becomes_a_cluster_with_endpoints_over_ads(builder: ResourceBuilder) -> None:
    snapshot = builder.apply(Snapshot(), appeared(service("web", [endpoint()])))

    built = cluster(snapshot, "web")
    assert built.name == "web"
    assert built.type is ClusterDiscoveryType.EDS
    assert built.eds_cluster_config is not None
    assert built.eds_cluster_config.eds_config is not None
    assert built.eds_cluster_config.eds_config.ads is not None
    assert built.eds_cluster_config.eds_config.resource_api_version is ApiVersion.V3
    assert built.eds_cluster_config.service_name == ""


def test_a_cluster_requires_its_assignment(builder: ResourceBuilder) -> None:
    snapshot = builder.apply(Snapshot(), appeared(service("web")))

    assert snapshot.resources(CLUSTER.url)["web"].requires == ("web",)
    assert snapshot.resources(ENDPOINT.url)["web"].requires == ()


def test_versions_are_of_the_content(builder: ResourceBuilder) -> None:
    snapshot = builder.apply(Snapshot(), appeared(service("web", [endpoint()])))

    for kind in (CLUSTER, ENDPOINT):
        resource = snapshot.resources(kind.url)["web"]
        assert resource.version == content_version(resource.body)


def test_another_builder_gives_the_same_versions() -> None:
    template = {"metadata": {"filter_metadata": {"b": {"y": 1, "x": None}, "a": {}}}}
    reordered = {"metadata": {"filter_metadata": {"a": {}, "b": {"x": None, "y": 1}}}}
    web = service("web", [endpoint(metadata={"version": "v1"}), endpoint("10.0.0.2")])

    one = ResourceBuilder(template, []).apply(Snapshot(), appeared(web))
    other = ResourceBuilder(reordered, []).apply(Snapshot(), appeared(web))

    assert one.version(CLUSTER.url) == other.version(CLUSTER.url)
    assert one.version(ENDPOINT.url) == other.version(ENDPOINT.url)


def test_a_service_without_endpoints_has_an_empty_assignment(builder: ResourceBuilder) -> None:
    snapshot = builder.apply(Snapshot(), appeared(service("web", [endpoint()])))

    snapshot = builder.apply(snapshot, changed(service("web")))

    assert assignment(snapshot, "web") == b"\x0a\x03web"
    assert "web" in snapshot.resources(CLUSTER.url)


def test_a_removed_service_takes_both_resources_with_it(builder: ResourceBuilder) -> None:
    snapshot = builder.apply(Snapshot(), appeared(service("web"), service("api")))

    snapshot = builder.apply(snapshot, gone("web", "never-there"))

    assert set(snapshot.resources(CLUSTER.url)) == {"api"}
    assert set(snapshot.resources(ENDPOINT.url)) == {"api"}


def test_an_endpoint_change_leaves_clusters_and_other_assignments_alone(builder: ResourceBuilder) -> None:
    before = builder.apply(Snapshot(), appeared(service("web", [endpoint()]), service("api", [endpoint()])))

    after = builder.apply(before, changed(service("web", [endpoint(health=Health.UNHEALTHY)])))

    assert after.resources(CLUSTER.url) is before.resources(CLUSTER.url)
    assert after.resources(ENDPOINT.url)["api"] is before.resources(ENDPOINT.url)["api"]
    assert assignment(after, "web") != assignment(before, "web")


@pytest.mark.parametrize(
    "unchanged",
    [changed(), changed(service("web", [endpoint()])), gone("never-there")],
    ids=["nothing", "equal content", "unknown service"],
)
def test_the_snapshot_is_kept_when_no_byte_differs(
    builder: ResourceBuilder, unchanged: Diff[ServiceName, Service]
) -> None:
    before = builder.apply(Snapshot(), appeared(service("web", [endpoint()])))

    after = builder.apply(before, unchanged)

    assert after is before


def test_a_builder_can_start_over_from_an_empty_snapshot(builder: ResourceBuilder) -> None:
    web = appeared(service("web", [endpoint(weight=3)]))
    first = builder.apply(Snapshot(), web)

    second = builder.apply(Snapshot(), web)

    assert second.resources(ENDPOINT.url) == first.resources(ENDPOINT.url)
    assert second.resources(CLUSTER.url) == first.resources(CLUSTER.url)


def test_encoded_endpoints_are_kept_only_for_endpoints_that_exist(builder: ResourceBuilder) -> None:
    many = [endpoint(port=port) for port in range(1, 100)]
    snapshot = builder.apply(Snapshot(), appeared(service("web", many), service("api", [endpoint()])))

    snapshot = builder.apply(snapshot, changed(service("web", [endpoint(port=1), endpoint(port=100)])))
    snapshot = builder.apply(snapshot, gone("api"))

    assert {name: len(made.fragments) for name, made in builder._made.items()} == {"web": 2}


def test_an_endpoint_that_did_not_change_is_not_encoded_again(builder: ResourceBuilder) -> None:
    still, moving = endpoint(), endpoint("10.0.0.2")
    snapshot = builder.apply(Snapshot(), appeared(service("web", [still, moving])))
    before = builder._made[service("web").name].fragments[still.address, still.port]

    builder.apply(snapshot, changed(service("web", [endpoint(), endpoint("10.0.0.2", weight=2)])))

    assert builder._made[service("web").name].fragments[still.address, still.port] is before


@pytest.mark.parametrize("name", ["", "\ud800"])
def test_a_name_that_cannot_name_a_cluster_is_refused(builder: ResourceBuilder, name: str) -> None:
    with pytest.raises(ValueError, match=r"without a name|surrogates"):
        builder.apply(Snapshot(), appeared(service(name)))


@pytest.mark.parametrize("name", ["web", "with space", "a/b:c", "имя", "x" * 300])
def test_any_other_printable_name_names_a_cluster(builder: ResourceBuilder, name: str) -> None:
    snapshot = builder.apply(Snapshot(), appeared(service(name)))

    assert cluster(snapshot, name).name == name


@pytest.mark.parametrize("protocol", [UpstreamProtocol.HTTP2, UpstreamProtocol.GRPC])
def test_http2_and_grpc_are_spoken_over_http2(builder: ResourceBuilder, protocol: UpstreamProtocol) -> None:
    snapshot = builder.apply(Snapshot(), appeared(service("web", protocol=protocol)))

    options = http_options(snapshot, "web")
    assert options is not None
    assert options.explicit_http_config is not None
    assert options.explicit_http_config.http2_protocol_options is not None


def test_http1_is_explicit(builder: ResourceBuilder) -> None:
    snapshot = builder.apply(Snapshot(), appeared(service("web", protocol=UpstreamProtocol.HTTP1)))

    options = http_options(snapshot, "web")
    assert options is not None
    assert options.explicit_http_config is not None
    assert options.explicit_http_config.http_protocol_options is not None


@pytest.mark.parametrize("protocol", [None, UpstreamProtocol.TCP])
def test_tcp_and_not_known_leave_envoys_default(builder: ResourceBuilder, protocol: UpstreamProtocol | None) -> None:
    snapshot = builder.apply(Snapshot(), appeared(service("web", protocol=protocol)))

    assert http_options(snapshot, "web") is None


@pytest.mark.parametrize("protocol", [None, *UpstreamProtocol])
def test_protocol_options_of_the_operator_win(protocol: UpstreamProtocol | None) -> None:
    builder = ResourceBuilder({}, [("web", {"typed_extension_protocol_options": EXPLICIT_HTTP1})])

    snapshot = builder.apply(Snapshot(), appeared(service("web", protocol=protocol)))

    options = http_options(snapshot, "web")
    assert options is not None
    assert options.explicit_http_config is not None
    assert options.explicit_http_config.http2_protocol_options is None


def test_a_changed_protocol_changes_the_cluster(builder: ResourceBuilder) -> None:
    before = builder.apply(Snapshot(), appeared(service("web")))

    after = builder.apply(before, changed(service("web", protocol=UpstreamProtocol.GRPC)))

    assert after.version(CLUSTER.url) != before.version(CLUSTER.url)
    assert after.resources(ENDPOINT.url) is before.resources(ENDPOINT.url)


def test_the_first_matching_rule_is_laid_over_the_defaults() -> None:
    rules: list[tuple[str, dict[str, object]]] = [
        ("pay*", {"connect_timeout": "2s"}),
        ("payments", {"connect_timeout": "3s"}),
    ]
    builder = ResourceBuilder({"connect_timeout": "1s", "alt_stat_name": "default"}, rules)

    snapshot = builder.apply(Snapshot(), appeared(service("payments"), service("web"), service("Pay")))

    timeouts = {name: cluster(snapshot, name).connect_timeout for name in ("payments", "web", "Pay")}
    assert {name: timeout.total_seconds() for name, timeout in timeouts.items() if timeout} == {
        "payments": 2,
        "web": 1,
        "Pay": 1,
    }
    assert cluster(snapshot, "payments").alt_stat_name == "default"


def test_draining_endpoints_follow_the_panic_threshold_of_their_cluster() -> None:
    half = [endpoint(port=1), endpoint(port=2, health=Health.UNHEALTHY), endpoint(port=3, health=Health.DRAINING)]
    strict = {"common_lb_config": {"healthy_panic_threshold": {"value": 60}}}
    builder = ResourceBuilder({}, [("strict", strict)])

    snapshot = builder.apply(Snapshot(), appeared(service("strict", half), service("usual", half)))

    assert ports(snapshot, "strict") == [1, 2]
    assert ports(snapshot, "usual") == [1, 2, 3]


def test_priorities_are_closed_up_after_draining_endpoints_were_left_out(builder: ResourceBuilder) -> None:
    web = service("web", [served(endpoint(port=1, health=Health.DRAINING)), served(endpoint(port=2), priority=1)])

    snapshot = builder.apply(Snapshot(), appeared(web))

    alone = builder.apply(Snapshot(), appeared(service("web", [endpoint(port=2)])))
    assert assignment(snapshot, "web") == assignment(alone, "web")
