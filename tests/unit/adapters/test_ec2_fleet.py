import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._aws.instance import Instance, Placement, State, Tag
from adapters.ec2.fleet import PASSES, Fleet

TAG = "xds-service"


def instance(
    identity: str, state: str = "running", *, tagged: bool = True, private: str = "10.0.0.1", public: str = ""
) -> Instance:
    return Instance(
        instance_id=identity,
        state=State(state),
        placement=Placement("eu-west-1a"),
        private_ip_address=private,
        public_ip_address=public,
        tags=(Tag(TAG, "web:80"),) if tagged else (),
    )


def fleet(*known: Instance) -> Fleet:
    made = Fleet(TAG, apart=0)
    made.update(known)
    return made


def passed(
    fleet: Fleet,
    *seen: Instance,
    answered: tuple[Instance, ...] = (),
    unselected: frozenset[str] = frozenset(),
    now: float = 0.0,
) -> frozenset[str]:
    """A complete pass; returns those that have ended by evidence."""
    by_id = {each.instance_id: each for each in seen}
    missing = fleet.missing(by_id)
    found = {each.instance_id: each for each in answered}
    ended = fleet.update(seen) | fleet.conclude(missing, found, found.keys() - unselected, now)
    return frozenset(map(str, ended))


def ids(fleet: Fleet) -> list[str]:
    return sorted(each.instance_id for each in fleet)


@pytest.mark.parametrize("state", ["terminated", "stopped"])
def test_an_instance_that_was_seen_to_end_has_ended(state: str) -> None:
    known = fleet(instance("a"), instance("b"))

    assert passed(known, instance("a"), instance("b", state)) == {"b"}


def test_a_terminated_instance_is_forgotten_and_a_stopped_one_is_not() -> None:
    known = fleet(instance("a"), instance("b"))
    passed(known, instance("a", "terminated"), instance("b", "stopped"))

    assert ids(known) == ["b"]


def test_a_missing_instance_that_has_ended_goes_at_once() -> None:
    known = fleet(instance("a"), instance("b"))

    assert passed(known, instance("a"), answered=(instance("b", "terminated"),)) == {"b"}
    assert ids(known) == ["a"]


def test_a_missing_instance_whose_tag_is_gone_goes_at_once() -> None:
    known = fleet(instance("a"))

    assert passed(known, answered=(instance("a", tagged=False),)) == {"a"}
    assert ids(known) == []


def test_a_missing_instance_that_is_alive_and_tagged_stays_for_ever() -> None:
    known = fleet(instance("a"))
    for _ in range(10):
        assert passed(known, answered=(instance("a"),)) == set()

    assert ids(known) == ["a"]


def test_an_instance_that_the_filters_no_longer_select_goes_after_a_second_pass() -> None:
    known = fleet(instance("a"))

    for left in (["a"], []):
        assert passed(known, answered=(instance("a"),), unselected=frozenset("a")) == set()
        assert ids(known) == left


def test_passes_that_follow_each_other_at_once_count_as_one() -> None:
    known = Fleet(TAG, apart=5)
    known.update([instance("a")])
    left = []
    for now in (100, 100.5, 104, 105):
        passed(known, now=now)
        left.append(ids(known))

    assert left == [["a"], ["a"], ["a"], []]


def test_an_instance_that_nobody_knows_any_more_goes_after_a_second_pass() -> None:
    known = fleet(instance("a"))

    passed(known)
    assert ids(known) == ["a"]
    passed(known)
    assert ids(known) == []


def test_an_instance_that_shows_up_again_has_to_be_missing_twice_anew() -> None:
    known = fleet(instance("a"))
    for _ in range(3):
        passed(known)
        passed(known, instance("a"))

    assert ids(known) == ["a"]


def test_a_leaving_instance_keeps_the_addresses_that_ec2_takes_away() -> None:
    known = fleet(instance("a", public="52.1.2.3"))

    passed(known, instance("a", "shutting-down"))

    (kept,) = known
    assert (kept.state.name, kept.public_ip_address) == ("shutting-down", "52.1.2.3")


def test_a_running_instance_does_not_keep_an_address_that_was_taken_away() -> None:
    known = fleet(instance("a", public="52.1.2.3"))

    passed(known, instance("a"))

    (kept,) = known
    assert kept.public_ip_address == ""


def test_a_state_that_nobody_knows_changes_nothing() -> None:
    known = fleet(instance("a", "stopping"))

    passed(known, instance("a", "hibernating"))

    (kept,) = known
    assert kept.state.name == "stopping"


@pytest.mark.parametrize("state", ["pending", "running", "stopping", "shutting-down", "stopped"])
def test_a_terminated_instance_never_comes_back(state: str) -> None:
    """Answers of EC2 may be older than the one before."""
    known = fleet(instance("a"), instance("b"))
    assert passed(known, instance("a"), instance("b", "terminated")) == {"b"}

    assert passed(known, instance("a"), instance("b", state)) == set()
    assert ids(known) == ["a"]


def test_a_stopped_instance_may_start_again() -> None:
    known = fleet(instance("a"))
    passed(known, instance("a", "stopped"))

    passed(known, instance("a"))

    (started,) = known
    assert started.state.name == "running"


def test_an_instance_that_shuts_down_does_not_run_again() -> None:
    known = fleet(instance("a"))
    passed(known, instance("a", "shutting-down"))

    passed(known, instance("a"))

    (kept,) = known
    assert kept.state.name == "shutting-down"


def test_only_so_many_terminated_instances_are_remembered_and_those_still_shown_last() -> None:
    known = Fleet(TAG, apart=0, remembered=2)
    for identity in "abac":
        passed(known, instance(identity, "terminated"))

    passed(known, *map(instance, "abc"))

    assert ids(known) == ["b"]


IDS = st.sampled_from("abcd")
SIGHTS = st.builds(instance, IDS, st.sampled_from(["pending", "running", "stopping", "shutting-down"]))


@given(st.lists(st.tuples(st.lists(SIGHTS), st.booleans()), max_size=12))
def test_no_instance_goes_while_ec2_knows_it_as_alive(passes: list[tuple[list[Instance], bool]]) -> None:
    """Whatever lists leave out: as long as a question by id finds it running and tagged, it stays."""
    known = fleet(*map(instance, "abcd"))

    for seen, answers in passes:
        answered = tuple(map(instance, "abcd")) if answers else (instance("a"), instance("b"))
        assert passed(known, *seen, answered=answered) == set()

    assert {"a", "b"} <= set(ids(known))
    assert PASSES == 2


def test_an_instance_that_is_about_to_end_is_so_until_the_warning_is_stale() -> None:
    known = fleet(instance("i-1"))
    known.warn("i-1", 180)
    known.warn("i-1", 150)

    assert [known.leaving("i-1", now) for now in (0, 179, 180, 181)] == [True, True, False, False]


def test_a_warning_ends_with_its_instance() -> None:
    known = fleet(instance("i-1"))
    known.warn("i-1", 180)
    known.warn("i-2", 180)
    known.update([instance("i-1", "stopped")])
    known.update([instance("i-1"), instance("i-2")])

    assert not known.leaving("i-1", 0), "it was started again"
    assert not known.leaving("i-2", 0), "nobody knew it when it was warned"
