"""While a source is paused, what is served of it stays; afterwards, what vanished passes the guard as one loss."""

import pytest

from bridge.guard import Reason
from bridge.model import Endpoint, Health, InstanceId, Scope, ServiceName
from bridge.operator import Action, NothingToDoError, UnknownError
from bridge.operator.shadow import Shadow
from bridge.registry import SourceSink
from support.guarded import API, DC1, ECS, OTHER, SCOPE, WEB, endpoint, entries, keys
from support.operated import ANNA, Operated, restarted


@pytest.fixture
def operated() -> Operated:
    operated = Operated()
    operated.read({WEB: range(20), API: [100]})
    operated.read({WEB: [50]}, source=ECS)
    return operated


def test_nothing_of_a_paused_source_changes_whatever_it_says(operated: Operated) -> None:
    before = operated.registry.services()[WEB]
    operated.hand.pause("dc1", ANNA)

    operated.read({WEB: [1, 2, 30], ServiceName("new"): [5]})
    operated.sink().update(SCOPE, API, frozenset())
    operated.sink().remove(SCOPE, WEB)
    operated.sink().replace(OTHER, {API: entries([7])})
    sick = Endpoint("10.0.0.2", 80, Health.UNHEALTHY, instance=InstanceId("i1"))
    operated.sink().update(SCOPE, WEB, frozenset({sick}))
    operated.registry.drain()

    assert operated.registry.services()[WEB] == before
    assert operated.served(API) == keys([100])
    assert "new" not in operated.registry.services()


def test_other_sources_are_heard(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)

    operated.read({WEB: [51]}, source=ECS)

    assert operated.served() == keys([*range(20), 51])


def test_resume_serves_what_the_source_says_by_then(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)
    operated.read({WEB: range(30), API: []})
    operated.read({WEB: range(1, 21), ServiceName("new"): [60]})

    operated.hand.resume("dc1", ANNA)
    operated.registry.drain()

    assert operated.served() == keys([*range(1, 21), 50])
    assert operated.served(ServiceName("new")) == keys([60])
    assert operated.served(API) == set()
    assert operated.world.reasons() == []


def test_changes_alone_are_enough_to_know_the_rest(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)
    operated.sink().update(SCOPE, API, entries([100, 101]))

    operated.hand.resume("dc1", ANNA)
    operated.registry.drain()

    assert operated.served() == keys([*range(20), 50])
    assert operated.served(API) == keys([100, 101])


def test_what_vanished_in_small_steps_is_one_loss(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)
    for left in range(19, 4, -1):
        operated.read({WEB: range(left), API: [100]})

    operated.hand.resume("dc1", ANNA)
    operated.registry.drain()

    assert operated.served() == keys([*range(20), 50])
    assert operated.world.reasons() == [(Reason.LOSS, 15)]


def test_a_loss_is_measured_by_what_is_frozen_however_long_that_has_been(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)
    operated.read({WEB: range(5), API: [100]})
    operated.later(24 * 3600.0)

    operated.hand.resume("dc1", ANNA)
    operated.registry.drain()

    assert operated.served() == keys([*range(20), 50])
    assert operated.world.reasons() == [(Reason.LOSS, 15)]


def test_what_has_ended_meanwhile_is_no_loss(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)
    operated.read({WEB: range(5), API: [100]}, removed=range(5, 20))

    operated.hand.resume("dc1", ANNA)
    operated.registry.drain()

    assert operated.served() == keys([*range(5), 50])
    assert operated.world.reasons() == []


def test_a_doubt_that_arose_meanwhile_holds_what_vanished(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)
    operated.sink().doubt(SCOPE, "the canary is invisible")
    operated.read({WEB: range(19), API: [100]})

    operated.hand.resume("dc1", ANNA)
    operated.registry.drain()

    assert operated.served() == keys([*range(20), 50])
    assert operated.world.reasons() == [(Reason.DOUBT, 1)]


