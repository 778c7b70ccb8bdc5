"""What is drained is DRAINING for as long as an operator says, and its source's word stays visible beside it."""

import json

import pytest

from bridge.merge import First, Weighted
from bridge.merge.model import TAKING
from bridge.model import Endpoint, EndpointKey, Health, InstanceId, ServiceName
from bridge.operator import Action, NothingToDoError, UnknownError
from bridge.operator.drain import parse_key
from bridge.state.codec import Encoder, decode
from support.guarded import API, DC1, ECS, SCOPE, WEB, endpoint
from support.operated import ANNA, Operated

HOUR = 3600.0
FIRST, SECOND, THIRD = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"
DRAINED = (Health.DRAINING, Health.HEALTHY)
HEALTHY = (Health.HEALTHY, None)


@pytest.fixture
def operated() -> Operated:
    operated = Operated()
    operated.read({WEB: [0, 1], API: [0]})
    return operated


def shares(operated: Operated) -> dict[str, float]:
    """The part of the requests that each endpoint gets that takes any."""
    taking = [each for each in operated.registry.services()[WEB].endpoints if each.endpoint.health in TAKING]
    whole = sum(each.weight or 1 for each in taking)
    return {str(each.endpoint.key): (each.weight or 1) / whole for each in taking}


def test_an_endpoint_is_drained_in_every_service(operated: Operated) -> None:
    done = operated.hand.drain(FIRST, HOUR, ANNA)
    operated.registry.drain()

    assert operated.healths() == {FIRST: DRAINED, SECOND: HEALTHY}
    assert operated.healths(API) == {FIRST: DRAINED}
    assert done.message == f"{FIRST} drains in web, api until 1970-01-12 14:46:40 UTC"


def test_a_service_is_drained_with_all_its_endpoints_and_nothing_else(operated: Operated) -> None:
    operated.hand.drain("web", HOUR, ANNA)
    operated.read({WEB: [0, 1, 2], API: [0]})

    assert set(operated.healths().values()) == {DRAINED}
    assert len(operated.healths()) == 3
    assert operated.healths(API) == {FIRST: HEALTHY}


def test_reads_of_the_source_change_nothing_about_it(operated: Operated) -> None:
    operated.hand.drain(SECOND, HOUR, ANNA)

    sick = Endpoint("10.0.0.2", 80, Health.UNHEALTHY, instance=InstanceId("i1"))
    operated.sink().update(SCOPE, WEB, frozenset({endpoint(0), sick}))
    operated.registry.drain()

    assert operated.healths() == {FIRST: HEALTHY, SECOND: (Health.DRAINING, Health.UNHEALTHY)}


def test_what_its_source_drains_too_is_as_it_says(operated: Operated) -> None:
    operated.hand.drain(SECOND, HOUR, ANNA)

    leaving = Endpoint("10.0.0.2", 80, Health.DRAINING, instance=InstanceId("i1"))
    operated.sink().update(SCOPE, WEB, frozenset({endpoint(0), leaving}))
    operated.registry.drain()

    assert operated.healths()[SECOND] == (Health.DRAINING, None)


def test_a_source_that_is_drained_gives_its_share_away_and_gets_it_back() -> None:
    operated = Operated(policy=Weighted(((DC1, 90), (ECS, 10))))
    operated.read({WEB: [0]})
    operated.read({WEB: [1, 2]}, source=ECS)

    operated.hand.drain(SECOND, HOUR, ANNA)
    operated.registry.drain()
    one_left = shares(operated)
    operated.hand.drain(THIRD, HOUR, ANNA)
    operated.registry.drain()
    none_left = operated.registry.services()[WEB].ruling.heard
    operated.hand.undrain(THIRD, ANNA)
    operated.registry.drain()

    assert one_left == shares(operated) == pytest.approx({FIRST: 0.9, THIRD: 0.1})
    assert none_left == (DC1,)


def test_a_source_that_is_drained_is_not_chosen_until_that_ends() -> None:
    operated = Operated(policy=First(return_after=0))
    operated.read({WEB: [0]})
    operated.read({WEB: [1]}, source=ECS)

    done = operated.hand.drain(FIRST, HOUR, ANNA)
    operated.registry.drain()
    meanwhile = operated.healths()
    operated.later(HOUR)

    assert not done.warnings
    assert meanwhile == {SECOND: HEALTHY}
    assert operated.healths() == {FIRST: HEALTHY}


async def test_it_ends_by_itself_and_wakes_who_serves(operated: Operated) -> None:
    operated.hand.drain(FIRST, HOUR, ANNA)
    operated.later(HOUR - 1)
    still = operated.healths()[FIRST]

    operated.world.time += 1
    operated.hand.expire()
    await operated.registry.changed()
    operated.registry.drain()

    assert still == DRAINED
    assert operated.healths()[FIRST] == HEALTHY
    assert operated.hand.drains() == ()


def test_a_clock_that_is_set_changes_no_deadline() -> None:
    operated = Operated()
    operated.read({WEB: [0, 1]})
    wall = [0.0]
    operated.drains._clock = lambda: wall[0]
    operated.hand.drain(FIRST, HOUR, ANNA)

    wall[0] += 10 * HOUR
    operated.later(HOUR / 2)

    assert operated.healths()[FIRST] == DRAINED


