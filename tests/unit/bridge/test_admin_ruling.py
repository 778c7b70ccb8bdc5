from collections.abc import Sequence

from bridge.admin.ruling import Conflict, MergedSource, merge
from bridge.merge import First, MergePolicy, Report, Weighted, failover, merged, union
from bridge.model import ServiceName, SourceName
from support.reports import report, reports

VMS, ECS = SourceName("vms"), SourceName("ecs")


def shown(policy: MergePolicy, found: Sequence[Report], *later: Sequence[Report]) -> dict[str, MergedSource]:
    """What is shown of each source, one second after the last of these reports, which came ten seconds apart."""
    service = merged(ServiceName("web"), found, policy, None, 0.0)
    for number, each in enumerate(later, start=1):
        service = merged(service.name, each, policy, service, 10.0 * number)
    return {each.source: each for each in merge(service, 10.0 * len(later) + 1.0).sources}


def test_the_source_that_won_an_address_is_shown_with_those_that_lost_it() -> None:
    service = merged(
        ServiceName("web"),
        [report("vms", "10.0.0.1"), report("ecs", "10.0.0.1"), report("ecs", "10.0.0.2")],
        union,
        None,
        0.0,
    )

    document = merge(service, 0.0)

    assert (document.policy, document.diverted) == ("union", False)
    assert document.conflicts == (Conflict("10.0.0.1", 80, "vms", ("ecs",)),)
    assert [(each.source, each.endpoints, each.priority, each.share) for each in document.sources] == [
        ("ecs", 1, None, None),
        ("vms", 1, None, None),
    ]


def test_two_registrations_of_one_source_at_an_address_are_no_conflict_between_sources() -> None:
    found = [report("vms", "10.0.0.1", instance="old"), report("vms", "10.0.0.1", instance="new")]

    assert merge(merged(ServiceName("web"), found, union, None, 0.0), 0.0).conflicts == ()


def test_shares_in_force_and_shares_given_away_are_shown() -> None:
    policy = Weighted(((VMS, 60), (ECS, 30), (SourceName("dc1"), 10)))

    found = shown(policy, reports({"vms": "uu", "ecs": "h", "dc1": "h", "local": "h"}))

    assert [(each.weight, each.share, each.given_away) for each in found.values()] == [
        (60, 0.0, 0.6),
        (30, 0.75, 0.0),
        (10, 0.25, 0.0),
        (0, 0.0, 0.0),
    ]
    assert list(found) == ["vms", "ecs", "dc1", "local"]


def test_the_source_that_is_served_and_the_one_that_will_be_are_shown() -> None:
    found = shown(First(30.0), reports({"vms": "u", "ecs": "hh"}), reports({"vms": "h", "ecs": "hh"}))

    assert [(each.source, each.chosen, each.available, each.endpoints) for each in found.values()] == [
        ("vms", False, 1, 0),
        ("ecs", True, 2, 2),
    ]
    assert [each.returns_in for each in found.values()] == [29.0, None]


def test_the_priority_of_each_source_is_shown() -> None:
    found = shown(failover, reports({"vms": "u", "ecs": "h"}))

    assert {source: each.priority for source, each in found.items()} == {"vms": 0, "ecs": 1}


def test_a_service_without_endpoints_has_a_policy_too() -> None:
    document = merge(merged(ServiceName("web"), [], Weighted(((VMS, 1),)), None, 0.0), 0.0)

    assert (document.policy, document.diverted) == ("weighted", False)
    assert [(each.source, each.share) for each in document.sources] == [("vms", 0.0)]
