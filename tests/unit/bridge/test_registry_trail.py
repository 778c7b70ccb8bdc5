"""What the audit trail tells of each endpoint."""

from dataclasses import replace

import pytest

from bridge.audit import Action, Event
from bridge.model import Endpoint, Health, InstanceId, ServiceName, SetAside
from support.guarded import API, DC1, GUARDED, OTHER, SCOPE, WEB, World, entries


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def world(events: list[Event]) -> World:
    return World(replace(GUARDED, record=events.append, retention=3600))


def told(events: list[Event]) -> list[tuple[Action, str, str]]:
    found = [(event.action, event.endpoint, event.why) for event in events]
    events.clear()
    return sorted(found)


def test_what_comes_changes_and_goes_is_told_with_its_cause(world: World, events: list[Event]) -> None:
    world.read({WEB: [0, 1]})
    assert [(event.source, event.scope, event.service, event.instance) for event in events] == [
        (DC1, SCOPE, WEB, event.instance) for event in events
    ]
    assert told(events) == [
        (Action.ADDED, "10.0.0.1:80", "a complete read shows it"),
        (Action.ADDED, "10.0.0.2:80", "a complete read shows it"),
    ]

    world.registry.sink(DC1).replace(
        SCOPE, {WEB: frozenset({Endpoint("10.0.0.1", 80, Health.DRAINING, 3, instance=InstanceId("i0"))})}
    )
    world.registry.drain()

    changes = "health draining in place of healthy, weight 3 in place of 1"
    assert told(events) == [
        (
            Action.CHANGED,
            "10.0.0.1:80",
            f"a complete read says {changes}",
        ),
        (Action.REMOVED, "10.0.0.2:80", "reads no longer show it, and the source has lost no more than it may"),
    ]


def test_an_equal_read_tells_nothing(world: World, events: list[Event]) -> None:
    world.read({WEB: [0, 1]})
    events.clear()

    world.read({WEB: [0, 1]})

    assert not events


def test_what_is_held_is_told_once_each(world: World, events: list[Event]) -> None:
    world.read({WEB: range(20)})
    events.clear()

    for _ in range(2):
        world.read({WEB: range(8)})

    assert [(action, why) for action, _, why in told(events)] == [
        (Action.HELD, "reads no longer show it, nor too many others of the source")
    ] * 12


def test_what_returns_and_what_is_believed_is_told(world: World, events: list[Event]) -> None:
    world.read({WEB: range(20)})
    world.read({WEB: range(8)})
    events.clear()

    world.read({WEB: range(9)})
    assert told(events) == [(Action.CHANGED, "10.0.0.9:80", "a complete read shows it again")]

    world.later(600)
    assert {(action, why) for action, _, why in told(events)} == {
        (Action.REMOVED, "reads no longer show it, and every one since has agreed for long enough")
    }


def test_evidence_moves_and_orders_are_told(world: World, events: list[Event]) -> None:
    world.read({WEB: range(40)})
    world.read({WEB: range(8)})
    events.clear()

    world.read({}, ended=[8], complete=False)
    assert told(events) == [(Action.REMOVED, "10.0.0.9:80", "the source named it as ended")]

    world.later(1)
    world.read({API: [9]}, scope=OTHER)
    assert told(events) == [
        (Action.ADDED, "10.0.0.10:80", "a complete read shows it"),
        (Action.REMOVED, "10.0.0.10:80", "it was missing, and its address appeared in another service"),
    ]

    world.registry.release(DC1)
    assert {(action, why) for action, _, why in told(events)} == {(Action.REMOVED, "an operator released it")}


def test_what_is_set_aside_is_told_with_its_reason(world: World, events: list[Event]) -> None:
    bad = SetAside(InstanceId("i1"), "db.internal:80", "not an IP address")
    world.registry.sink(DC1).replace(SCOPE, {WEB: frozenset({bad})})

    assert told(events) == [(Action.SET_ASIDE, "db.internal:80", "not an IP address")]


def test_another_instance_at_an_address_is_told(world: World, events: list[Event]) -> None:
    world.read({WEB: [0]})
    events.clear()

    world.registry.sink(DC1).replace(SCOPE, {WEB: entries([0], "other")})

    assert told(events) == [
        (Action.ADDED, "10.0.0.1:80", "a complete read shows it"),
        (Action.REMOVED, "10.0.0.1:80", "another instance has its address now"),
    ]


def test_a_service_that_is_gone_is_told(world: World, events: list[Event]) -> None:
    world.read({WEB: [0], API: [1]})
    events.clear()

    world.read({API: [1]})

    assert told(events) == [
        (Action.REMOVED, "", "no source names it any more; its cluster stays, empty, for 3600 s"),
        (Action.REMOVED, "10.0.0.1:80", "reads no longer show it, and the source has lost no more than it may"),
    ]


def test_the_end_of_a_retained_cluster_is_told(world: World, events: list[Event]) -> None:
    world.read({WEB: [0], API: [1]})
    world.read({API: [1]})
    retained = dict(world.registry.retained())
    events.clear()

    world.later(3600)

    assert retained == {WEB: 1_000_000.0 + 3600}
    assert told(events) == [(Action.REMOVED, "", "its cluster goes: no source has named it for 3600 s")]
    assert not world.registry.retained()


def test_a_cluster_that_is_not_retained_goes_in_one_event(events: list[Event]) -> None:
    world = World(replace(GUARDED, record=events.append))
    world.read({WEB: [0], API: [1]})
    events.clear()

    world.read({API: [1]})
    world.later(1)

    assert [why for _, endpoint, why in told(events) if not endpoint] == [
        "no source names it any more, and its cluster goes"
    ]


def test_a_service_that_is_refused_is_told_once_and_what_is_set_aside_is_counted(
    world: World, events: list[Event]
) -> None:
    bad = SetAside(InstanceId("i1"), "db.internal:80", "not an IP address")
    for _ in range(2):
        world.registry.sink(DC1).replace(
            SCOPE, {ServiceName("x" * 300): entries([0]), WEB: frozenset({bad}), API: entries([1])}
        )

    refused = [event for event in events if event.action is Action.SET_ASIDE and not event.endpoint]
    assert [(event.source, event.scope, len(event.service)) for event in refused] == [(DC1, SCOPE, 255)]
    assert "does not have 1 to 255 characters" in refused[0].why
    assert world.registry.set_aside_counts() == {WEB: {DC1: 1}}