def test_undrain_ends_it(operated: Operated) -> None:
    operated.hand.drain("web", HOUR, ANNA)
    operated.hand.drain(FIRST, HOUR, ANNA)
    operated.registry.drain()

    operated.hand.undrain("web", ANNA)
    operated.registry.drain()

    assert operated.healths() == {FIRST: DRAINED, SECOND: HEALTHY}
    assert operated.audit.actions == [(Action.DRAIN, "web"), (Action.DRAIN, FIRST), (Action.UNDRAIN, "web")]


def test_a_second_drain_of_the_same_sets_its_end(operated: Operated) -> None:
    operated.hand.drain(FIRST, HOUR, ANNA)
    operated.hand.drain(FIRST, 60.0, ANNA)

    assert [drain.until for drain in operated.hand.drains()] == [1_000_060.0]


def test_it_outlasts_the_process_by_its_deadline(operated: Operated) -> None:
    operated.hand.drain(FIRST, HOUR, ANNA)
    operated.hand.drain("api", HOUR / 3, ANNA)
    written = json.loads(b"".join(Encoder().encode(operated.restoration.current())))

    following = Operated(time=operated.world.time + HOUR / 2)
    following.restoration.restore(decode(written))
    following.later(0)
    following.read({WEB: [0, 1]})
    at_first = following.healths()
    following.later(HOUR / 2)

    assert at_first == {FIRST: DRAINED, SECOND: HEALTHY}
    assert following.healths()[FIRST] == HEALTHY


def test_names_that_do_not_exist_are_refused_with_the_nearest(operated: Operated) -> None:
    with pytest.raises(UnknownError, match=r"there is no service 'wbe'; did you mean 'web'\? \(an endpoint is"):
        operated.hand.drain("wbe", HOUR, ANNA)
    with pytest.raises(UnknownError, match=r"no service has an endpoint 10\.0\.0\.1:81; did you mean '10\.0\.0\.1:80'"):
        operated.hand.drain("10.0.0.1:81", HOUR, ANNA)
    with pytest.raises(UnknownError, match=r"there is no service '10\.0\.0\.1'"):
        operated.hand.drain("10.0.0.1", HOUR, ANNA)
    with pytest.raises(NothingToDoError, match="web is not drained by an operator"):
        operated.hand.undrain("web", ANNA)

    assert operated.audit.records == []


def test_an_ipv6_endpoint_is_named_in_brackets_however_it_is_spelled() -> None:
    operated = Operated()
    operated.sink().update(SCOPE, WEB, frozenset({endpoint(0), Endpoint("fd00::6", 80)}))
    operated.registry.drain()

    operated.hand.drain("[FD00:0::6]:80", HOUR, ANNA)
    operated.registry.drain()
    drained = operated.healths()["[fd00::6]:80"]
    operated.hand.undrain("[fd00:0:0::6]:80", ANNA)

    assert drained == DRAINED
    assert operated.hand.drains() == ()


def test_a_drain_of_a_service_without_endpoints_says_that_it_is_for_later(operated: Operated) -> None:
    operated.sink().update(SCOPE, WEB, frozenset())
    operated.registry.drain()

    done = operated.hand.drain("web", HOUR, ANNA)

    assert done.warnings == ("web has no endpoint now; those that come until then drain as well",)


def test_the_end_of_a_drain_is_told_to_the_audit(operated: Operated) -> None:
    operated.hand.drain("web", HOUR, ANNA)

    operated.later(HOUR)

    assert operated.audit.over == ["web"]


def test_what_is_drained_is_named_to_whoever_ends_another_drain(operated: Operated) -> None:
    operated.hand.drain(FIRST, HOUR, ANNA)

    with pytest.raises(NothingToDoError, match=r"web is not drained by an operator; drained are 10\.0\.0\.1:80"):
        operated.hand.undrain("web", ANNA)


def test_who_is_left_with_nothing_healthy_is_told(operated: Operated) -> None:
    sick = Endpoint("10.0.0.2", 80, Health.UNHEALTHY, instance=InstanceId("i1"))
    operated.sink().update(SCOPE, WEB, frozenset({endpoint(0), sick}))
    operated.registry.drain()

    done = operated.hand.drain(FIRST, HOUR, ANNA)

    assert [warning.partition(",")[0] for warning in done.warnings] == [
        "web is left with 1 unhealthy endpoints",
        "all of api drains",
    ]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("10.0.0.1:80", EndpointKey("10.0.0.1", 80)),
        ("[fd00::1]:65535", EndpointKey("fd00::1", 65535)),
        ("[::ffff:10.0.0.1]:80", EndpointKey("10.0.0.1", 80)),
        ("fd00::1:80", None),
        ("[10.0.0.1]:80", None),
        ("10.0.0.1", None),
        ("10.0.0.1:0", None),
        ("10.0.0.1:65536", None),
        ("10.0.0.1:٣", None),
        ("10.0.0.1.5:80", None),
        ("[fe80::1%eth0]:80", None),
        ("web:80", None),
        ("web", None),
        ("", None),
    ],
)
def test_an_endpoint_is_an_address_and_a_port(text: str, key: EndpointKey | None) -> None:
    assert parse_key(text) == key


def test_a_service_may_be_called_like_an_endpoint() -> None:
    operated, name = Operated(), ServiceName("10.0.0.9:80")
    operated.read({name: [0], WEB: [8]})

    operated.hand.drain(name, HOUR, ANNA)
    operated.registry.drain()

    assert operated.healths(name) == {FIRST: DRAINED}
    assert operated.healths() == {"10.0.0.9:80": HEALTHY}
