import pytest

from bridge.change_log import LINES, ChangeLog, EndpointChanges
from bridge.diff import Diff
from bridge.merge import Policy, Ruling, Share
from bridge.model import Endpoint, EndpointKey, Health, ServiceName, SourceName
from support.waiting import eventually


def change(number: int) -> dict[ServiceName, EndpointChanges]:
    endpoint = Endpoint("10.0.0.1", 80, Health.UNHEALTHY)
    return {ServiceName(f"s{number}"): Diff(changed={endpoint.key: endpoint})}


def lines(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, object]]:
    return [record.__dict__ for record in caplog.records if record.getMessage() == event]


async def test_a_change_on_a_quiet_day_names_its_endpoints(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    old, new = Endpoint("10.0.0.1", 80), Endpoint("10.0.0.2", 80)

    ChangeLog().tell({ServiceName("web"): Diff(added={new.key: new}, removed=frozenset({old.key}))})

    (line,) = lines(caplog, "service.changed")
    assert (line["service"], line["added"], line["removed"]) == ("web", ["10.0.0.2:80"], ["10.0.0.1:80"])


async def test_a_storm_is_counted_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    subject = ChangeLog(period=0.05)

    for number in range(LINES + 100):
        subject.tell(change(number))
    await eventually(lambda: bool(lines(caplog, "services.changed")))

    assert len(lines(caplog, "service.changed")) == LINES
    assert [(line["services"], line["changed"]) for line in lines(caplog, "services.changed")] == [(100, 100)]


async def test_the_next_period_has_lines_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    subject = ChangeLog(period=0.05)
    for number in range(LINES + 1):
        subject.tell(change(number))
    await eventually(lambda: bool(lines(caplog, "services.changed")))

    subject.tell({ServiceName("after"): Diff(removed=frozenset({EndpointKey("10.0.0.1", 80)}))})

    assert lines(caplog, "service.changed")[-1]["service"] == "after"


async def test_services_that_other_sources_serve_are_named(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    vms, ecs = SourceName("vms"), SourceName("ecs")
    shares = (Share(vms, 90, counts=False), Share(ecs, 10, counts=True))

    ChangeLog().tell_rulings(
        {
            ServiceName("web"): Ruling(Policy.WEIGHTED, shares=shares),
            ServiceName("api"): Ruling(Policy.FIRST, chosen=ecs),
        }
    )

    api, web = lines(caplog, "service.sources_changed")
    assert (api["service"], api["policy"], api["chosen"]) == ("api", "first", "ecs")
    assert (web["service"], web["policy"], web["weights_in_force"]) == ("web", "weighted", {"vms": 0, "ecs": 10})


async def test_a_storm_of_switches_is_counted_among_the_changed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    subject = ChangeLog(period=0.05)

    subject.tell_rulings({ServiceName(f"s{number}"): Ruling(Policy.FIRST) for number in range(LINES + 1)})
    await eventually(lambda: bool(lines(caplog, "services.changed")))

    assert lines(caplog, "service.sources_changed") == []
    assert [line["services"] for line in lines(caplog, "services.changed")] == [LINES + 1]
