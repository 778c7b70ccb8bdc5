"""What is served of an earlier process, and of services that nobody reports any more."""

from bridge.clock import Moment
from bridge.guard import WINDOW, Reason
from bridge.merge import Standing
from bridge.registry import Kept, Options, RestoredPart
from support.guarded import API, DC1, ECS, LONG_AGO, MINUTES, OTHER, SCOPE, WEB, World, endpoint, keys


def test_what_is_restored_is_served_until_its_source_has_spoken() -> None:
    world = World()
    world.restart({WEB: [1, 2], API: [3]})

    assert world.standings() == {Standing.RESTORED}
    world.later(100 * WINDOW)
    assert world.served(WEB) == keys([1, 2])


def test_restored_endpoints_are_what_a_first_read_is_measured_by() -> None:
    world = World()
    world.restart({WEB: range(100)})

    world.read({WEB: range(40)})
    world.registry.spoken(DC1)
    world.registry.drain()

    assert world.served() == keys(range(100))
    assert world.reasons() == [(Reason.LOSS, 60)]


def test_restored_services_that_a_source_no_longer_names_go_when_it_has_spoken() -> None:
    world = World()
    world.restart({WEB: range(20), API: [30]})

    world.read({WEB: range(20)}, scope=OTHER)
    assert world.served(API) == keys([30])

    world.registry.spoken(DC1)
    world.registry.drain()

    assert world.served(WEB) == keys(range(20))
    assert API not in world.registry.services()


def test_a_source_that_finds_nothing_after_a_restart_is_not_believed() -> None:
    world = World()
    world.restart({WEB: [1, 2], API: [3]})

    world.read({})
    world.registry.spoken(DC1)
    world.later(100 * WINDOW)

    assert world.served(WEB) == keys([1, 2])
    assert world.reasons() == [(Reason.EMPTIED, 3)]


def test_holds_go_on_across_a_restart() -> None:
    world = World()
    missing = Moment(world.time - 5 * MINUTES, world.time - 5 * MINUTES)
    kept = tuple(Kept(endpoint(number), LONG_AGO, missing if number >= 40 else None) for number in range(100))
    world.registry.restore([RestoredPart(DC1, SCOPE, WEB, kept)], {}, {})
    world.later(10 * MINUTES)
    assert world.served() == keys(range(100)), "nobody has asked the source"

    world.time -= 10 * MINUTES
    world.read({WEB: range(40)})
    world.registry.spoken(DC1)
    assert world.served() == keys(range(100))

    world.later(5 * MINUTES)

    assert world.served() == keys(range(40))


def test_a_service_that_is_gone_stays_empty_for_a_while() -> None:
    world = World(Options(retention=3600))
    world.read({WEB: [1], API: [2]})
    world.read({API: [2]})
    assert world.registry.services()[WEB].endpoints == ()

    world.later(3599)
    assert WEB in world.registry.services()

    world.later(1)
    assert WEB not in world.registry.services()


def test_a_retained_service_that_returns_is_an_ordinary_one() -> None:
    world = World(Options(retention=3600))
    world.read({WEB: [1], API: [2]})
    world.read({API: [2]})
    world.read({WEB: [1], API: [2]})

    world.later(2 * 3600)

    assert world.served(WEB) == keys([1])


def test_services_are_retained_across_a_restart() -> None:
    world = World(Options(retention=3600))
    gone = Moment(world.time - 3000, world.time - 3000)
    world.registry.restore([], {}, {WEB: gone})
    world.registry.drain()
    assert world.registry.services()[WEB].endpoints == ()

    world.later(600)

    assert WEB not in world.registry.services()


def test_nothing_of_what_was_held_goes_before_its_source_has_spoken() -> None:
    world = World()
    long_ago = Moment(world.time - 3600, world.time - 3600)
    kept = tuple(Kept(endpoint(number), LONG_AGO, long_ago if number >= 40 else None) for number in range(100))
    world.registry.restore([RestoredPart(DC1, SCOPE, WEB, kept)], {}, {})
    world.registry.drain()

    world.later(0)
    world.later(100 * WINDOW)

    assert world.served() == keys(range(100))


def test_what_was_held_in_doubt_is_held_for_a_while_after_a_restart() -> None:
    world = World()
    long_ago = Moment(world.time - 3600, world.time - 3600)
    kept = tuple(Kept(endpoint(number), LONG_AGO, long_ago if number >= 60 else None) for number in range(100))
    world.registry.restore([RestoredPart(DC1, SCOPE, WEB, kept)], {}, {}, blind=frozenset({DC1}))
    world.read({WEB: range(60)})
    world.registry.spoken(DC1)
    world.registry.drain()
    assert world.served() == keys(range(100))

    world.later(10 * MINUTES)
    assert world.served() == keys(range(60))


def test_what_was_held_of_an_emptied_source_is_not_released_by_time_after_a_restart() -> None:
    world = World()
    long_ago = Moment(world.time - 3600, world.time - 3600)
    kept = tuple(Kept(endpoint(number), LONG_AGO, long_ago, emptied=True) for number in range(100))
    world.registry.restore([RestoredPart(DC1, SCOPE, WEB, kept)], {}, {}, blind=frozenset({DC1}))
    world.read({WEB: range(60)})
    world.registry.spoken(DC1)
    world.registry.drain()

    world.later(100 * WINDOW)

    assert world.served() == keys(range(100))
    assert world.reasons() == [(Reason.EMPTIED, 40)]


def test_tasks_that_stopped_while_the_bridge_was_away_go_by_their_evidence() -> None:
    world = World()
    world.restart({WEB: [1, 2], API: [3]})

    world.read({}, ended=[1, 2, 3])
    world.registry.spoken(DC1)
    world.registry.drain()

    assert not world.registry.services()


def test_a_restored_address_that_another_source_reports_elsewhere_stays() -> None:
    world = World()
    world.restart({WEB: range(20)})

    world.later(5)
    world.read({API: range(20)}, source=ECS)

    assert world.served(WEB) == keys(range(20))


def test_a_source_is_recalled_whatever_has_become_of_what_was_restored() -> None:
    world = World()
    world.restart({WEB: [1]})
    world.read({WEB: [1]})

    assert world.registry.recalled(DC1)
    assert not world.registry.recalled(ECS)
