"""Series for each service: when there are any, and what is in them."""

import pytest
from prometheus_client import CollectorRegistry

from bridge.config import PerService
from bridge.merge import Service
from bridge.metrics import Metrics, Sample
from bridge.metrics.service import MOST
from bridge.model import Health, ServiceName
from support.builders import endpoint, service

ADDRESS = "203.0.113.77"


def rendered(services: list[Service], mode: PerService, *retained: str) -> list[str]:
    sample = Sample(services, {}, (), (), ready=True, retained=[*map(ServiceName, retained)], per_service=mode)
    text = Metrics(CollectorRegistry()).render(sample).decode()
    return [line for line in text.splitlines() if not line.startswith("#")]


def shown(lines: list[str]) -> dict[str, float]:
    found = (line.rsplit(" ", 1) for line in lines if line.startswith("xds_bridge_service_endpoints{"))
    return {name.removeprefix("xds_bridge_service_endpoints"): float(value) for name, value in found}


def many(count: int) -> list[Service]:
    return [service(f"s{number}") for number in range(count)]


def test_a_service_is_counted_by_health_and_no_endpoint_is_named() -> None:
    ill = endpoint(ADDRESS, 8081, health=Health.UNHEALTHY)

    lines = rendered([service("web", [endpoint(ADDRESS, 8080), ill])], PerService.ON)

    found = shown(lines)
    assert found['{health="healthy",service="web"}'] == 1
    assert found['{health="unhealthy",service="web"}'] == 1
    assert len(found) == 2
    assert [line for line in lines if ADDRESS in line or "8080" in line] == []


@pytest.mark.parametrize(
    ("mode", "services", "expected"),
    [
        (PerService.AUTO, MOST, MOST),
        (PerService.AUTO, MOST + 1, 0),
        (PerService.ON, MOST + 1, MOST + 1),
        (PerService.OFF, 1, 0),
    ],
)
def test_series_are_shown_as_configured(mode: PerService, services: int, expected: int) -> None:
    assert len(shown(rendered(many(services), mode))) == expected


def test_a_service_without_endpoints_has_none_that_are_healthy() -> None:
    assert shown(rendered([service("web")], PerService.ON)) == {'{health="healthy",service="web"}': 0}


def test_a_service_that_no_source_names_any_more_is_none_that_has_become_empty() -> None:
    lines = rendered(many(3), PerService.ON, "s1")

    assert [name for name in shown(lines) if "s1" in name] == []
    assert "xds_bridge_registry_empty_services 2.0" in lines


def test_names_of_services_cannot_break_the_format() -> None:
    odd = 'a"b\\c\nxds_bridge_ready 0'

    lines = rendered([service(odd)], PerService.ON)

    assert len(shown(lines)) == 1
    assert "xds_bridge_ready 0" not in lines
