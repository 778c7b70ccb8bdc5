from bridge.merge import Origin, Report, union
from bridge.model import Endpoint, Health, InstanceId, Scope, SourceName


def report(source: str, address: str, health: Health = Health.HEALTHY, instance: str = "i", weight: int = 1) -> Report:
    endpoint = Endpoint(address, 80, health, weight, instance=InstanceId(instance))
    return Report(endpoint, Origin(SourceName(source), Scope("s"), InstanceId(instance), 0.0))


def test_union_serves_the_endpoints_of_every_source() -> None:
    served = union([report("dc1", "10.0.0.2"), report("ecs", "10.0.0.1")])

    assert [each.endpoint.address for each in served] == ["10.0.0.1", "10.0.0.2"]


def test_the_first_source_wins_a_shared_address_and_both_are_remembered() -> None:
    served = union([report("dc1", "10.0.0.1", Health.UNHEALTHY), report("ecs", "10.0.0.1", Health.HEALTHY)])

    assert [each.endpoint.health for each in served] == [Health.UNHEALTHY]
    assert [origin.source for origin in served[0].origins] == ["dc1", "ecs"]


def test_a_dead_registration_does_not_take_traffic_from_its_successor_on_the_same_port() -> None:
    dead = report("dc1", "10.0.0.1", Health.UNHEALTHY, instance="a-old")
    alive = report("dc1", "10.0.0.1", Health.HEALTHY, instance="b-new")

    assert union([dead, alive]) == union([alive, dead])
    assert union([dead, alive])[0].endpoint.health is Health.HEALTHY


def test_duplicate_weights_are_not_added_up() -> None:
    served = union([report("dc1", "10.0.0.1", weight=5), report("ecs", "10.0.0.1", weight=7)])

    assert [each.endpoint.weight for each in served] == [5]


def test_two_reports_of_one_instance_are_decided_alike_in_any_order() -> None:
    light, heavy = report("dc1", "10.0.0.1", weight=1), report("dc1", "10.0.0.1", weight=2)

    assert union([light, heavy]) == union([heavy, light])


def test_nothing_reported_is_nothing_served() -> None:
    assert union([]) == ()
