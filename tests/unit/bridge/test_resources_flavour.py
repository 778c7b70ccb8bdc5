from datetime import timedelta

import pytest
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType
from envoy_data_plane.envoy.config.core.v3 import ApiConfigSource, ApiConfigSourceApiType, ApiVersion
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment

from bridge.bootstrap import ApiType
from bridge.merge import ServedEndpoint, Weighted, merged
from bridge.model import Health, Locality, ServiceName, SourceName
from bridge.resources import PLAIN, EdsServer, Flavour, ResourceBuilder
from support.builders import appeared, changed, endpoint, gone, served, service
from support.reports import report
from xds import CLUSTER, ENDPOINT, Snapshot

EU, US = Locality("eu"), Locality("us")


@pytest.fixture
def builder() -> ResourceBuilder:
    return ResourceBuilder({"connect_timeout": "1s"}, [])


def source(builder: ResourceBuilder, server: EdsServer) -> ApiConfigSource:
    snapshot = builder.apply(Snapshot(), appeared(service("web")), Flavour(eds=server))
    cluster = Cluster.parse(snapshot.resources(CLUSTER.url)["web"].body)
    assert cluster.type is ClusterDiscoveryType.EDS
    assert cluster.connect_timeout == timedelta(seconds=1)
    assert cluster.eds_cluster_config is not None
    config = cluster.eds_cluster_config.eds_config
    assert config is not None
    assert config.ads is None
    assert config.resource_api_version is ApiVersion.V3
    assert config.api_config_source is not None
    assert config.api_config_source.transport_api_version is ApiVersion.V3
    return config.api_config_source


@pytest.mark.parametrize("api_type", [ApiType.GRPC, ApiType.DELTA_GRPC])
def test_endpoints_can_come_by_a_stream_of_their_own(builder: ResourceBuilder, api_type: ApiType) -> None:
    found = source(builder, EdsServer("bridges", api_type, 5.0))

    assert found.api_type is ApiConfigSourceApiType[api_type]
    assert [each.envoy_grpc.cluster_name for each in found.grpc_services if each.envoy_grpc] == ["bridges"]
    assert found.set_node_on_first_message_only
    assert found.refresh_delay is None


def test_endpoints_can_be_asked_for_again_and_again(builder: ResourceBuilder) -> None:
    found = source(builder, EdsServer("bridges", ApiType.REST, 2.5))

    assert found.api_type is ApiConfigSourceApiType.REST
    assert found.cluster_names == ["bridges"]
    assert found.refresh_delay == timedelta(seconds=2.5)
    assert found.grpc_services == []


def by_region(builder: ResourceBuilder, region: str, *endpoints: ServedEndpoint) -> list[tuple[int, str, list[int]]]:
    """Priority, region and ports of each group in the assignment that a region gets."""
    snapshot = builder.apply(Snapshot(), appeared(service("web", endpoints)), Flavour(region=region))
    decoded = ClusterLoadAssignment.parse(snapshot.resources(ENDPOINT.url)["web"].body)
    groups = []
    for group in decoded.endpoints:
        found = [one.endpoint.address for one in group.lb_endpoints if one.endpoint]
        ports = [address.socket_address.port_value or 0 for address in found if address and address.socket_address]
        groups.append((group.priority, group.locality.region if group.locality else "", ports))
    return groups


def test_the_own_region_goes_before_all_others(builder: ResourceBuilder) -> None:
    groups = by_region(builder, "us", *(served(endpoint(port=n, locality=at)) for n, at in ((1, EU), (2, US))))

    assert groups == [(0, "us", [2]), (1, "eu", [1])]


def test_a_higher_priority_goes_before_the_own_region(builder: ResourceBuilder) -> None:
    groups = by_region(
        builder,
        "eu",
        served(endpoint(port=1, locality=EU), priority=0),
        served(endpoint(port=2, locality=US), priority=0),
        served(endpoint(port=3, locality=EU), priority=4),
        served(endpoint(port=4, locality=US), priority=4),
    )

    assert groups == [(0, "eu", [1]), (1, "us", [2]), (2, "eu", [3]), (3, "us", [4])]