def test_a_doubt_that_has_ended_meanwhile_leaves_what_came_back(operated: Operated) -> None:
    operated.sink().doubt(None, "the canary is invisible")
    operated.read({WEB: [], API: []})
    operated.hand.pause("dc1", ANNA)
    operated.read({WEB: range(20), API: [100]})
    operated.sink().doubt(None, "")

    operated.hand.resume("dc1", ANNA)
    operated.registry.drain()

    assert operated.served() == keys([*range(20), 50])
    assert operated.world.reasons() == []


def test_data_that_was_lost_and_is_half_back_meanwhile_is_missed_afterwards(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)
    operated.sink().doubt(SCOPE, "lost all at once", lost=True)
    operated.read({})
    operated.read({WEB: range(15), API: [100]})
    operated.sink().doubt(SCOPE, "")

    operated.hand.resume("dc1", ANNA)
    operated.registry.drain()
    operated.world.later(3600.0)

    assert operated.served() == keys([*range(20), 50])
    assert operated.world.reasons() == [(Reason.EMPTIED, 5)]


def test_data_that_was_lost_after_a_restart_is_missed_after_the_pause(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)
    following = restarted(operated)
    following.read({WEB: range(20), API: [100]})
    following.sink().doubt(SCOPE, "lost all at once", lost=True)
    following.read({})
    following.read({WEB: range(15), API: [100]})
    following.sink().doubt(SCOPE, "")

    following.hand.resume("dc1", ANNA)
    following.registry.drain()

    assert following.world.reasons() == [(Reason.EMPTIED, 5)]


def test_what_came_back_after_the_doubt_had_ended_may_go_again(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)
    operated.sink().doubt(SCOPE, "lost all at once", lost=True)
    operated.read({})
    operated.read({WEB: range(3)})
    operated.sink().doubt(SCOPE, "")
    operated.read({WEB: range(20), API: [100]})
    operated.read({WEB: range(18), API: [100]})

    operated.hand.resume("dc1", ANNA)
    operated.registry.drain()
    operated.world.later(3600.0)

    assert operated.served() == keys([*range(18), 50])


def test_what_was_lost_just_before_a_pause_is_known_to_be(operated: Operated) -> None:
    operated.sink().doubt(SCOPE, "lost all at once", lost=True)
    operated.sink().replace(SCOPE, {})
    operated.hand.pause("dc1", ANNA)

    assert operated.world.reasons() == [(Reason.EMPTIED, 21)]


def test_what_was_lost_and_is_back_meanwhile_may_go_again(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)
    operated.sink().doubt(SCOPE, "lost all at once", lost=True)
    operated.read({})
    operated.read({WEB: range(20), API: [100]})
    operated.sink().doubt(SCOPE, "")
    operated.read({WEB: range(18), API: [100]})

    operated.hand.resume("dc1", ANNA)
    operated.registry.drain()
    operated.world.later(3600.0)

    assert operated.served() == keys([*range(18), 50])


def test_a_hold_is_not_released_while_its_source_is_paused(operated: Operated) -> None:
    operated.read({WEB: range(5), API: [100]})
    operated.hand.pause("dc1", ANNA)

    with pytest.raises(NothingToDoError, match=r"dc1 is paused, since .* by anna; resume it first"):
        operated.hand.release("dc1", ANNA)

    assert operated.served() == keys([*range(20), 50])


def test_what_cannot_be_done_changes_nothing_and_says_why(operated: Operated) -> None:
    with pytest.raises(UnknownError, match="there is no source 'dc2'; did you mean 'dc1'"):
        operated.hand.pause("dc2", ANNA)
    with pytest.raises(NothingToDoError, match="dc1 is not paused"):
        operated.hand.resume("dc1", ANNA)
    with pytest.raises(NothingToDoError, match="no source is paused"):
        operated.hand.resume(None, ANNA)
    with pytest.raises(NothingToDoError, match="nothing of dc1 is held"):
        operated.hand.release("dc1", ANNA)

    assert operated.audit.records == []


