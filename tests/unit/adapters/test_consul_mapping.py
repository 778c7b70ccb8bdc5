from collections.abc import Mapping
from typing import TypeGuard, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.consul.config import Config
from adapters.consul.mapping import Mapper, Targets, selected
from adapters.consul.payload import HEALTH, HealthEntry
from bridge.model import Endpoint, Entry, Health, InstanceId, Locality, ServiceName, SetAside, UpstreamProtocol

Json = Mapping[str, object]


def entry(
    service: Json | None = None, *, node: Json | None = None, checks: list[tuple[str, str]] | None = None
) -> HealthEntry:
    """An instance as Consul describes it; checks are (CheckID, Status)."""
    described = {
        "Node": {"Node": "vm1", "Address": "10.9.9.9", "Datacenter": "dc1", "TaggedAddresses": None, **(node or {})},
        "Service": {"ID": "w1", "Service": "web", "Address": "10.0.0.1", "Port": 80, "Tags": None, **(service or {})},
        "Checks": [{"CheckID": check, "Status": status, "Node": "vm1"} for check, status in checks or []],
    }
    return HEALTH.validate_python([described])[0]


def targets(*entries: HealthEntry, **config: object) -> Targets:
    return Mapper(Config.model_validate(config), "dc1").targets("web", entries)


def endpoint(*entries: HealthEntry, **config: object) -> Endpoint:
    (mapped,) = targets(*entries, **config)[ServiceName("web")]
    assert isinstance(mapped, Endpoint), mapped
    return mapped


def set_aside(*entries: HealthEntry, **config: object) -> SetAside:
    (mapped,) = [mapped for mapped in targets(*entries, **config)[ServiceName("web")] if isinstance(mapped, SetAside)]
    return mapped


def test_plain_instance_is_a_healthy_endpoint_in_its_datacenter() -> None:
    assert endpoint(entry()) == Endpoint("10.0.0.1", 80, locality=Locality(region="dc1"), instance=InstanceId("vm1/w1"))


@pytest.mark.parametrize(
    ("checks", "health"),
    [
        ([], Health.HEALTHY),
        ([("a", "passing")], Health.HEALTHY),
        ([("a", "passing"), ("b", "warning")], Health.HEALTHY),
        ([("a", "warning"), ("b", "critical")], Health.UNHEALTHY),
        ([("serfHealth", "critical")], Health.UNHEALTHY),
        ([("a", "passing"), ("b", "puzzled")], Health.UNKNOWN),
        ([("a", "critical"), ("b", "puzzled")], Health.UNHEALTHY),
        ([("_node_maintenance", "critical")], Health.DRAINING),
        ([("a", "critical"), ("_service_maintenance:w1", "critical")], Health.DRAINING),
    ],
)
def test_worst_check_decides_the_health(checks: list[tuple[str, str]], health: Health) -> None:
    assert endpoint(entry(checks=checks)).health is health


def test_health_is_not_decorative() -> None:
    """A control plane that sends every instance as healthy sends traffic to dead ones."""
    assert endpoint(entry(checks=[("a", "critical")])).health is not Health.HEALTHY


def test_warning_takes_the_weight_that_consul_gives_it() -> None:
    weights = {"Weights": {"Passing": 10, "Warning": 3}}

    assert endpoint(entry(weights)).weight == 10
    assert endpoint(entry(weights, checks=[("a", "warning")])).weight == 3
    assert endpoint(entry(weights, checks=[("a", "critical")])).weight == 10


def test_warning_can_be_degraded() -> None:
    assert endpoint(entry(checks=[("a", "warning")]), warning="degraded").health is Health.DEGRADED


@pytest.mark.parametrize("warning", ["healthy", "degraded"])
def test_warning_without_weight_takes_no_traffic(warning: str) -> None:
    weights = {"Weights": {"Passing": 10, "Warning": 0}}

    mapped = endpoint(entry(weights, checks=[("a", "warning")]), warning=warning)

    assert (mapped.health, mapped.weight) == (Health.UNHEALTHY, 1)


def test_weights_above_the_highest_keep_their_shares() -> None:
    heavy = entry({"ID": "heavy", "Weights": {"Passing": 1000, "Warning": 1}})
    light = entry({"ID": "light", "Address": "10.0.0.2", "Weights": {"Passing": 250, "Warning": 1}})

    mapped = targets(heavy, light)[ServiceName("web")]

    assert {cast("Endpoint", one).weight for one in mapped} == {128, 32}


def test_a_failing_check_does_not_change_the_weights_of_others() -> None:
    other = entry({"ID": "other", "Address": "10.0.0.2", "Weights": {"Passing": 100, "Warning": 1}})
    heavy = {"Weights": {"Passing": 1000, "Warning": 1}}

    quiet, noisy = (
        [one.weight for one in targets(entry(heavy, checks=checks), other)[ServiceName("web")] if _is_other(one)]
        for checks in ([], [("a", "warning")])
    )

    assert quiet == noisy


def _is_other(mapped: Entry) -> TypeGuard[Endpoint]:
    return isinstance(mapped, Endpoint) and mapped.address == "10.0.0.2"


