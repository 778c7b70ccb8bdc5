from dataclasses import replace

from bridge.admin import summary
from bridge.admin.digest import Digests, Tally, digest, tally
from bridge.merge import Service, Standing
from bridge.model import Health, InstanceId, Locality, ServiceName
from support.admin_fakes import DC1, LOCAL, ORIGIN, served

WEB = ServiceName("web")


def known(*services: Service) -> summary.Known:
    return summary.Known(services, (), (), (), {}, {}, frozenset())


def test_a_service_in_numbers() -> None:
    other = replace(ORIGIN, source=LOCAL)
    first, second, third, fourth = (served(f"10.0.0.{number}") for number in range(1, 5))
    elsewhere = replace(second.endpoint, health=Health.UNKNOWN, locality=Locality())
    endpoints = (
        replace(first, origins=(ORIGIN, replace(ORIGIN, instance=InstanceId("another")))),
        replace(second, endpoint=elsewhere, origins=(replace(other, standing=Standing.HELD), ORIGIN)),
        replace(third, origins=(replace(other, standing=Standing.RESTORED),)),
        replace(fourth, endpoint=replace(fourth.endpoint, health=Health.DRAINING), reported=Health.HEALTHY),
    )

    found = digest(Service(WEB, endpoints))

    assert found.by_source == {DC1: Tally((1, 0, 0, 1, 0)), LOCAL: Tally((1, 0, 0, 0, 1))}
    assert found.tally == tally(Service(WEB, endpoints)) == Tally((2, 0, 0, 1, 1))
    assert (found.tally.total, found.tally.healthy) == (4, 3)
    assert found.sources == {DC1, LOCAL}
    assert found.zones == {"eu-a"}
    assert (found.held, found.restored, found.drained, found.shared) == (1, 1, 1, 1)


def test_a_service_without_endpoints_is_nothing_in_numbers() -> None:
    found = digest(Service(WEB))

    assert found.tally == Tally()
    assert (found.by_source, found.sources, found.zones, found.shared) == ({}, frozenset(), frozenset(), 0)


def test_what_the_page_has_worked_out_is_what_the_list_of_services_is_made_of() -> None:
    digests = Digests()
    service = Service(WEB, (served("10.0.0.1"), served("10.0.0.2", Health.UNHEALTHY)))
    (worked_out,) = digests.of([service])

    (line,) = summary.Summaries(digests).document(known(service), 0.0).services

    assert digests.of([service])[0] is worked_out
    assert line.endpoints == {"healthy": 1, "degraded": 0, "unhealthy": 1, "draining": 0, "unknown": 0}
    assert line.sources == (DC1,)
    assert [(each.source, each.endpoints) for each in line.merged] == [(DC1, 2)]


def test_a_service_that_changes_is_worked_out_anew() -> None:
    digests = Digests()
    (before,) = digests.of([Service(WEB, (served("10.0.0.1"),))])

    (after,) = digests.of([Service(WEB, (served("10.0.0.1"), served("10.0.0.2")))])

    assert (before.tally.total, after.tally.total) == (1, 2)
