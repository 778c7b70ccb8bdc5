"""What of the registry is kept across a restart, and what becomes of it afterwards."""

import json

import pytest

from bridge.clock import Clock
from bridge.guard import Reason
from bridge.merge import Standing
from bridge.model import Endpoint, InstanceId, ServiceName, UpstreamProtocol
from bridge.operator import Drains, Pauses
from bridge.registry import Options
from bridge.restoration import Restoration
from bridge.state import State
from bridge.state.codec import Encoder, decode
from support.guarded import API, DC1, ECS, GUARDED, MINUTES, SCOPE, WEB, World, entries, keys

DAY = 24 * 3600.0


def restoration(world: World, max_age: float = DAY) -> Restoration:
    clock = Clock(lambda: world.time, lambda: world.time)
    pauses = Pauses(world.registry, clock.wall, lambda _: None)
    return Restoration(world.registry, clock, max_age, pauses, Drains(clock.wall, clock.monotonic))


def restarted(state: State, world: World, *, after: float = 0.0, max_age: float = DAY) -> tuple[World, Restoration]:
    """A new process that reads what was kept, some seconds later."""
    following = World(world.options, time=world.time + after)
    found = restoration(following, max_age)
    found.restore(decode(json.loads(b"".join(Encoder().encode(state)))))
    following.registry.drain()
    return following, found


def test_what_was_served_is_served_again_under_the_same_age() -> None:
    world = World()
    kept = restoration(world)
    world.read({WEB: range(3), API: [7]})
    world.read({WEB: [3]}, source=ECS)
    for source in (DC1, ECS):
        kept.succeeded(source, "")
    before = world.registry.services()

    following, _ = restarted(kept.current(), world, after=100)

    after = following.registry.services()
    assert {name: [each.endpoint for each in found.endpoints] for name, found in after.items()} == {
        name: [each.endpoint for each in found.endpoints] for name, found in before.items()
    }
    origins = {origin for each in after[WEB].endpoints for origin in each.origins}
    assert {origin.since for origin in origins} == {1_000_000.0}
    assert {origin.standing for origin in origins} == {Standing.RESTORED}


def test_parts_that_did_not_change_are_handed_over_as_the_same_objects() -> None:
    world = World()
    kept = restoration(world)
    world.read({WEB: range(3), API: [7]})
    first = {known.service: known for source in kept.current().sources for known in source.services}

    world.read({WEB: range(3), API: [8]})
    second = {known.service: known for source in kept.current().sources for known in source.services}

    assert second[WEB] is first[WEB]
    assert second[API] is not first[API]


def test_a_hold_goes_on_with_the_time_that_it_has_served() -> None:
    world = World()
    kept = restoration(world)
    world.read({WEB: range(100)})
    kept.succeeded(DC1, "")
    world.read({WEB: range(40)})
    world.later(5 * MINUTES)

    following, found = restarted(kept.current(), world, after=MINUTES)
    following.read({WEB: range(40)})
    found.succeeded(DC1, "")
    following.registry.drain()
    following.later(3.9 * MINUTES)
    assert following.served() == keys(range(100))

    following.later(0.2 * MINUTES)
    assert following.served() == keys(range(40))


def test_what_went_when_its_source_was_emptied_is_held_across_a_restart_for_that() -> None:
    world = World()
    kept = restoration(world)
    world.read({WEB: range(100)})
    kept.succeeded(DC1, "")
    world.read({})
    world.read({WEB: range(60)})

    following, found = restarted(kept.current(), world, after=MINUTES)
    following.read({WEB: range(60)})
    found.succeeded(DC1, "")
    following.registry.drain()
    following.later(100 * MINUTES)

    assert following.served() == keys(range(100))
    assert following.reasons() == [(Reason.EMPTIED, 40)]


def test_a_source_that_was_read_again_leaves_nothing_restored() -> None:
    world = World()
    kept = restoration(world)
    world.read({WEB: range(10), API: [20]})
    kept.succeeded(DC1, "")
    following, found = restarted(kept.current(), world)

    following.read({WEB: range(10)})
    found.succeeded(DC1, "")
    following.registry.drain()

    assert API not in following.registry.services()
    assert following.standings() == {Standing.REPORTED}


