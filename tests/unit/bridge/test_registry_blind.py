"""Sources that could see nothing for a while, losses in steps, and evidence about what is held."""

import logging
from dataclasses import replace

import pytest

from bridge.guard import WINDOW, Reason
from bridge.model import Endpoint, InstanceId, Scope, ServiceName
from support.guarded import API, DC1, ECS, MINUTES, OTHER, SCOPE, WEB, World, entries, keys


def test_the_first_to_return_to_an_emptied_source_does_not_take_the_others_with_it() -> None:
    world = World()
    world.read({WEB: [1, 2], API: [3]})
    world.read({})
    world.later(100 * WINDOW)

    world.read({WEB: [1]})
    world.later(100 * WINDOW)
    assert world.served(WEB) == keys([1, 2])
    assert world.served(API) == keys([3])
    assert world.reasons() == [(Reason.EMPTIED, 2)]

    world.registry.release(DC1)
    world.registry.drain()
    assert world.served(WEB) == keys([1])
    assert world.served(API) == set()


def test_each_that_returns_to_an_emptied_source_is_an_ordinary_one_again() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({})
    world.read({WEB: range(90)})
    world.later(100 * WINDOW)
    assert world.reasons() == [(Reason.EMPTIED, 10)]

    world.read({WEB: range(5, 95)})
    assert world.served() == keys(range(5, 100)), "five of those that returned are no more than may go"
    assert world.reasons() == [(Reason.EMPTIED, 5)]

    world.read({WEB: range(5, 30)})
    assert world.reasons() == [(Reason.EMPTIED, 5), (Reason.LOSS, 65)]
    world.later(10 * MINUTES)
    assert world.served() == keys([*range(5, 30), *range(95, 100)]), "a loss is believed, beside what is not"
    assert world.reasons() == [(Reason.EMPTIED, 5)]


def test_what_a_registry_lost_with_its_data_is_held_until_it_returns_though_the_doubt_has_ended() -> None:
    world = World()
    sink = world.registry.sink(DC1)
    world.read({WEB: range(20), API: [100]})
    sink.doubt(SCOPE, "lost all at once", lost=True)
    world.read({})
    assert world.reasons() == [(Reason.EMPTIED, 21)]

    sink.replace(SCOPE, {WEB: entries([1])}, complete=True)
    sink.doubt(SCOPE, "")
    world.later(100 * WINDOW)
    assert world.served(WEB) == keys(range(20))
    assert world.reasons() == [(Reason.EMPTIED, 20)]

    world.read({WEB: range(20), API: [100]})
    assert world.reasons() == []


def test_what_is_lost_and_half_back_between_two_publications_is_held_too() -> None:
    world = World()
    sink = world.registry.sink(DC1)
    world.read({WEB: range(20)})

    sink.doubt(SCOPE, "lost all at once", lost=True)
    sink.replace(SCOPE, {})
    sink.replace(SCOPE, {WEB: entries(range(15))})
    sink.doubt(SCOPE, "")
    world.later(100 * WINDOW)

    assert world.served() == keys(range(20))


@pytest.mark.parametrize(("back", "left"), [(10, 1), (10, 4), (40, 19)])
def test_what_may_be_long_dead_is_no_measure_of_later_losses(back: int, left: int) -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({})
    world.read({WEB: range(back)})
    world.later(3 * WINDOW)

    world.read({WEB: range(left)})

    assert world.served() == keys(range(100))
    assert world.reasons() == [(Reason.EMPTIED, 100 - back), (Reason.LOSS, back - left)]


def test_the_few_that_are_left_of_an_emptied_source_are_held_when_it_is_emptied_once_more() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({})
    world.read({WEB: range(8)})
    world.later(3 * WINDOW)

    world.read({})
    world.later(3 * WINDOW)

    assert world.served() == keys(range(100))
    assert world.reasons() == [(Reason.EMPTIED, 100)]


@pytest.mark.parametrize("by", ["move", "end"])
def test_that_the_long_dead_go_does_not_hide_a_loss(by: str) -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({})
    world.read({WEB: range(60)})
    world.later(3 * WINDOW)
    world.read({WEB: range(40)})
    world.later(1)
    if by == "move":
        world.read({API: range(60, 100)}, source=ECS)
    else:
        world.read({}, ended=range(60, 100), complete=False)

    world.read({WEB: range(22)})

    assert world.served() == keys(range(40))
    assert world.reasons() == [(Reason.LOSS, 18)]


