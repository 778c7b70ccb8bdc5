import random

import pytest
from envoy_data_plane.envoy.config.core.v3 import Address, HealthStatus, Metadata, SocketAddress
from envoy_data_plane.envoy.config.core.v3 import Locality as EnvoyLocality
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment, LbEndpoint, LocalityLbEndpoints
from envoy_data_plane.envoy.config.endpoint.v3 import Endpoint as EnvoyEndpoint
from envoy_data_plane.google.protobuf import Struct, Value
from hypothesis import given
from hypothesis import strategies as st

from bridge.merge import ServedEndpoint
from bridge.model import MAX_WEIGHT, Endpoint, Health, Locality, canonical_address
from bridge.resources import ResourceBuilder
from bridge.resources.assignment import eligible, encode
from support.builders import changed, service
from xds import ENDPOINT, Snapshot, content_version

texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=200)
localities = st.sampled_from([Locality(), Locality("eu"), Locality("eu", "eu-1a"), Locality("", "z", "机架")])
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(lambda address: canonical_address(str(address)))
endpoints = st.builds(
    Endpoint,
    address=addresses,
    port=st.integers(1, 65535),
    health=st.sampled_from(Health),
    weight=st.integers(1, MAX_WEIGHT),
    locality=st.one_of(localities, st.builds(Locality, texts, texts, texts)),
    metadata=st.dictionaries(texts, texts, max_size=3).map(lambda pairs: tuple(sorted(pairs.items()))),
)
served_endpoints = st.builds(ServedEndpoint, endpoints, origins=st.just(()), priority=st.integers(0, 3))
sets_of_endpoints = st.lists(served_endpoints, max_size=12, unique_by=lambda served: served.endpoint.key)
names = texts.filter(bool)


def expected(name: str, served: list[ServedEndpoint]) -> ClusterLoadAssignment:
    """The assignment as envoy-data-plane has it, group by group."""
    groups = sorted({(one.priority, one.endpoint.locality) for one in served})
    priorities = sorted({priority for priority, _ in groups})
    return ClusterLoadAssignment(
        cluster_name=name,
        endpoints=[
            LocalityLbEndpoints(
                locality=_locality(locality),
                lb_endpoints=[
                    _lb_endpoint(one.endpoint)
                    for one in sorted(served, key=lambda one: one.endpoint.key)
                    if (one.priority, one.endpoint.locality) == (priority, locality)
                ],
                priority=priorities.index(priority),
            )
            for priority, locality in groups
        ],
    )


def _locality(locality: Locality) -> EnvoyLocality | None:
    if locality == Locality():
        return None
    return EnvoyLocality(region=locality.region, zone=locality.zone, sub_zone=locality.sub_zone)


def _lb_endpoint(endpoint: Endpoint) -> LbEndpoint:
    fields = {key: Value(string_value=value) for key, value in endpoint.metadata}
    socket_address = SocketAddress(address=endpoint.address, port_value=endpoint.port)
    return LbEndpoint(
        endpoint=EnvoyEndpoint(address=Address(socket_address=socket_address)),
        health_status=HealthStatus[endpoint.health.name],
        metadata=Metadata(filter_metadata={"envoy.lb": Struct(fields=fields)}) if fields else None,
        load_balancing_weight=endpoint.weight if endpoint.weight > 1 else None,
    )


@given(names, sets_of_endpoints)
def test_assignments_are_byte_for_byte_envoy_data_planes(name: str, served: list[ServedEndpoint]) -> None:
    body, _ = encode(name, served, {})

    assert body == bytes(expected(name, served))


@given(sets_of_endpoints, st.randoms(use_true_random=False))
def test_any_order_of_endpoints_gives_the_same_bytes(served: list[ServedEndpoint], randomness: random.Random) -> None:
    shuffled = list(served)
    randomness.shuffle(shuffled)

    body, _ = encode("web", served, {})
    again, _ = encode("web", shuffled, {})

    assert again == body


@pytest.fixture(scope="module")
def builder() -> ResourceBuilder:
    return ResourceBuilder({}, [])


# Few addresses and few values, so that the same endpoint comes back with another health, weight or place.
familiar_endpoints = st.builds(
    Endpoint,
    address=st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1"]),
    port=st.integers(1, 3),
    health=st.sampled_from(Health),
    weight=st.integers(1, 2),
    locality=localities,
    metadata=st.sampled_from([(), (("version", "1"),)]),
)
familiar_served = st.builds(ServedEndpoint, familiar_endpoints, origins=st.just(()), priority=st.integers(0, 3))
familiar_sets = st.lists(familiar_served, max_size=6, unique_by=lambda served: served.endpoint.key)


@given(history=st.lists(familiar_sets, min_size=2, max_size=5))
def test_whatever_was_served_before_the_version_is_of_the_content(
    builder: ResourceBuilder, history: list[list[ServedEndpoint]]
) -> None:
    snapshot = Snapshot()
    for served in history:
        snapshot = builder.apply(snapshot, changed(service("web", served)))

    fresh, _ = encode("web", eligible(history[-1], 50), {})

    assert snapshot.resources(ENDPOINT.url)["web"].version == content_version(fresh)


@given(sets_of_endpoints, st.floats(0, 100))
def test_only_draining_endpoints_are_ever_left_out_and_never_the_last(
    served: list[ServedEndpoint], threshold: float
) -> None:
    chosen = eligible(served, threshold)

    assert all(one in chosen for one in served if one.endpoint.health is not Health.DRAINING)
    assert bool(chosen) == bool(served)