TAGGED: Json = {"TaggedAddresses": {"wan": {"Address": "1.2.3.4", "Port": 8443}, "lan": {"Address": "10.0.0.7"}}}
NODE_TAGGED: Json = {"TaggedAddresses": {"wan": "5.6.7.8"}}


@pytest.mark.parametrize(
    ("service", "node", "tagged", "expected"),
    [
        ({}, {}, None, "10.0.0.1:80"),
        ({"Address": ""}, {}, None, "10.9.9.9:80"),
        (TAGGED, NODE_TAGGED, None, "10.0.0.1:80"),
        (TAGGED, NODE_TAGGED, "wan", "1.2.3.4:8443"),
        (TAGGED, NODE_TAGGED, "lan", "10.0.0.7:80"),
        ({}, NODE_TAGGED, "wan", "10.0.0.1:80"),
        ({"Address": ""}, NODE_TAGGED, "wan", "5.6.7.8:80"),
        ({"Address": ""}, NODE_TAGGED, "lan", "10.9.9.9:80"),
        ({"Address": "fd00:0::00A6"}, {}, None, "[fd00::a6]:80"),
        ({"Address": "::ffff:10.0.0.3"}, {}, None, "10.0.0.3:80"),
    ],
)
def test_address_is_the_most_specific_one(service: Json, node: Json, tagged: str | None, expected: str) -> None:
    assert str(endpoint(entry(service, node=node), tagged_address=tagged).key) == expected


@pytest.mark.parametrize(
    ("service", "reported", "reason"),
    [
        ({"Address": "web.example"}, "web.example:80", "is not an IP address"),
        ({"Port": 0}, "10.0.0.1:0", "port 0 is not between"),
        ({"Port": 70000}, "10.0.0.1:70000", "port 70000 is not between"),
        ({"Meta": {"xds-weight": "heavy"}}, "10.0.0.1:80", "'xds-weight'"),
        ({"Meta": {"xds-wieght": "3"}}, "10.0.0.1:80", "did you mean 'xds-weight'"),
        ({"Meta": {"zone": "a\nb"}}, "10.0.0.1:80", "control character"),
        ({"Meta": {"xds-enable": "false"}}, "10.0.0.1:80", "xds-enable is false"),
    ],
)
def test_bad_instance_is_set_aside_with_its_name(service: Json, reported: str, reason: str) -> None:
    aside = set_aside(entry({"ID": "bad", **service}))

    assert aside.instance == "vm1/bad"
    assert aside.reported == reported
    assert aside.reason.startswith("instance 'bad' on node 'vm1': ")
    assert reason in aside.reason


def test_one_hostname_does_not_take_its_service_along() -> None:
    mapped = targets(entry({"ID": "bad", "Address": "web.example"}), entry())[ServiceName("web")]

    assert {type(one) for one in mapped} == {Endpoint, SetAside}


def test_ipv6_address_with_letters_is_no_hostname() -> None:
    assert endpoint(entry({"Address": "fd00::beef"})).address == "fd00::beef"


def test_two_instances_of_one_address_are_one_endpoint_and_not_its_double_weight() -> None:
    dead = entry({"ID": "a-old", "Weights": {"Passing": 3, "Warning": 1}}, checks=[("a", "critical")])
    alive = entry({"ID": "b-new", "Weights": {"Passing": 4, "Warning": 1}})

    mapped = targets(dead, alive)[ServiceName("web")]

    (kept,) = [one for one in mapped if isinstance(one, Endpoint)]
    assert (kept.instance, kept.weight, kept.health) == ("vm1/b-new", 4, Health.HEALTHY)
    (aside,) = [one for one in mapped if isinstance(one, SetAside)]
    assert aside == SetAside(
        InstanceId("vm1/a-old"), "10.0.0.1:80", "instance 'vm1/a-old' has the address and port of 'vm1/b-new'"
    )


def test_same_service_id_on_two_nodes_is_two_instances() -> None:
    mapped = targets(entry({"Address": ""}), entry({"Address": ""}, node={"Node": "vm2", "Address": "10.9.9.8"}))

    assert {one.instance for one in mapped[ServiceName("web")]} == {"vm1/w1", "vm2/w1"}


@pytest.mark.parametrize(
    "kind", ["connect-proxy", "mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway"]
)
def test_the_mesh_itself_is_no_service(kind: str) -> None:
    assert targets(entry({"Kind": kind})) == {}


@pytest.mark.parametrize(
    ("service", "node", "config", "expected"),
    [
        ({}, {}, {}, Locality("dc1")),
        ({}, {"Datacenter": ""}, {}, Locality("dc1")),
        ({}, {"Meta": {"zone": "n"}}, {}, Locality("dc1", "n")),
        ({"Meta": {"zone": "s"}}, {"Meta": {"zone": "n"}}, {}, Locality("dc1", "s")),
        ({"Meta": {"availability-zone": "s"}}, {}, {}, Locality("dc1", "s")),
        ({"Meta": {"az": "s", "zone": "x"}}, {}, {"zone_meta": ["az"]}, Locality("dc1", "s")),
        ({"Meta": {"r": "eu"}}, {}, {"region_meta": ["r"]}, Locality("eu")),
        ({"Meta": {"zone": "s"}, "Locality": {"Region": "eu", "Zone": "l"}}, {}, {}, Locality("eu", "l")),
        ({}, {"Locality": {"Region": "eu", "Zone": "l"}}, {}, Locality("eu", "l")),
        ({"Meta": {"xds-zone": "x", "xds-region": "us", "zone": "s"}}, {}, {}, Locality("us", "x")),
    ],
)
def test_locality_is_the_most_specific_one(service: Json, node: Json, config: Json, expected: Locality) -> None:
    assert endpoint(entry(service, node=node), **config).locality == expected


