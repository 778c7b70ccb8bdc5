"""What vanishes from a source, and whether the registry lets it go."""

import logging

import pytest

from bridge.guard import WINDOW, GuardRules, Reason
from bridge.merge import Standing
from bridge.model import Endpoint, Health, InstanceId, Scope, ServiceName, SetAside
from bridge.registry import Options
from support.guarded import API, DC1, ECS, MINUTES, OTHER, SCOPE, WEB, World, endpoint, entries, keys


def test_an_ordinary_scale_down_is_not_held() -> None:
    world = World()
    world.read({WEB: range(100)})

    world.read({WEB: range(50)})

    assert world.served() == keys(range(50))
    assert not world.reasons()


def test_a_mass_loss_is_held_and_what_is_new_is_served_all_the_same() -> None:
    world = World()
    world.read({WEB: range(100)})

    world.read({WEB: [*range(40), 200]})

    assert world.served() == keys([*range(100), 200])
    assert world.reasons() == [(Reason.LOSS, 60)]
    assert world.standings() == {Standing.REPORTED, Standing.HELD}


def test_a_held_loss_is_believed_when_every_read_has_agreed_for_long_enough() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({WEB: range(40)})

    world.later(9.9 * MINUTES)
    assert world.served() == keys(range(100))

    world.later(0.1 * MINUTES)
    assert world.served() == keys(range(40))
    assert not world.reasons()


def test_what_is_held_says_from_when_on_it_goes() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({WEB: range(40)})
    world.later(MINUTES)
    world.read({WEB: range(30)})

    (hold,) = world.registry.holds(DC1)

    assert (hold.endpoints, hold.until) == (70, world.time + 9 * MINUTES)
    world.later(9 * MINUTES)
    assert [each.endpoints for each in world.registry.holds(DC1)] == []


def test_what_time_does_not_release_says_so_and_after_a_doubt_the_time_begins_anew() -> None:
    world = World()
    world.read({WEB: [1, 2]})
    world.registry.sink(DC1).doubt(None, "no rights")
    world.read({})
    in_doubt = [hold.until for hold in world.registry.holds(DC1)]
    world.later(MINUTES)

    world.registry.sink(DC1).doubt(None, "")
    world.registry.drain()

    assert in_doubt == [None]
    assert [hold.until for hold in world.registry.holds(DC1)] == [world.time + 10 * MINUTES]


def test_of_an_emptied_source_no_time_is_told() -> None:
    world = World()
    world.read({WEB: range(20)})
    world.read({})

    assert [(hold.reason, hold.until) for hold in world.registry.holds(DC1)] == [(Reason.EMPTIED, None)]


def test_a_believed_loss_does_not_count_again() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({WEB: range(40)})
    world.later(10 * MINUTES)

    world.read({WEB: range(30)})

    assert world.served() == keys(range(30))


def test_a_held_loss_is_not_believed_while_the_source_fails() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({WEB: range(40)})

    world.agree = False
    world.later(60 * MINUTES)
    assert world.served() == keys(range(100))

    world.agree = True
    world.later(1)
    assert world.served() == keys(range(40))


def test_held_endpoints_that_return_are_reported_again_and_keep_their_age() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({WEB: range(40)})

    world.later(MINUTES)
    world.read({WEB: range(100)})

    assert not world.reasons()
    found = world.registry.services()[WEB].endpoints
    assert {origin.since for each in found for origin in each.origins} == {1_000_000.0}
    assert world.standings() == {Standing.REPORTED}


def test_a_loss_that_shrinks_to_what_may_go_is_let_go() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({WEB: range(40)})

    world.read({WEB: range(60)})

    assert world.served() == keys(range(60))


def test_a_catalog_that_dies_service_by_service_is_held_at_half() -> None:
    world = World()
    names = [ServiceName(f"s{number}") for number in range(200)]
    for number, name in enumerate(names):
        world.read({name: [number]}, scope=Scope(name))

    for name in names:
        world.later(2)
        world.registry.sink(DC1).remove(Scope(name), name)
        world.registry.drain()

    assert sum(bool(world.served(name)) for name in names) == 100
    assert world.reasons() == [(Reason.EMPTIED, 100)]


def test_all_that_goes_missing_before_it_is_served_is_judged_together() -> None:
    world = World()
    names = [ServiceName(f"s{number}") for number in range(100)]
    for number, name in enumerate(names):
        world.read({name: [number]}, scope=Scope(name))

    for name in names[:60]:
        world.registry.sink(DC1).remove(Scope(name), name)
    world.registry.drain()

    assert all(world.served(name) for name in names)


def test_an_emptied_source_is_never_believed_by_time() -> None:
    world = World()
    world.read({WEB: [1, 2], API: [3]})
    world.read({})

    world.later(100 * WINDOW)

    assert world.served(WEB) == keys([1, 2])
    assert world.served(API) == keys([3])
    assert world.reasons() == [(Reason.EMPTIED, 3)]


def test_a_source_that_may_be_empty_is_believed_after_a_while() -> None:
    world = World(Options(guard=GuardRules(), allow_empty=frozenset({DC1})))
    world.read({WEB: range(20), API: [30]})
    world.read({})
    assert world.reasons() == [(Reason.LOSS, 21)]

    world.later(10 * MINUTES)

    assert not world.registry.services()


def test_one_service_may_go_to_nothing() -> None:
    world = World()
    world.read({WEB: range(10), API: range(20, 30)})

    world.read({WEB: [], API: range(20, 30)})

    assert world.served(WEB) == set()


