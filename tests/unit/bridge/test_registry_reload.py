"""Sources that come, change and go while the registry goes on."""

import pytest

from bridge.audit import Action, Event
from bridge.guard import GuardRules, Reason
from bridge.merge import Standing, union
from bridge.model import Scope, ServiceName, SourceName
from bridge.registry import Options
from support.guarded import API, DC1, ECS, GUARDED, MINUTES, OTHER, SCOPE, WEB, World, keys

FILE = SourceName("file")


def configure(world: World, *sources: SourceName, options: Options = GUARDED, retell: bool = False) -> None:
    world.registry.configure(sources, lambda _: union, options, retell=retell)


def suspend(world: World, source: SourceName = DC1) -> None:
    world.registry.suspend(source)
    world.registry.drain()


def speak(world: World) -> None:
    world.registry.spoken(DC1)
    world.registry.drain()


def test_a_suspended_source_keeps_its_endpoints_until_it_has_spoken() -> None:
    world = World()
    world.read({WEB: [1, 2], API: [3]})

    suspend(world)

    assert world.standings() == {Standing.RESTORED}
    assert world.registry.statistics(DC1).restored == 3
    world.read({WEB: [1, 5]}, scope=OTHER)
    assert (world.served(WEB), world.served(API)) == (keys([1, 2, 5]), keys([3]))

    speak(world)
    assert world.served(WEB) == keys([1, 5])
    assert API not in world.registry.services()


def test_endpoints_that_are_read_again_keep_their_age() -> None:
    world = World()
    world.read({WEB: [1]})
    world.time += 60

    suspend(world)
    world.read({WEB: [1]}, scope=SCOPE)

    (served,) = world.registry.services()[WEB].endpoints
    assert served.origins[0].since == 1_000_000.0
    assert served.origins[0].standing is Standing.REPORTED


def test_what_a_changed_source_lacks_passes_the_guard() -> None:
    world = World()
    world.read({WEB: range(100)})

    suspend(world)
    world.read({WEB: range(40)})
    speak(world)

    assert world.served() == keys(range(100))
    assert world.reasons() == [(Reason.LOSS, 60)]


def test_finding_nothing_in_another_way_is_not_believed_however_small_the_source() -> None:
    world = World()
    world.read({WEB: [1]})

    suspend(world)
    world.read({})
    speak(world)

    assert world.served() == keys([1])
    assert world.reasons() == [(Reason.EMPTIED, 1)]


def test_an_empty_service_stays_until_its_source_has_spoken() -> None:
    world = World()
    world.read({WEB: [1], API: []})

    suspend(world)
    assert API in world.registry.services()
    world.read({WEB: [1]}, scope=OTHER)
    assert API in world.registry.services()

    speak(world)
    assert API not in world.registry.services()


def test_an_empty_service_that_is_named_again_stays() -> None:
    world = World()
    world.read({WEB: [1], API: []})

    suspend(world)
    world.read({WEB: [1], API: []})
    speak(world)

    assert API in world.registry.services()


@pytest.mark.parametrize("seen", [99, 60])
@pytest.mark.parametrize("reason", [Reason.DOUBT, Reason.EMPTIED])
def test_a_source_that_was_blind_is_not_believed_at_once_because_it_is_read_otherwise(
    reason: Reason, seen: int
) -> None:
    world = World()
    world.read({WEB: range(100)})
    if reason is Reason.DOUBT:
        world.registry.doubt(DC1, None, "blind")
    world.read({WEB: range(99)} if reason is Reason.DOUBT else {})
    assert [each for each, _ in world.reasons()] == [reason]

    suspend(world)
    assert world.reasons() == ([] if reason is Reason.DOUBT else [(reason, 100)])
    assert world.served() == keys(range(100))
    world.later(2 * MINUTES)
    world.read({WEB: range(seen)})
    speak(world)
    assert world.served() == keys(range(100))
    assert world.reasons() == [(Reason.LOSS if reason is Reason.DOUBT else reason, 100 - seen)]

    world.later(10 * MINUTES)
    assert world.served() == keys(range(seen if reason is Reason.DOUBT else 100))