def test_labels_speak_for_the_instance() -> None:
    mapped = endpoint(
        entry({"Meta": {"xds-weight": "7", "xds-protocol": "grpc", "xds-meta-version": "2", "owner": "me"}})
    )

    assert (mapped.weight, mapped.protocol) == (7, UpstreamProtocol.GRPC)
    assert mapped.metadata == (("version", "2"),)


def test_label_prefix_can_be_chosen() -> None:
    assert endpoint(entry({"Meta": {"lb-weight": "7", "xds-weight": "8"}}), label_prefix="lb-").weight == 7


def test_instance_can_serve_other_names_and_ports() -> None:
    mapped = targets(entry({"Meta": {"xds-service": "shop, admin:9000"}}), entry({"ID": "w2", "Address": "10.0.0.2"}))

    keys = {name: {str(one.key) for one in found if isinstance(one, Endpoint)} for name, found in mapped.items()}
    assert keys == {"shop": {"10.0.0.1:80"}, "admin": {"10.0.0.1:9000"}, "web": {"10.0.0.2:80"}}


def test_port_of_a_label_makes_up_for_a_missing_one() -> None:
    assert endpoint(entry({"Port": 0, "Meta": {"xds-service": "web:8080"}})).port == 8080


def test_name_can_be_composed() -> None:
    assert set(targets(entry(), service_name="{service}.{datacenter}")) == {"web.dc1"}


def test_metadata_holds_nothing_that_changes_by_itself() -> None:
    assert endpoint(entry({"Meta": {"build": "17"}, "Tags": ["v1"]}, checks=[("a", "passing")])).metadata == ()


def test_instances_of_another_spelling_are_another_service() -> None:
    mapper = Mapper(Config(), "dc1")

    assert mapper.matching("web", [entry({"Service": "WEB"}), entry()]) == (entry(),)


def test_an_instance_must_carry_all_tags() -> None:
    mapper = Mapper(Config(tags=("a", "b")), "dc1")
    both = entry({"Tags": ["b", "a", "c"]})

    assert mapper.matching("web", [entry(), entry({"Tags": ["a"]}), both]) == (both,)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {"web", "web-admin", "db"}),
        ({"services": {"include": ["web*"]}}, {"web", "web-admin"}),
        ({"services": {"exclude": ["*-admin"]}}, {"web", "db"}),
        ({"services": {"include": ["web*"], "exclude": ["web"]}}, {"web-admin"}),
        ({"services": {"include": []}}, set()),
        ({"services": {"include": ["WEB"]}}, set()),
        ({"services": {"include": ["consul"]}}, set()),
        ({"tags": ["v1"]}, {"web"}),
        ({"tags": ["v1", "v3"]}, set()),
    ],
)
def test_selection_follows_globs_and_tags(config: Json, expected: set[str]) -> None:
    catalog = {"consul": (), "web": ("v1", "v2"), "web-admin": (), "db": ("v3",)}

    assert selected(catalog, Config.model_validate(config)) == expected


@given(
    st.lists(
        st.builds(
            lambda ident, address, port, status, meta: entry(
                {"ID": ident, "Address": address, "Port": port, "Meta": meta}, checks=[("c", status)]
            ),
            st.text(max_size=3),
            st.sampled_from(["10.0.0.1", "10.0.0.2", "::1", "host", ""]) | st.text(max_size=5),
            st.integers(-1, 70000) | st.just(80),
            st.sampled_from(["passing", "warning", "critical", ""]),
            st.dictionaries(st.sampled_from(["zone", "xds-zone", "xds-weight", "xds-service", "xds-x"]), st.text()),
        ),
        max_size=5,
    )
)
def test_whatever_consul_says_each_instance_is_an_endpoint_or_set_aside(entries: list[HealthEntry]) -> None:
    mapped = [one for found in targets(*entries).values() for one in found]

    assert {one.instance for one in mapped} == {f"vm1/{one.service.id}" for one in entries}
    for found in targets(*reversed(entries)).values():
        keys = [one.key for one in found if isinstance(one, Endpoint)]
        assert len(keys) == len(set(keys))


@given(st.permutations([entry({"ID": f"i{n}", "Address": f"10.0.0.{n % 3}"}) for n in range(6)]))
def test_order_of_the_answer_does_not_matter(entries: list[HealthEntry]) -> None:
    ordered = sorted(entries, key=lambda one: one.service.id)

    assert targets(*entries) == targets(*ordered)
