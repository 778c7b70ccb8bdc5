import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._aws.instance import Instance
from adapters.ec2.config import Config
from adapters.ec2.mapping import KNOWN_STATES, Mapper, Sight
from adapters.ec2.payload import instances
from bridge.model import Endpoint, Entry, Health, InstanceId, Locality, SetAside, UpstreamProtocol

Json = dict[str, object]

TAGS = {"xds-service": "web:8080"}


def instance(tags: dict[str, str] | None = None, state: str = "running", fields: Json | None = None) -> Instance:
    shown: Json = {
        "InstanceId": "i-0123456789abcdef0",
        "State": {"Code": 16, "Name": state},
        "PrivateIpAddress": "10.0.0.7",
        "Placement": {"AvailabilityZone": "eu-west-1a", "Tenancy": "default"},
        "Tags": [{"Key": key, "Value": value} for key, value in (TAGS if tags is None else tags).items()],
        **(fields or {}),
    }
    (found,) = instances({"Reservations": [{"Instances": [shown]}]})
    assert isinstance(found, Instance)
    return found


def mapped(sight: Instance | Sight, **config: object) -> dict[str, Entry | None]:
    mapper = Mapper(Config.model_validate({"region": "eu-west-1", **config}), "eu-west-1")
    return {str(name): entry for name, entry in mapper.mapped(sight if isinstance(sight, Sight) else Sight(sight))}


def only(sight: Instance | Sight, **config: object) -> Endpoint:
    ((_, entry),) = mapped(sight, **config).items()
    assert isinstance(entry, Endpoint), entry
    return entry


def reason(sight: Instance | Sight, **config: object) -> str:
    entry = mapped(sight, **config)["web"]
    assert isinstance(entry, SetAside), entry
    return entry.reason


def interface(device: int, private: str, public: str = "", ipv6: tuple[tuple[str, bool], ...] = ()) -> Json:
    return {
        "Attachment": {"DeviceIndex": device, "NetworkCardIndex": 0},
        "PrivateIpAddress": private,
        **({"Association": {"PublicIp": public}} if public else {}),
        "Ipv6Addresses": [{"Ipv6Address": address, "IsPrimaryIpv6": primary} for address, primary in ipv6],
    }


def test_a_running_instance_is_a_healthy_endpoint_in_its_zone() -> None:
    assert mapped(instance()) == {
        "web": Endpoint(
            "10.0.0.7", 8080, locality=Locality("eu-west-1", "eu-west-1a"), instance=InstanceId("i-0123456789abcdef0")
        )
    }


@pytest.mark.parametrize(
    ("state", "health"),
    [("running", Health.HEALTHY), ("stopping", Health.DRAINING), ("shutting-down", Health.DRAINING)],
)
def test_the_state_decides_the_health(state: str, health: Health) -> None:
    assert only(instance(state=state)).health is health


@pytest.mark.parametrize("state", ["pending", "stopped"])
def test_an_instance_that_does_not_serve_leaves_its_service_empty_and_not_gone(state: str) -> None:
    assert mapped(instance(state=state)) == {"web": None}


def test_a_terminated_instance_names_no_service() -> None:
    assert mapped(instance(state="terminated")) == {}


def test_an_unknown_state_is_set_aside() -> None:
    assert "its state 'hibernating' is none that the bridge knows" in reason(instance(state="hibernating"))


def test_an_impaired_instance_is_unhealthy_and_a_leaving_one_stays_draining() -> None:
    assert only(Sight(instance(), impaired=True)).health is Health.UNHEALTHY
    assert only(Sight(instance(state="stopping"), impaired=True)).health is Health.DRAINING


def test_an_instance_that_was_said_to_end_soon_is_draining_unless_it_serves_nothing_yet() -> None:
    assert only(Sight(instance(), leaving=True)).health is Health.DRAINING
    assert only(Sight(instance(), leaving=True, impaired=True)).health is Health.DRAINING
    assert mapped(Sight(instance(state="pending"), leaving=True)) == {"web": None}
    assert mapped(Sight(instance(), leaving=True, lifecycle="Warmed:Running")) == {"web": None}


