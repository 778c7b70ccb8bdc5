from collections.abc import Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.ecs.address import Host, Surroundings
from adapters.ecs.config import AddressType, Config
from adapters.ecs.mapping import Mapper, Targets
from adapters.ecs.payload import CONTAINER_INSTANCE, Task
from bridge.model import Endpoint, InstanceId, Locality, ServiceName, SetAside, UpstreamProtocol
from support.ecs import Json, container, container_definition, definition, tags, task

INSTANCE = CONTAINER_INSTANCE.validate_python(
    {
        "containerInstanceArn": "arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/ci1",
        "ec2InstanceId": "i-1",
        "attributes": [{"name": "ecs.availability-zone", "value": "eu-west-1b"}, {"name": "ecs.os-type"}],
    }
)
HOST = Host({AddressType.PRIVATE: "10.1.0.1", AddressType.PUBLIC: "54.0.0.1"}, "eu-west-1c")


def targets(mapped: Task, surroundings: Surroundings | None = None, **config: object) -> Targets:
    return Mapper(Config.model_validate(config)).task(mapped, surroundings or Surroundings(definition()))


def endpoint(
    mapped: Task, surroundings: Surroundings | None = None, service: str = "web", **config: object
) -> Endpoint:
    (entry,) = targets(mapped, surroundings, **config)[ServiceName(service)]
    assert isinstance(entry, Endpoint), entry
    return entry


def reason(mapped: Task, surroundings: Surroundings | None = None, service: str = "web", **config: object) -> str:
    (entry,) = targets(mapped, surroundings, **config)[ServiceName(service)]
    assert isinstance(entry, SetAside), entry
    return entry.reason


def on_host(mode: str = "bridge", bindings: Sequence[Json] | None = None, **more: object) -> Task:
    bound = [{"bindIP": "0.0.0.0", "containerPort": 8080, "hostPort": 32768, "protocol": "tcp"}]
    containers = [container(bindings=bound if bindings is None else bindings)]
    fields = {"launchType": "EC2", "containerInstanceArn": "ci1", "containers": containers, "availabilityZone": ""}
    return task(f"on-{mode}", **(fields | more))


def hosted(mode: str | None = "bridge", host: Host | None = HOST) -> Surroundings:
    return Surroundings(definition(mode=mode), INSTANCE, host)


def test_fargate_task_is_a_healthy_endpoint_in_its_zone() -> None:
    assert endpoint(task()) == Endpoint(
        "10.0.0.1", 8080, locality=Locality("eu-west-1", "eu-west-1a"), instance=InstanceId("t1/app")
    )


def test_task_without_a_label_is_ignored() -> None:
    assert targets(task(), Surroundings(definition("web:1", container_definition()))) == {}


@pytest.mark.parametrize("group", ["service:web", "family:web", "my-batch", ""])
def test_service_and_standalone_tasks_are_alike(group: str) -> None:
    assert endpoint(task(group=group)).address == "10.0.0.1"


def test_address_of_the_attachment_serves_until_the_container_tells_its_own() -> None:
    details = [{"name": "networkInterfaceId", "value": "eni-1"}, {"name": "privateIPv4Address", "value": "10.0.0.9"}]
    attached = task(address="", attachments=[{"type": "ElasticNetworkInterface", "details": details}])

    assert endpoint(attached).address == "10.0.0.9"


def test_running_task_without_an_address_waits_and_says_so() -> None:
    attached = task(address="", attachments=[{"type": "ElasticNetworkInterface", "status": "ATTACHING", "details": []}])

    assert "its network interface has no private address" in reason(attached)


def test_ipv6_address_on_request() -> None:
    interfaces = [{"privateIpv4Address": "10.0.0.1", "ipv6Address": "fd00:0::6"}]
    dual = task(containers=[container(networkInterfaces=interfaces)])

    assert endpoint(dual, address="ipv6").address == "fd00::6"
    assert "has no ipv6 address" in reason(task(), address="ipv6")


def test_public_address_on_request() -> None:
    known = Surroundings(definition(), public_address="54.0.0.9")

    assert endpoint(task(), known, address="public").address == "54.0.0.9"
    assert "has no public address" in reason(task(), address="public")


@pytest.mark.parametrize("mode", ["bridge", None, "default", "nat"])
def test_bridge_mode_takes_the_address_and_the_dynamic_port_of_the_host(mode: str | None) -> None:
    found = endpoint(on_host(), hosted(mode))

    assert (found.address, found.port) == ("10.1.0.1", 32768)
    assert found.locality.zone == "eu-west-1b"


def test_binding_for_two_families_is_one_endpoint() -> None:
    """ECS binds a port of a bridge to 0.0.0.0 and to `::`, often to the same host port."""
    both = [{"bindIP": ip, "containerPort": 8080, "hostPort": 32768, "protocol": "tcp"} for ip in ("0.0.0.0", "::")]

    assert endpoint(on_host(bindings=both), hosted()).port == 32768


