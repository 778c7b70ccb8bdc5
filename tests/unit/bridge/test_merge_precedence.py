from bridge.merge import Policy, failover, union
from bridge.model import Health
from support.reports import addresses, report, reports


def test_union_serves_the_endpoints_of_every_source() -> None:
    outcome = union([report("dc1", "10.0.0.2"), report("ecs", "10.0.0.1")])

    assert addresses(outcome) == ["10.0.0.1", "10.0.0.2"]
    assert outcome.ruling.policy is Policy.UNION
    assert not outcome.ruling.diverted


def test_the_first_source_wins_a_shared_address_and_both_are_remembered() -> None:
    (served,) = union([report("dc1", "10.0.0.1", Health.UNHEALTHY), report("ecs", "10.0.0.1")]).endpoints

    assert served.endpoint.health is Health.UNHEALTHY
    assert [origin.source for origin in served.origins] == ["dc1", "ecs"]


def test_a_dead_registration_does_not_take_traffic_from_its_successor_on_the_same_port() -> None:
    dead = report("dc1", "10.0.0.1", Health.UNHEALTHY, instance="a-old")
    alive = report("dc1", "10.0.0.1", Health.HEALTHY, instance="b-new")

    assert union([dead, alive]) == union([alive, dead])
    assert union([dead, alive]).endpoints[0].endpoint.health is Health.HEALTHY


def test_duplicate_weights_are_not_added_up() -> None:
    outcome = union([report("dc1", "10.0.0.1", weight=5), report("ecs", "10.0.0.1", weight=7)])

    assert [each.endpoint.weight for each in outcome.endpoints] == [5]


def test_two_reports_of_one_instance_are_decided_alike_in_any_order() -> None:
    light, heavy = report("dc1", "10.0.0.1", weight=1), report("dc1", "10.0.0.1", weight=2)

    assert union([light, heavy]) == union([heavy, light])


def test_nothing_reported_is_nothing_served() -> None:
    assert union([]).endpoints == failover([]).endpoints == ()


def test_failover_makes_the_order_of_the_sources_the_priority() -> None:
    outcome = failover(reports({"dc1": "hh", "ecs": "h", "local": "u"}))

    assert [each.priority for each in outcome.endpoints] == [0, 0, 1, 2]
    assert outcome.ruling.policy is Policy.FAILOVER


def test_failover_counts_only_the_sources_that_report_the_service() -> None:
    assert [each.priority for each in failover(reports({"ecs": "h"})).endpoints] == [0]


def test_an_address_of_two_sources_has_the_priority_of_the_first() -> None:
    outcome = failover([report("dc1", "10.0.0.1"), report("ecs", "10.0.0.1"), report("ecs", "10.0.0.2")])

    assert [each.priority for each in outcome.endpoints] == [0, 1]