def test_a_part_of_a_pass_leaves_the_rest_restored() -> None:
    world = World()
    kept = restoration(world)
    world.read({WEB: range(10), API: [20]})
    kept.succeeded(DC1, "")
    following, found = restarted(kept.current(), world)

    following.read({WEB: range(10)}, complete=False)
    found.succeeded(DC1, "web")
    following.registry.drain()

    assert following.served(API) == keys([20])


def test_retained_clusters_and_agreed_protocols_are_kept() -> None:
    world = World(Options(guard=GUARDED.guard, retention=3600))
    kept = restoration(world)
    grpc = Endpoint("10.0.0.1", 80, instance=InstanceId("i0"), protocol=UpstreamProtocol.GRPC)
    world.registry.sink(DC1).replace(SCOPE, {WEB: frozenset({grpc}), API: entries([2])})
    world.registry.drain()
    kept.succeeded(DC1, "")
    world.read({API: [2]})

    following, _ = restarted(kept.current(), world, after=3000)
    found = following.registry.services()[WEB]
    assert (found.endpoints, found.protocol) == ((), UpstreamProtocol.GRPC)

    following.later(700)
    assert WEB not in following.registry.services()


def test_what_is_too_old_waits_for_an_operator_s_word(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    kept = restoration(world)
    world.read({WEB: range(3)})
    kept.succeeded(DC1, "")

    following, found = restarted(kept.current(), world, after=DAY + 1)
    assert following.registry.services() == {}
    assert found.aged == {DC1}
    assert [record.message for record in caplog.records if record.name == "bridge.restoration"] == ["state.too_old"]

    assert found.accept(DC1) == 3
    following.registry.drain()
    assert following.served() == keys(range(3))
    assert found.accept(DC1) == 0


def test_what_is_too_old_stays_in_the_file_until_its_source_has_spoken() -> None:
    world = World()
    kept = restoration(world)
    world.read({WEB: range(3)})
    kept.succeeded(DC1, "")
    following, found = restarted(kept.current(), world, after=DAY + 1)
    assert [source.source for source in found.current().sources] == [DC1]

    following.read({WEB: [9]})
    found.succeeded(DC1, "")

    (source,) = found.current().sources
    assert [str(each.endpoint.key) for each in source.services[0].endpoints] == ["10.0.0.10:80"]


def test_a_source_that_is_no_longer_configured_is_not_restored() -> None:
    world = World()
    kept = restoration(world)
    world.read({WEB: range(3)})
    kept.succeeded(DC1, "")
    state = kept.current()
    (source,) = state.sources
    other = State(sources=(type(source)(source=ServiceName("gone"), services=source.services, read=source.read),))  # type: ignore[arg-type]

    following, _ = restarted(other, world)

    assert following.registry.services() == {}


def test_a_clock_that_was_set_back_ages_nothing() -> None:
    world = World()
    kept = restoration(world)
    world.read({WEB: range(100)})
    kept.succeeded(DC1, "")
    world.read({WEB: range(40)})

    following, found = restarted(kept.current(), world, after=-3600)
    following.read({WEB: range(40)})
    found.succeeded(DC1, "")
    following.registry.drain()

    following.later(9 * MINUTES)
    assert following.served() == keys(range(100))
    following.later(2 * MINUTES)
    assert following.served() == keys(range(40))


def test_nothing_is_kept_of_a_source_that_was_taken_out() -> None:
    world = World()
    kept = restoration(world)
    world.read({WEB: [1]})
    kept.succeeded(DC1, "")
    following, found = restarted(kept.current(), world, after=2 * DAY)
    assert found.aged == {DC1}

    following.registry.forget(DC1, "taken out")
    found.ended(DC1)

    assert found.aged == set()
    assert found.current().sources == ()


def test_another_age_counts_for_what_is_restored_from_then_on() -> None:
    world = World()
    kept = restoration(world)
    world.read({WEB: [1]})
    kept.succeeded(DC1, "")
    following = World(world.options, time=world.time + 2 * DAY)
    found = restoration(following)

    found.configure(3 * DAY)
    found.restore(kept.current())

    assert found.aged == set()
