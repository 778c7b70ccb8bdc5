"""While everything is paused, nothing changes, by time or by a reload; sources that come are paused as well."""

from dataclasses import replace

import pytest

from bridge.guard import GuardRules, Reason
from bridge.merge import First, union
from bridge.model import SourceName
from bridge.operator import Action
from support.guarded import API, DC1, ECS, WEB, keys
from support.operated import ANNA, Operated, restarted

NEW, LATER = SourceName("new"), SourceName("later")


@pytest.fixture
def operated() -> Operated:
    operated = Operated()
    operated.read({WEB: range(20), API: [100]})
    operated.read({WEB: [50]}, source=ECS)
    return operated


@pytest.mark.parametrize("source", [None, "dc1"])
def test_a_reload_takes_nothing_that_is_held_of_a_paused_source(operated: Operated, source: str | None) -> None:
    operated.read({WEB: range(5), API: [100]})
    assert operated.world.reasons() == [(Reason.LOSS, 15)]
    operated.hand.pause(source, ANNA)
    loose = replace(operated.world.options, guard=GuardRules(max_loss=0.9))

    operated.registry.configure([DC1, ECS], lambda _: union, loose, retell=False)
    operated.registry.drain()
    assert operated.served() == keys([*range(20), 50])

    operated.hand.resume("dc1", ANNA)
    operated.registry.drain()
    assert operated.served() == keys([*range(5), 50])


@pytest.mark.parametrize("names", [(), ("dc1", "ecs")])
def test_time_that_goes_by_while_everything_is_paused_does_not_count_after_a_restart(names: tuple[str, ...]) -> None:
    operated = Operated(retention=600.0)
    operated.read({WEB: [1], API: [3]})
    operated.read({WEB: [1]})
    for source in names:
        operated.hand.pause(source, ANNA)
    operated.later(1800.0 if names else 0.0)
    operated.hand.pause(None, ANNA)

    following = restarted(operated, after=1800.0, retention=600.0)
    following.registry.expire(lambda _: True)
    following.registry.drain()
    assert API in following.registry.services()

    following.hand.resume(None, ANNA)
    following.registry.expire(lambda _: True)
    following.registry.drain()
    assert API not in following.registry.services()


def test_all_sources_are_paused_and_resumed_without_a_name(operated: Operated) -> None:
    paused = operated.hand.pause(None, ANNA)
    again = operated.hand.pause("ecs", ANNA)
    everything = operated.pauses.everything
    resumed = operated.hand.resume(None, ANNA)

    assert paused.message == (
        "paused dc1, ecs: what is served of it stays as it is\n"
        "sources that a reload adds are paused as well, and nothing goes or changes by time"
    )
    assert again.message == "ecs was paused before, since 1970-01-12 13:46:40 UTC by anna"
    assert resumed.message.startswith("resumed dc1, ecs; ")
    assert (everything, operated.pauses.everything) == (True, False)
    assert operated.audit.actions == [
        (Action.PAUSE, "dc1"),
        (Action.PAUSE, "ecs"),
        (Action.PAUSE, "every source"),
        (Action.RESUME, "dc1"),
        (Action.RESUME, "ecs"),
    ]


def test_a_source_that_comes_while_everything_is_paused_is_paused_until_one_is_resumed(operated: Operated) -> None:
    operated.hand.pause(None, ANNA)
    for name in (NEW, LATER):
        operated.registry.configure(
            [*operated.registry.sources, name], lambda _: union, operated.world.options, retell=False
        )
        operated.pauses.started(name)
        operated.read({WEB: [60]}, source=name)
        operated.hand.resume("ecs", ANNA) if name == NEW else None

    assert operated.served() == keys([*range(20), 50, 60])
    assert [(pause.source, pause.by) for pause in operated.pauses.all()] == [(DC1, "anna"), (NEW, "anna")]
    assert not operated.pauses.everything


def test_a_pause_of_everything_covers_sources_that_come_after_a_restart(operated: Operated) -> None:
    operated.hand.pause(None, ANNA)

    following = restarted(operated)
    following.registry.configure(
        [*following.registry.sources, NEW], lambda _: union, following.world.options, retell=False
    )
    following.pauses.started(NEW)

    assert [pause.source for pause in following.pauses.all()] == [DC1, ECS, NEW]


def test_time_changes_nothing_while_everything_is_paused() -> None:
    operated = Operated(policy=First(return_after=30.0), retention=600.0)
    operated.read({WEB: [1]}, source=ECS)
    operated.read({WEB: [2], API: [3]})
    assert operated.served() == keys([1])
    operated.read({WEB: [2]})  # the cluster of api is retained
    operated.hand.pause(None, ANNA)

    operated.later(3600.0)
    operated.registry.expire(lambda _: True)
    for service in ("web", "api"):
        operated.hand.drain(service, 60.0, ANNA)
    operated.registry.drain()
    operated.later(61.0)
    assert operated.served() == keys([1])
    assert API in operated.registry.services()

    operated.hand.resume(None, ANNA)
    operated.registry.expire(lambda _: True)
    operated.registry.touch([WEB])
    operated.registry.drain()
    assert operated.served() == keys([2])
    assert API not in operated.registry.services()