def test_instances_that_a_registry_lost_and_has_again_elsewhere_are_no_longer_held_where_they_were() -> None:
    world = World()
    sink = world.registry.sink(DC1)
    world.read({WEB: range(20)})
    sink.doubt(SCOPE, "lost all at once", lost=True)
    world.read({})
    moved = frozenset(Endpoint(f"10.9.0.{number + 1}", 80, instance=InstanceId(f"i{number}")) for number in range(20))
    sink.replace(SCOPE, {WEB: moved})
    sink.doubt(SCOPE, "")
    world.registry.drain()

    world.later(10 * MINUTES)

    assert world.served() == {each.key for each in moved}


def test_a_source_that_is_emptied_once_more_is_told_of_once_more(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({})
    world.read({WEB: range(99)})
    world.later(3 * WINDOW)
    world.read({})

    held = [vars(record) for record in caplog.records if record.message == "guard.held"]
    assert [(each["reason"], each["endpoints"]) for each in held] == [(Reason.EMPTIED, 100), (Reason.EMPTIED, 100)]
    assert world.registry.statistics(DC1).trips == {Reason.EMPTIED: 2}


def test_an_instance_that_is_back_at_another_address_is_missed_no_more_than_others() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({})
    moved = frozenset(Endpoint(f"10.9.0.{number + 1}", 80, instance=InstanceId(f"i{number}")) for number in range(100))
    world.registry.sink(DC1).replace(SCOPE, {WEB: moved})
    world.registry.drain()
    assert world.reasons() == [(Reason.LOSS, 100)]

    world.later(10 * MINUTES)
    assert world.served() == {each.key for each in moved}


def test_what_went_when_a_source_was_emptied_is_believed_once_the_operator_says_that_it_may_be_empty() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({})
    world.read({WEB: range(80)})

    believing = replace(world.options, allow_empty=frozenset({DC1}))
    world.registry.configure([DC1, ECS], lambda _: world.policy, believing, retell=False)
    world.registry.drain()
    assert world.reasons() == [(Reason.LOSS, 20)]

    world.later(10 * MINUTES)
    assert world.served() == keys(range(80))


def test_holding_is_written_to_the_log_once_for_each_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    world.read({WEB: range(100)})
    world.read({})
    world.read({WEB: range(90)})
    world.later(20 * MINUTES)
    world.read({WEB: range(30)})
    world.later(20 * MINUTES)
    world.read({WEB: range(100)})

    said = [(record.message, getattr(record, "reason", None)) for record in caplog.records]
    assert said == [
        ("guard.held", Reason.EMPTIED),
        ("guard.held", Reason.LOSS),
        ("guard.released", Reason.LOSS),
        ("guard.released", Reason.EMPTIED),
    ]


def test_an_emptied_source_is_not_released_by_time_because_some_of_it_is_in_doubt() -> None:
    world = World()
    for number in range(100):
        world.read({ServiceName(f"s{number}"): [number]}, scope=Scope(f"s{number}"))
    for number in range(100):
        scope = Scope(f"s{number}")
        if number >= 60:
            world.registry.sink(DC1).doubt(scope, "lost all at once")
        world.registry.sink(DC1).remove(scope, ServiceName(f"s{number}"))
    world.registry.drain()

    world.later(100 * WINDOW)

    assert sum(bool(world.served(ServiceName(f"s{number}"))) for number in range(100)) == 100


def test_losses_between_two_publications_are_measured_by_what_there_was() -> None:
    world = World()
    sink = world.registry.sink(DC1)
    sink.replace(SCOPE, {WEB: entries(range(100))})
    world.registry.expire(lambda _: True)  # as the bridge does all the time, whether or not Envoys are answered yet
    sink.replace(SCOPE, {WEB: entries(range(30))})

    world.registry.drain()

    assert world.served() == keys(range(100))


def test_addresses_that_one_read_gives_to_two_services_have_not_moved() -> None:
    world = World()
    sink = world.registry.sink(DC1)
    sink.replace(SCOPE, {WEB: entries(range(50))})
    world.time += 0.000_01  # the wall clock goes on between two puts of one read
    sink.replace(SCOPE, {WEB: entries(range(50)), API: entries(range(50))})
    world.registry.drain()

    world.read({})

    assert world.served(WEB) == keys(range(50))
    assert world.served(API) == keys(range(50))


def test_new_endpoints_that_end_again_do_not_hide_a_dying_catalog() -> None:
    world = World()
    world.read({WEB: range(100)})

    for step in range(90):
        world.later(2)
        world.read({WEB: range(step + 1, 100), API: range(200, 210)})
        world.read({WEB: range(step + 1, 100)}, ended=range(200, 210))

    assert len(world.served()) == 40, "half of them, with the ten that stood in for others each time"


def test_evidence_reaches_what_is_held_of_a_service_that_is_no_longer_named() -> None:
    world = World()
    world.read({WEB: range(20)})
    world.read({})
    assert world.reasons() == [(Reason.EMPTIED, 20)]

    world.read({}, ended=range(10), complete=False)
    assert world.served() == keys(range(10, 20))

    world.read({}, ended=range(10, 20))
    assert world.served() == set()


def test_a_source_whose_other_services_have_ended_may_lose_its_only_one() -> None:
    world = World()
    world.read({WEB: [1], API: [2]})
    world.read({WEB: [1]}, ended=[2])

    world.read({})

    assert not world.registry.services()


def test_doubts_about_many_scopes_are_judged_once() -> None:
    world = World()
    names = [ServiceName(f"s{number}") for number in range(2000)]
    for number, name in enumerate(names):
        world.registry.sink(DC1).replace(Scope(name), {name: entries([number])})
    world.registry.drain()

    for name in names:
        world.registry.sink(DC1).doubt(Scope(name), "lost all at once")
        world.registry.sink(DC1).replace(Scope(name), {})
    world.registry.drain()

    assert world.reasons() == [(Reason.DOUBT, 2000)]


def test_equal_reads_of_what_is_held_change_nothing() -> None:
    world = World()
    world.read({WEB: range(100)})
    world.read({WEB: range(40)})
    version = world.registry.version

    world.read({WEB: range(40)})

    assert world.registry.version == version


def test_when_all_of_an_emptied_source_has_returned_it_may_lose_some_again() -> None:
    world = World()
    world.read({WEB: [1, 2, 3], API: [4]})
    world.read({})
    world.read({WEB: [1]})
    assert world.served(WEB) == keys([1, 2, 3])

    world.read({WEB: [1, 2, 3], API: [4]})
    world.later(MINUTES)
    world.read({WEB: [1, 2], API: [4]})

    assert world.served(WEB) == keys([1, 2])


def test_when_all_that_was_in_doubt_has_returned_it_may_go_again() -> None:
    world = World()
    world.read({WEB: [1, 2, 3]})
    world.registry.sink(DC1).doubt(SCOPE, "lost all at once")
    world.read({})
    world.registry.sink(DC1).doubt(SCOPE, "")
    world.read({WEB: [1]})
    assert world.served(WEB) == keys([1, 2, 3])

    world.read({WEB: [1, 2, 3]})
    world.later(MINUTES)
    world.read({WEB: [1, 2]})

    assert world.served(WEB) == keys([1, 2])


def test_what_returns_for_a_moment_after_a_doubt_may_not_go_at_once() -> None:
    world = World()
    world.read({WEB: range(20)})
    world.registry.sink(DC1).doubt(SCOPE, "sees too little")
    world.read({WEB: range(12)})
    world.registry.sink(DC1).doubt(SCOPE, "")
    world.read({WEB: range(20)})
    world.later(MINUTES - 1)

    world.read({WEB: range(12)})
    assert world.served(WEB) == keys(range(20))

    world.later(10 * MINUTES)
    assert world.served(WEB) == keys(range(12))


def test_a_doubt_begins_the_wait_anew() -> None:
    world = World()
    world.read({WEB: range(20)})
    for reason in ("sees too little", "", "again", ""):
        world.registry.sink(DC1).doubt(OTHER, reason)
        world.registry.drain()
        world.later(MINUTES / 2)

    world.read({WEB: range(12)})

    assert world.served(WEB) == keys(range(20))