def test_evidence_neither_waits_nor_counts() -> None:
    world = World()
    world.read({WEB: range(100)})

    world.read({WEB: range(80, 100)}, ended=range(80))
    assert world.served() == keys(range(80, 100))

    world.read({WEB: range(90, 100)})
    assert world.served() == keys(range(90, 100))


def test_evidence_ends_what_is_held() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({WEB: range(40)})

    world.read({}, ended=range(40, 45), complete=False)

    assert world.served() == keys([*range(40), *range(45, 100)])


def test_a_partial_read_neither_holds_nor_lets_go() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({WEB: range(40)})

    world.read({WEB: [1]}, complete=False)

    assert world.served() == keys(range(100))
    assert world.reasons() == [(Reason.LOSS, 60)]


def test_a_held_address_that_appears_in_another_service_is_dropped_at_once() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({WEB: range(40)})

    world.later(1)
    world.read({API: [70]}, scope=OTHER)

    assert world.served(API) == keys([70])
    assert world.served(WEB) == keys([*range(70), *range(71, 100)])


@pytest.mark.parametrize("step", [0.0, -3600.0, 3600.0])
def test_an_address_that_moved_in_the_read_that_lost_the_others_is_not_held(step: float) -> None:
    world = World()
    world.read({WEB: range(100)})

    world.later(1)
    world.step = step  # somebody sets the clock
    world.read({WEB: range(40), API: [70]})

    assert world.served(API) == keys([70])
    assert world.served(WEB) == keys([*range(70), *range(71, 100)])


@pytest.mark.parametrize("step", [0.0, -3600.0, 3600.0])
def test_an_address_that_two_services_always_had_is_held_for_the_one_that_loses_it(step: float) -> None:
    world = World()
    world.read({API: [70]}, scope=OTHER)
    world.later(1)
    world.step = step
    world.read({WEB: range(100)})

    world.later(2 * WINDOW)
    world.read({WEB: range(40)})

    assert world.served(WEB) == keys(range(100))


def test_another_instance_at_a_held_address_takes_its_place() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({WEB: range(40)})

    replaced = {WEB: entries(range(40)) | entries([50], "other")}
    world.registry.sink(DC1).replace(SCOPE, replaced)
    world.registry.drain()

    found = {each.endpoint.key: each.origins for each in world.registry.services()[WEB].endpoints}
    assert [origin.instance for origin in found[endpoint(50).key]] == ["other50"]


def test_endpoints_that_are_all_set_aside_at_once_are_held() -> None:
    world = World()
    world.read({WEB: range(20)})

    bad = frozenset(SetAside(InstanceId(f"i{number}"), "?", "weight 1000") for number in range(20))
    world.registry.sink(DC1).replace(SCOPE, {WEB: bad})
    world.registry.drain()

    assert world.served() == keys(range(20))
    assert len(world.registry.set_aside(WEB)) == 20


def test_a_change_of_health_is_no_loss() -> None:
    world = World()
    world.read({WEB: range(20)})

    sick = frozenset(
        Endpoint(found.address, 80, Health.UNHEALTHY, instance=found.instance) for found in map(endpoint, range(20))
    )
    world.registry.sink(DC1).replace(SCOPE, {WEB: sick})
    world.registry.drain()

    assert {each.endpoint.health for each in world.registry.services()[WEB].endpoints} == {Health.UNHEALTHY}


def test_one_source_s_loss_does_not_concern_another() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({WEB: range(200, 220)}, source=ECS)
    world.read({WEB: range(40)})

    world.read({WEB: range(200, 212)}, source=ECS)

    assert not world.reasons(ECS)
    assert world.served() == keys([*range(100), *range(200, 212)])


def test_what_is_missing_in_doubt_stays_until_the_doubt_is_gone() -> None:
    world = World()
    world.read({WEB: [1, 2]})
    world.registry.sink(DC1).doubt(None, "no rights")
    world.read({})
    world.later(100 * WINDOW)
    assert world.reasons() == [(Reason.DOUBT, 2)]

    world.registry.sink(DC1).doubt(None, "")
    world.registry.drain()
    assert world.reasons() == [(Reason.LOSS, 2)]

    world.later(10 * MINUTES)
    assert not world.registry.services()


def test_a_doubt_about_one_scope_keeps_no_other_s_endpoints() -> None:
    world = World()
    world.read({WEB: [1, 2]})
    world.read({API: [3, 4]}, scope=OTHER)
    world.registry.sink(DC1).doubt(SCOPE, "lost all at once")
    world.read({})

    world.read({API: [3]}, scope=OTHER)

    assert world.served(WEB) == keys([1, 2])
    assert world.served(API) == keys([3])


def test_an_operator_s_release_lets_everything_go_and_ends_the_doubt() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.registry.sink(DC1).doubt(SCOPE, "lost all at once")
    world.read({WEB: range(10)})

    assert world.registry.release(DC1) == 90
    world.registry.drain()
    assert world.served() == keys(range(10))

    world.read({WEB: range(8)})
    assert world.served() == keys(range(8))


def test_releasing_nothing_says_so() -> None:
    world = World()
    world.read({WEB: range(100)})

    assert world.registry.release(DC1) == 0


def test_holding_is_logged_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    world.read({WEB: range(100)})

    for left in (40, 39, 38):
        world.read({WEB: range(left)})
    world.read({WEB: range(100)})

    assert [record.message for record in caplog.records] == ["guard.held", "guard.released"]
