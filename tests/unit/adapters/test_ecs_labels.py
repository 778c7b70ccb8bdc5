import pytest

from adapters.ecs.labels import BadClaim, Claim, claims
from adapters.ecs.payload import Task, TaskDefinition
from support.ecs import Json, container_definition, definition, tags, task


def claimed(mapped: Task, described: TaskDefinition, prefix: str = "xds-") -> set[tuple[str, str, int]]:
    """Service, container and port of every claim; none may be bad."""
    found = list(claims(mapped, described, prefix))
    assert not [claim for claim in found if isinstance(claim, BadClaim)]
    return {(claim.service, claim.container.name, claim.port) for claim in found if isinstance(claim, Claim)}


def refused(mapped: Task, described: TaskDefinition) -> dict[str, str]:
    """The reason for each service that cannot be had; every claim has to be bad."""
    found = list(claims(mapped, described, "xds-"))
    assert all(isinstance(claim, BadClaim) for claim in found)
    return {claim.service: claim.reason for claim in found if isinstance(claim, BadClaim)}


def web(*ports: int | Json, service: str = "web") -> TaskDefinition:
    return definition("web:1", container_definition(ports=ports, xds_service=service))


def sidecar(**labels: str) -> TaskDefinition:
    """An application on 8080 with these labels beside a proxy on 9901 without any."""
    return definition(
        "web:1", container_definition("app", ports=[8080], **labels), container_definition("proxy", ports=[9901])
    )


def test_named_port_needs_no_mapping() -> None:
    assert claimed(task(), web(service="web:9999")) == {("web", "app", 9999)}


def test_only_tcp_port_needs_no_name() -> None:
    udp: Json = {"containerPort": 8125, "protocol": "udp"}

    assert claimed(task(), web(8080, udp, 8080)) == {("web", "app", 8080)}


def test_port_mapping_called_like_the_service_is_the_one() -> None:
    described = web(
        {"containerPort": 8080, "name": "web"}, {"containerPort": 9090, "name": "admin"}, service="web admin"
    )

    assert claimed(task(), described) == {("web", "app", 8080), ("admin", "app", 9090)}


def test_ambiguous_port_is_set_aside_with_what_to_write() -> None:
    assert (
        "ambiguous, the container has the TCP ports 8080, 9090; write web:8080 or web:9090 where it says web"
        in refused(task(), web(8080, 9090))["web"]
    )
    ranged: Json = {"containerPortRange": "9000-9010"}
    assert "TCP ports 8080, 9000-9010" in refused(task(), web(8080, ranged))["web"]


def test_port_that_nobody_maps_is_set_aside() -> None:
    assert "no TCP port mapping; write web:PORT" in refused(task(), web())["web"]


def test_tag_serves_for_the_only_container_with_a_port() -> None:
    plain = definition("web:1", container_definition("log", ports=[]), container_definition("app"))

    assert claimed(task(tags=tags(xds_service="web")), plain) == {("web", "app", 8080)}


def test_tag_finds_the_container_by_its_port() -> None:
    assert claimed(task(tags=tags(xds_service="web:8080 proxy:9901")), sidecar()) == {
        ("web", "app", 8080),
        ("proxy", "proxy", 9901),
    }


def test_tag_finds_the_container_by_the_name_of_its_port_mapping() -> None:
    named = definition(
        "web:1",
        container_definition("app", ports=[{"containerPort": 8080, "name": "web"}]),
        container_definition("proxy", ports=[9901]),
    )

    assert claimed(task(tags=tags(xds_service="web")), named) == {("web", "app", 8080)}


def test_tag_for_several_containers_is_ambiguous() -> None:
    assert (
        "several have a TCP port among app, proxy; write web:PORT"
        in refused(task(tags=tags(xds_service="web")), sidecar())["web"]
    )
    assert "none has TCP port 7000" in refused(task(tags=tags(xds_service="web:7000")), sidecar())["web"]


@pytest.mark.parametrize(("mode", "found"), [("awsvpc", True), ("host", True), ("bridge", False)])
def test_tag_with_an_undeclared_port_means_the_only_container(mode: str, found: bool) -> None:
    alone = definition("web:1", container_definition(ports=[]), mode=mode)
    tagged = task(tags=tags(xds_service="web:7000"))

    assert (claimed(tagged, alone) if found else refused(tagged, alone)) == (
        {("web", "app", 7000)} if found else {"web": refused(tagged, alone)["web"]}
    )


def test_docker_label_goes_before_the_tag_key_by_key() -> None:
    described = sidecar(xds_service="web", xds_weight="3")
    tagged = task(tags=tags(xds_service="other:9901", xds_weight="5", xds_zone="z"))

    found = {
        str(claim.service): claim.labels for claim in claims(tagged, described, "xds-") if isinstance(claim, Claim)
    }

    assert (found["web"].weight, found["web"].zone) == (3, "z")
    assert (found["other"].weight, found["other"].zone) == (5, "z")


def test_service_that_a_label_names_is_not_looked_for_again_because_of_a_tag() -> None:
    assert claimed(task(tags=tags(xds_service="web")), sidecar(xds_service="web")) == {("web", "app", 8080)}


def test_spaces_separate_the_services_of_a_tag_which_admits_no_comma() -> None:
    tagged = task(tags=tags(xds_service="web:8080 proxy:9901"))

    assert {service for service, _, _ in claimed(tagged, sidecar())} == {"web", "proxy"}


def test_prefix_is_configurable() -> None:
    described = definition("web:1", container_definition(acme_service="web", xds_service="other"))

    assert claimed(task(), described, "acme-") == {("web", "app", 8080)}


@pytest.mark.parametrize(
    ("value", "shown"), [("web:http", {"web"}), ("web:0 api", {"web", "api"}), ("a a", {"a"}), (":80", {"shop"})]
)
def test_malformed_service_is_shown_under_the_names_it_has_or_those_of_ecs(value: str, shown: set[str]) -> None:
    tagged = task(group="service:shop", tags=tags(xds_service=value))

    assert set(refused(task(group="service:shop"), web(8080, service=value))) == shown
    assert set(refused(tagged, definition("web:1", container_definition()))) == shown


@pytest.mark.parametrize(("group", "shown"), [("service:shop", "shop"), ("family:web", "web"), ("", "web")])
def test_misspelt_key_is_shown_under_the_service_or_the_family(group: str, shown: str) -> None:
    described = definition("web:1", container_definition(xds_servise="web"))

    assert "did you mean 'xds-service'?" in refused(task(group=group), described)[shown]


def test_misspelt_tag_is_shown_too() -> None:
    described = definition("web:1", container_definition())

    assert "did you mean 'xds-service'?" in refused(task(tags=tags(xds_servce="web")), described)["web"]


def test_malformed_tag_sets_aside_what_it_would_have_applied_to() -> None:
    tagged = task(tags=tags(xds_service="proxy:9901", xds_weight="none"))

    assert set(refused(tagged, sidecar(xds_service="web"))) == {"web", "proxy"}


def test_other_labels_are_somebody_elses() -> None:
    described = definition("web:1", container_definition(com_docker_compose_project="x", traefik_enable="true"))

    assert claimed(task(tags=tags(team="a,b")), described) == set()