@pytest.mark.parametrize(
    ("lifecycle", "health"),
    [
        ("InService", Health.HEALTHY),
        ("", Health.HEALTHY),
        ("Detached", Health.HEALTHY),
        ("SomethingNew", Health.HEALTHY),
        ("Terminating:Wait", Health.DRAINING),
        ("Terminated", Health.DRAINING),
        ("Standby", Health.DRAINING),
        ("EnteringStandby", Health.DRAINING),
        ("Detaching", Health.DRAINING),
        ("Pending:Proceed", None),
        ("Warmed:Running", None),
        ("Warmed:Pending:Wait", None),
    ],
)
def test_auto_scaling_decides_who_takes_traffic(lifecycle: str, health: Health | None) -> None:
    found = mapped(Sight(instance(), lifecycle=lifecycle))["web"]

    assert (found.health if isinstance(found, Endpoint) else found) is health


def test_one_instance_can_serve_several_services() -> None:
    found = mapped(instance({"xds-service": "web:8080, api:9090", "xds-weight": "3", "xds-protocol": "grpc"}))

    assert {name: str(entry.key) for name, entry in found.items() if isinstance(entry, Endpoint)} == {
        "web": "10.0.0.7:8080",
        "api": "10.0.0.7:9090",
    }
    assert {entry.weight for entry in found.values() if isinstance(entry, Endpoint)} == {3}
    assert {entry.protocol for entry in found.values() if isinstance(entry, Endpoint)} == {UpstreamProtocol.GRPC}


def test_facts_become_metadata_on_request_and_tags_win() -> None:
    told: Json = {"InstanceType": "m7g.large", "SubnetId": "subnet-1", "VpcId": "vpc-1", "InstanceLifecycle": "spot"}
    facts = ["vpc", "type", "lifecycle", "subnet", "instance_id"]
    found = instance({**TAGS, "xds-meta-type": "mine", "xds-meta-version": "v1"}, fields=told)

    assert only(found, metadata=facts).metadata == (
        ("instance_id", "i-0123456789abcdef0"),
        ("lifecycle", "spot"),
        ("subnet", "subnet-1"),
        ("type", "mine"),
        ("version", "v1"),
        ("vpc", "vpc-1"),
    )
    assert only(found).metadata == (("type", "mine"), ("version", "v1"))
    assert only(instance(), metadata=["lifecycle"]).metadata == (), "an instance on demand has none"


def test_tags_speak_for_the_locality_and_the_metadata() -> None:
    tags = {**TAGS, "xds-zone": "rack-1", "xds-region": "office", "xds-meta-version": "v1", "Name": "web-1"}

    found = only(instance(tags))

    assert found.locality == Locality("office", "rack-1")
    assert found.metadata == (("version", "v1"),)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"xds-service": "web"}, "its xds-service names no port; write it like 'web:8080'"),
        ({**TAGS, "xds-enable": "false"}, "its xds-enable is false"),
        ({**TAGS, "xds-weight": "0"}, "whole number from 1 to 128"),
        ({**TAGS, "xds-wieght": "5"}, "did you mean 'xds-weight'?"),
        ({"xds-service": "web:70000"}, "whole number from 1 to 65535"),
        ({"xds-service": "web:"}, "must be a whole number"),
        ({"xds-service": "web:80 web:81"}, "names a service twice"),
    ],
)
def test_a_wrong_tag_sets_the_instance_aside_with_its_reason(tags: dict[str, str], expected: str) -> None:
    assert "i-0123456789abcdef0" in reason(instance(tags))
    assert expected in reason(instance(tags))


@pytest.mark.parametrize("value", ["", " ", ":", ":80", "\x00:80"])
def test_a_tag_that_names_nothing_belongs_to_no_service(value: str) -> None:
    assert mapped(instance({"xds-service": value})) == {}