def test_a_source_of_which_nothing_is_served_is_paused_with_a_warning() -> None:
    done = Operated().hand.pause("dc1", ANNA)

    assert done.warnings == ("nothing is served of dc1, and that stays so until it is resumed",)


def test_what_the_source_has_by_now_is_counted(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)
    operated.read({WEB: range(3)})

    assert operated.hand.reported(DC1) == 3
    assert operated.registry.statistics(DC1).served == 21


def test_release_lets_go_of_what_is_held(operated: Operated) -> None:
    operated.read({WEB: range(5), API: [100]})

    done = operated.hand.release("dc1", ANNA)
    operated.registry.drain()

    assert done.message == "released 15 endpoints of dc1, in web"
    assert operated.served() == keys([*range(5), 50])
    assert operated.audit.records == [(Action.RELEASE, "dc1", "anna", {"endpoints": 15, "services": ["web"]})]


def test_a_pause_outlasts_the_process_with_what_is_served(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)
    operated.read({WEB: [1]})

    following = restarted(operated)
    following.read({WEB: [1]})
    following.read({WEB: [50]}, source=ECS)

    assert following.served() == keys([*range(20), 50])
    assert [(pause.source, pause.by, pause.since) for pause in following.hand.pauses()] == [(DC1, "anna", 1_000_000.0)]


def test_what_is_frozen_is_never_too_old(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)

    following = restarted(operated, after=30 * 24 * 3600.0)

    assert following.served() == keys(range(20))
    assert following.hand.too_old() == {ECS}


def test_what_vanished_during_a_pause_and_a_restart_is_one_loss(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)
    following = restarted(operated)
    following.read({WEB: range(5)})

    following.hand.resume("dc1", ANNA)
    following.registry.drain()

    assert following.served() == keys([*range(20), 50])
    assert following.world.reasons() == [(Reason.LOSS, 16)]
    assert following.caught_up == [DC1]


def test_a_partial_read_after_a_restart_takes_nothing_away(operated: Operated) -> None:
    operated.hand.pause("dc1", ANNA)
    following = restarted(operated)
    following.read({WEB: [1, 70]}, complete=False)

    following.hand.resume("dc1", ANNA)
    following.registry.drain()

    assert following.served() == keys([*range(20), 50, 70])
    assert following.world.reasons() == []
    assert following.caught_up == []


def test_a_release_serves_what_was_kept_for_too_long(operated: Operated) -> None:
    following = restarted(operated, after=30 * 24 * 3600.0)

    done = following.hand.release("dc1", ANNA)
    following.registry.drain()

    assert done.message == "serving 21 endpoints of dc1 as they were kept, until it has been read"
    assert following.served() == keys(range(20))


def test_a_service_with_an_impossible_name_is_still_refused_after_a_pause(operated: Operated) -> None:
    operated.sink().update(SCOPE, ServiceName("a\nb"), entries([1]))
    operated.hand.pause("dc1", ANNA)

    operated.hand.resume("dc1", ANNA)
    operated.registry.drain()

    assert [refused.name for refused in operated.registry.refused(DC1)] == ["a\nb"]


def test_a_shadow_keeps_no_one_in_mind_who_was_not_there() -> None:
    shadow = Shadow({SCOPE: {WEB: entries([1])}})
    sink = SourceSink(shadow, DC1)
    told = Shadow({})

    sink.replace(SCOPE, {}, removed=frozenset({InstanceId("i1"), InstanceId("i2")}))
    sink.replace(Scope("new"), {API: frozenset({endpoint(3)})})
    shadow.tell(SourceSink(told, DC1))

    assert shadow.endpoints == told.endpoints == 1
    assert told.names((DC1, Scope("new"))) == {API}
    assert shadow._ended == {SCOPE: {InstanceId("i1")}}