@pytest.mark.parametrize(("chosen", "port"), [("private", 49154), ("public", 49154), ("ipv6", 49153)])
def test_port_is_that_of_the_family_of_the_address(chosen: str, port: int) -> None:
    both = [{"bindIP": "0.0.0.0", "containerPort": 8080, "hostPort": 49154}]
    both += [{"bindIP": "::", "containerPort": 8080, "hostPort": 49153}]
    host = Host({AddressType.PRIVATE: "10.1.0.1", AddressType.PUBLIC: "54.0.0.1", AddressType.IPV6: "2001:db8::1"})

    assert endpoint(on_host(bindings=both), hosted(host=host), address=chosen).port == port
    assert endpoint(on_host(bindings=both[:1]), hosted(host=host), address=chosen).port == 49154, "the only one"


def test_port_of_a_range_is_found_in_the_range_of_the_host() -> None:
    ranged = [{"containerPortRange": "8000-8100", "hostPortRange": "40000-40100", "protocol": "tcp"}]

    assert endpoint(on_host(bindings=ranged), hosted()).port == 40080


def test_unbound_port_of_a_bridge_is_set_aside() -> None:
    udp = [{"containerPort": 8080, "hostPort": 32768, "protocol": "udp"}]

    assert "its port 8080 is bound to no port of its host" in reason(on_host(bindings=udp), hosted())


def test_host_mode_takes_the_container_port_with_or_without_a_binding() -> None:
    assert endpoint(on_host(bindings=[]), hosted("host")).port == 8080
    bound = [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}]
    assert endpoint(on_host(bindings=bound), hosted("host")).port == 8080


def test_external_task_takes_the_address_of_its_machine() -> None:
    machine = CONTAINER_INSTANCE.validate_python({"containerInstanceArn": "ci1", "ec2InstanceId": "mi-1"})
    at_home = Surroundings(definition(mode="bridge"), machine, Host({AddressType.PRIVATE: "192.168.1.7"}))

    found = endpoint(on_host(launchType="EXTERNAL"), at_home)

    assert (found.address, found.port, found.locality.zone) == ("192.168.1.7", 32768, "")


@pytest.mark.parametrize("launch_type", ["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES", "SOMETHING_NEW", ""])
def test_any_launch_type_with_an_interface_of_its_own_is_served(launch_type: str) -> None:
    assert endpoint(task(launchType=launch_type)).address == "10.0.0.1"


@pytest.mark.parametrize(
    ("surroundings", "said"),
    [
        (Surroundings(definition(mode="bridge")), "container instance cannot be looked up"),
        (hosted(host=None), "host i-1 is not known to EC2"),
        (hosted(host=Host({})), "host i-1 has no private address"),
        (hosted("none"), "network mode is none"),
        (hosted("quantum"), "network mode 'quantum' is not known"),
    ],
)
def test_what_cannot_be_reached_is_set_aside_with_the_reason(surroundings: Surroundings, said: str) -> None:
    found = reason(on_host(), surroundings)

    assert said in found
    assert "task on-bridge (web:1) container 'app'" in found


def test_host_is_not_told_yet() -> None:
    assert "which container instance" in reason(on_host(containerInstanceArn=""), hosted())


def test_public_address_of_the_host() -> None:
    assert endpoint(on_host(), hosted(), address="public").address == "54.0.0.1"


def test_zone_of_the_host_when_nobody_else_tells() -> None:
    silent = CONTAINER_INSTANCE.validate_python({"containerInstanceArn": "ci1", "ec2InstanceId": "i-1"})

    assert endpoint(on_host(), Surroundings(definition(mode="host"), silent, HOST)).locality.zone == "eu-west-1c"


def test_zone_ids_take_the_place_of_names() -> None:
    assert endpoint(task(), Surroundings(definition(), zones={"eu-west-1a": "euw1-az2"})).locality.zone == "euw1-az2"
    assert endpoint(task(), Surroundings(definition(), zones={})).locality.zone == ""


def test_labels_decide_weight_protocol_locality_and_metadata() -> None:
    labelled = definition(
        "web:1",
        container_definition(
            xds_service="web", xds_weight="7", xds_protocol="grpc", xds_zone="z", xds_region="r", xds_meta_version="v1"
        ),
    )

    found = endpoint(task(), Surroundings(labelled))

    assert (found.weight, found.protocol, found.locality) == (7, UpstreamProtocol.GRPC, Locality("r", "z"))
    assert found.metadata == (("version", "v1"),)


def test_facts_become_metadata_on_request_and_labels_win() -> None:
    labelled = definition("web:3", container_definition(xds_service="web", xds_meta_task="mine"))
    facts = ["cluster", "service", "family", "revision", "container", "task", "deployment", "launch_type",
             "capacity_provider"]  # fmt: skip

    found = endpoint(task(startedBy="ecs-svc/42"), Surroundings(labelled), metadata=facts)

    assert found.metadata == (
        ("cluster", "prod"), ("container", "app"), ("deployment", "ecs-svc/42"), ("family", "web"),
        ("launch_type", "FARGATE"), ("revision", "3"), ("service", "web"), ("task", "mine"),
    )  # fmt: skip
    assert endpoint(task(), Surroundings(labelled)).metadata == (("task", "mine"),)