@pytest.mark.parametrize("region", ["", "eu", "mars"])
def test_where_a_region_makes_no_difference_its_assignment_is_everybodys(builder: ResourceBuilder, region: str) -> None:
    web = appeared(service("web", [endpoint(port=1, locality=EU), endpoint(port=2, locality=EU)]))

    plain, there = (builder.apply(Snapshot(), web, flavour) for flavour in (PLAIN, Flavour(region=region)))

    assert plain.resources(ENDPOINT.url)["web"] is there.resources(ENDPOINT.url)["web"]


def test_draining_endpoints_are_judged_by_the_priority_that_a_region_gives_them(builder: ResourceBuilder) -> None:
    endpoints = [
        served(endpoint(port=1, locality=EU, health=Health.UNHEALTHY)),
        served(endpoint(port=2, locality=EU, health=Health.DRAINING)),
        served(endpoint(port=3, locality=US)),
    ]

    # Half of all are there for new requests, but of those in the region none: in panic Envoy would pick the second.
    assert by_region(builder, "", *endpoints) == [(0, "eu", [1, 2]), (0, "us", [3])]
    assert by_region(builder, "eu", *endpoints) == [(0, "eu", [1]), (1, "us", [3])]


def test_flavours_share_what_does_not_depend_on_them(builder: ResourceBuilder) -> None:
    web = appeared(service("web", [endpoint(port=1, locality=EU), endpoint(port=2, locality=US)]))
    server = EdsServer("bridges", ApiType.GRPC, 5.0)

    plain, eu, separate = (
        builder.apply(Snapshot(), web, flavour) for flavour in (PLAIN, Flavour(region="eu"), Flavour(eds=server))
    )
    again = builder.apply(Snapshot(), web, Flavour(region="eu"))

    assert plain.resources(CLUSTER.url)["web"] is eu.resources(CLUSTER.url)["web"]
    assert plain.resources(ENDPOINT.url)["web"] is separate.resources(ENDPOINT.url)["web"]
    assert again.resources(ENDPOINT.url)["web"] is eu.resources(ENDPOINT.url)["web"]
    assert eu.resources(ENDPOINT.url)["web"] != plain.resources(ENDPOINT.url)["web"]


def test_flavours_share_encoded_endpoints(builder: ResourceBuilder) -> None:
    web = service("web", [endpoint(port=1, locality=EU), endpoint(port=2, locality=US)])
    builder.apply(Snapshot(), appeared(web))
    before = dict(builder._made[web.name].fragments)

    builder.apply(Snapshot(), appeared(web), Flavour(region="eu"))

    after = builder._made[web.name].fragments
    assert all(after[key] is before[key] for key in before)


def test_nothing_is_kept_of_an_earlier_state_of_a_service_or_of_one_that_is_gone(builder: ResourceBuilder) -> None:
    old, new = (service("web", [endpoint(port=n, locality=EU), endpoint(port=9, locality=US)]) for n in (1, 2))
    for flavour in (PLAIN, Flavour(region="eu"), Flavour(region="us")):
        builder.apply(Snapshot(), appeared(old), flavour)

    builder.apply(Snapshot(), changed(new))
    kept = {name: len(made.assignments) for name, made in builder._made.items()}
    builder.apply(Snapshot(), gone("web"))

    assert kept == {"web": 1}
    assert builder._made == {}


def test_shares_hold_in_the_own_region_by_itself(builder: ResourceBuilder) -> None:
    policy = Weighted(((SourceName("vms"), 90), (SourceName("ecs"), 10)))
    reports = [report("vms", f"10.0.0.{n}", region=region) for n, region in enumerate(["eu", "us", "us"])]
    reports += [report("ecs", f"10.0.1.{n}", region="eu") for n in range(4)]
    shared = merged(ServiceName("web"), reports, policy, None, 0.0)

    def weights(region: str) -> list[int]:
        """Of the first group: the one machine, then the four tasks, in the region; everybody without one."""
        snapshot = builder.apply(Snapshot(), appeared(shared), Flavour(region=region))
        first = ClusterLoadAssignment.parse(snapshot.resources(ENDPOINT.url)["web"].body).endpoints[0]
        return [each.load_balancing_weight or 1 for each in first.lb_endpoints]

    near = weights("eu")
    assert near[0] / sum(near) == pytest.approx(0.9)
    assert len(set(near[1:])) == 1
    assert weights("") == weights("asia") != near
