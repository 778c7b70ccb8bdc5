import json
from pathlib import Path

import pytest

from bridge.model import Endpoint, Health, InstanceId, Locality, ServiceName, SetAside
from catalogue_adapter.mapping import CatalogueError, Services, services_of

WEB = ServiceName("web")


def catalogue(**services: object) -> Services:
    return services_of(json.dumps({"services": services}).encode())


def test_instance_becomes_an_endpoint() -> None:
    services = catalogue(web=[{"id": "web-1", "ip": "10.0.0.1", "port": 80, "zone": "a", "owner": "shop"}])

    assert services == {WEB: {Endpoint("10.0.0.1", 80, locality=Locality(zone="a"), instance=InstanceId("web-1"))}}


@pytest.mark.parametrize(
    ("state", "health"), [("up", Health.HEALTHY), ("sick", Health.UNHEALTHY), ("leaving", Health.DRAINING)]
)
def test_state_becomes_health(state: str, health: Health) -> None:
    (entry,) = catalogue(web=[{"id": "web-1", "ip": "10.0.0.1", "port": 80, "state": state}])[WEB]

    assert isinstance(entry, Endpoint)
    assert entry.health is health


def test_service_without_instances_is_there_and_empty() -> None:
    assert catalogue(web=[]) == {WEB: frozenset()}


@pytest.mark.parametrize(
    ("instance", "reason"),
    [
        ({"id": "bad", "ip": "db.internal", "port": 80}, "is not an IP address"),
        ({"id": "bad", "ip": "10.0.0.1", "port": 0}, "port 0"),
        ({"id": "bad", "ip": "10.0.0.1", "port": "80"}, "port: Input should be a valid integer"),
        ({"id": "bad", "ip": "10.0.0.1"}, "port: Field required"),
        ({"id": "bad", "ip": "10.0.0.1", "port": 80, "state": "upp"}, "state: Input should be 'up', 'sick' or"),
    ],
)
def test_wrong_instance_is_set_aside_alone(instance: object, reason: str) -> None:
    entries = catalogue(web=[{"id": "web-1", "ip": "10.0.0.1", "port": 80}, instance])[WEB]

    (aside,) = (entry for entry in entries if isinstance(entry, SetAside))
    assert aside.instance == "bad"
    assert reason in aside.reason
    assert len(entries) == 2


def test_the_sample_is_a_catalogue_without_a_mistake() -> None:
    services = services_of((Path(__file__).parents[1] / "services.json").read_bytes())

    assert services.keys() == {"web", "api"}
    assert all(isinstance(entry, Endpoint) for entries in services.values() for entry in entries)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"services": []}', b'{"services": {"web": {}}}'])
def test_what_is_no_catalogue_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(CatalogueError):
        services_of(body)