def test_a_source_that_was_trusted_may_show_less_once_it_is_read_otherwise() -> None:
    world = World()
    world.read({WEB: range(100)})

    suspend(world)
    world.later(2 * MINUTES)
    world.read({WEB: range(60)})
    speak(world)

    assert world.served() == keys(range(60))


def test_a_source_that_is_forgotten_takes_its_own_and_nothing_else() -> None:
    events: list[Event] = []
    world = World(options=Options(guard=GuardRules(), record=events.append))
    world.read({WEB: [1, 2], API: [3]})
    world.read({WEB: [2, 4]}, source=ECS)
    events.clear()

    configure(world, ECS, options=world.options)
    world.registry.forget(DC1, "taken out")
    world.registry.drain()

    assert world.served(WEB) == keys([2, 4])
    assert API not in world.registry.services()
    assert world.registry.sources == (ECS,)
    removed = [(event.service, event.why) for event in events if event.endpoint]
    assert sorted(removed) == [("api", "taken out"), ("web", "taken out"), ("web", "taken out")]
    assert {event.action for event in events} == {Action.REMOVED}


def test_a_cluster_of_a_forgotten_source_is_retained() -> None:
    world = World(options=Options(retention=60.0))
    world.read({WEB: [1]})

    world.registry.forget(DC1, "taken out")
    world.registry.drain()

    assert world.served() == set()
    assert WEB in world.registry.services()
    world.later(61)
    assert WEB not in world.registry.services()


def test_refused_names_go_with_their_source() -> None:
    world = World()
    world.read({ServiceName("a\x00b"): [1]})
    assert len(world.registry.refused(DC1)) == 1

    world.registry.forget(DC1, "taken out")
    configure(world, ECS, DC1)

    assert world.registry.refused(DC1) == ()


def test_the_order_of_sources_is_their_precedence_from_then_on() -> None:
    world = World()
    for source in (DC1, ECS):
        world.read({WEB: [1]}, source=source, scope=Scope(source))
    assert [origin.source for origin in world.registry.services()[WEB].endpoints[0].origins] == [DC1, ECS]

    configure(world, FILE, ECS, DC1)
    world.read({WEB: [1]}, source=FILE, scope=Scope(FILE))
    world.registry.drain()

    assert [origin.source for origin in world.registry.services()[WEB].endpoints[0].origins] == [FILE, ECS, DC1]


def test_a_source_that_is_not_named_comes_last_until_it_is_forgotten() -> None:
    world = World()
    for source in (DC1, ECS):
        world.read({WEB: [1]}, source=source, scope=Scope(source))

    configure(world, ECS)
    world.registry.drain()

    assert [origin.source for origin in world.registry.services()[WEB].endpoints[0].origins] == [ECS, DC1]


def test_other_rules_judge_what_is_held_anew() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({WEB: range(40)})
    assert world.reasons() == [(Reason.LOSS, 60)]

    configure(world, DC1, ECS, options=Options(guard=GuardRules(max_loss=0.9)))
    world.registry.drain()

    assert world.served() == keys(range(40))


def test_a_shorter_time_of_holding_counts_at_once() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({WEB: range(40)})

    configure(world, DC1, ECS, options=Options(guard=GuardRules(release_after=5.0)))
    world.later(6)

    assert world.served() == keys(range(40))


def test_everything_is_told_of_once_more_where_it_is_to_be_made_anew() -> None:
    world = World()
    world.read({WEB: [1], API: [2]})
    before = dict(world.registry.services())

    configure(world, DC1, ECS)
    assert not world.registry.drain()
    configure(world, DC1, ECS, retell=True)
    told = world.registry.drain()

    assert told.changed == before
    assert all(told.changed[name] is service for name, service in before.items())
    assert not world.registry.drain()