def test_keys_of_tags_are_compared_letter_by_letter() -> None:
    assert mapped(instance({"Xds-Service": "web:8080"})) == {}


def test_the_prefix_can_be_chosen() -> None:
    tags = {"envoy/service": "web:80", "xds-service": "other:1"}

    assert list(mapped(instance(tags), label_prefix="envoy/")) == ["web"]


@pytest.mark.parametrize(
    ("config", "fields", "expected"),
    [
        ({}, {}, "10.0.0.7"),
        ({"address": "public"}, {"PublicIpAddress": "52.1.2.3"}, "52.1.2.3"),
        ({"address": "ipv6"}, {"Ipv6Address": "fd00:0::6"}, "fd00::6"),
        (
            {"address": "ipv6"},
            {
                "Ipv6Address": "fd00::1",
                "NetworkInterfaces": [interface(0, "", ipv6=(("fd00::1", False), ("fd00::2", True)))],
            },
            "fd00::2",
        ),
        (
            {"address": "ipv6"},
            {"NetworkInterfaces": [interface(0, "", ipv6=(("fd00::3", False),))]},
            "fd00::3",
        ),
        (
            {"device_index": 1},
            {"NetworkInterfaces": [interface(0, "10.0.0.7"), interface(1, "10.1.0.9")]},
            "10.1.0.9",
        ),
        (
            {"device_index": 1, "address": "public"},
            {"NetworkInterfaces": [interface(1, "10.1.0.9", "52.9.9.9")]},
            "52.9.9.9",
        ),
        (
            {"device_index": 1, "address": "ipv6"},
            {"NetworkInterfaces": [interface(1, "", ipv6=(("fd00::8", False), ("fd00::9", True)))]},
            "fd00::9",
        ),
    ],
)
def test_the_address_is_the_one_asked_for(config: Json, fields: Json, expected: str) -> None:
    assert only(instance(fields=fields), **config).address == expected


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        ({"address": "public"}, "it has no public IPv4 address"),
        ({"address": "ipv6"}, "it has no IPv6 address"),
        ({"device_index": 2}, "it has no private IPv4 address at device index 2"),
    ],
)
def test_an_instance_without_the_address_is_set_aside(config: Json, missing: str) -> None:
    assert missing in reason(instance(), **config)


def test_zone_ids_are_taken_from_the_instance_or_from_the_list_of_zones() -> None:
    own = instance(fields={"Placement": {"AvailabilityZone": "eu-west-1a", "AvailabilityZoneId": "euw1-az3"}})

    assert only(own, zone_ids=True).locality.zone == "euw1-az3"
    assert only(Sight(instance(), zone_id="euw1-az2"), zone_ids=True).locality.zone == "euw1-az2"
    assert only(instance(), zone_ids=True).locality.zone == ""
    assert only(own).locality.zone == "eu-west-1a"


texts = st.text(max_size=12) | st.sampled_from(["web:80", "web", "a:1 b:2", "70000", "false", "true"])


@given(
    tags=st.dictionaries(
        st.sampled_from(["xds-service", "xds-weight", "xds-zone", "xds-enable", "xds-meta-a", "Name"]), texts
    ),
    state=st.sampled_from(sorted(KNOWN_STATES)) | st.text(max_size=8),
    address=st.sampled_from(["", "10.0.0.7", "fe80::1%e0", "db.internal"]) | st.ip_addresses().map(str),
)
def test_whatever_is_tagged_an_instance_is_served_set_aside_or_silent(
    tags: dict[str, str], state: str, address: str
) -> None:
    found = mapped(instance(tags, state, {"PrivateIpAddress": address}))

    for entry in found.values():
        if isinstance(entry, Endpoint):
            assert entry.address == str(ipaddress.ip_address(entry.address))
            assert state in {"running", "stopping", "shutting-down"}
        elif entry is not None:
            assert entry.reason