def test_several_containers_and_ports_each_serve_their_own() -> None:
    both = definition(
        "web:1",
        container_definition("app", ports=[8080, 9090], xds_service="web:8080 admin:9090"),
        container_definition("proxy", ports=[15000], xds_service="mesh"),
    )
    running = task(containers=[container("app", address="10.0.0.1"), container("proxy", address="10.0.0.1")])

    found = targets(running, Surroundings(both))

    assert {name: [(one.address, one.port) for one in entries if isinstance(one, Endpoint)] for name, entries in
            found.items()} == {"web": [("10.0.0.1", 8080)], "admin": [("10.0.0.1", 9090)],
                               "mesh": [("10.0.0.1", 15000)]}  # fmt: skip


def test_malformed_label_sets_its_container_aside_and_no_other() -> None:
    one_bad = definition(
        "web:1",
        container_definition("app", xds_service="web", xds_weight="heavy"),
        container_definition("api", ports=[9090], xds_service="api"),
    )
    running = task(containers=[container("app", address="10.0.0.1"), container("api", address="10.0.0.1")])

    assert "'heavy' must be a whole number from 1 to 128" in reason(running, Surroundings(one_bad))
    assert endpoint(running, Surroundings(one_bad), "api").port == 9090


def test_container_that_is_taken_out_is_shown_with_the_reason() -> None:
    out = definition("web:1", container_definition(xds_service="web", xds_enable="false"))

    assert "its xds-enable is false" in reason(task(), Surroundings(out))


def test_container_that_the_task_does_not_tell_of_waits() -> None:
    assert "does not tell of this container yet" in reason(task(containers=[]))


def test_address_that_is_none_is_set_aside() -> None:
    assert "is not an IP address" in reason(task(address="web.internal"))


@pytest.mark.parametrize("status", ["PROVISIONING", "PENDING", "ACTIVATING"])
def test_starting_task_names_its_service_and_is_not_published(status: str) -> None:
    assert targets(task(address="", lastStatus=status)) == {ServiceName("web"): frozenset()}


@pytest.mark.parametrize(
    "states", [{"lastStatus": "HIBERNATING"}, {"desiredStatus": "DREAMING"}, {"lastStatus": "", "desiredStatus": ""}]
)
def test_state_of_another_version_sets_the_task_aside(states: dict[str, str]) -> None:
    assert "which is not known to this version" in reason(task(**states))


def test_same_port_claimed_by_two_containers_is_one_endpoint_and_one_set_aside() -> None:
    rivals = definition(
        "web:1",
        container_definition("app", xds_service="web:8080"),
        container_definition("old", xds_service="web:8080"),
    )
    running = task(containers=[container("app", address="10.0.0.1"), container("old", address="10.0.0.1")])

    entries = targets(running, Surroundings(rivals))[ServiceName("web")]

    assert sorted(type(entry).__name__ for entry in entries) == ["Endpoint", "SetAside"]


words = st.sampled_from(["", "awsvpc", "bridge", "host", "none", "RUNNING", "STOPPED", "HEALTHY", "web:1", "8080", "x"])
texts = words | st.text(max_size=20)
fields = st.sampled_from(["lastStatus", "desiredStatus", "healthStatus", "group", "launchType", "availabilityZone",
                          "containerInstanceArn", "connectivity"])  # fmt: skip


@given(
    mode=words,
    fields=st.dictionaries(fields, texts),
    labels=st.dictionaries(st.sampled_from(["xds-service", "xds-weight", "xds-meta-", "xds-x", "other"]), texts),
    tagged=st.dictionaries(st.sampled_from(["xds-service", "xds-zone", "xds-enable"]), texts),
    address=texts,
    port=st.integers(-1, 70000),
)  # fmt: skip
def test_whatever_a_task_says_costs_its_neighbour_nothing(
    mode: str, fields: dict[str, str], labels: dict[str, str], tagged: dict[str, str], address: str, port: int
) -> None:
    """Nothing that an owner can write raises, and the labelled neighbour in the same task is served or set aside."""
    odd = {"name": "odd", "portMappings": [{"containerPort": port}], "dockerLabels": labels}
    both = definition("web:1", odd, container_definition("app", xds_service="neighbour:8080"), mode=mode)
    running = task(
        "t1",
        containers=[container("odd", address=address), container("app", address="10.0.0.1")],
        tags=tags(**{key.replace("-", "_"): value for key, value in tagged.items()}),
        **cast("dict[str, object]", fields),
    )

    found = targets(running, Surroundings(both, INSTANCE, HOST))

    assert ServiceName("neighbour") in found
