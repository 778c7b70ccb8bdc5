import gc
from random import Random

import pytest

from xds.subscription import NameSets, Subscription, amended, restated

NOTHING = frozenset[str]()


def names(*each: str) -> frozenset[str]:
    return frozenset(each)


def test_a_first_request_without_names_asks_for_everything_where_the_type_knows_that() -> None:
    known = restated(None, NOTHING, legacy_wildcard=True)
    unknown = restated(None, NOTHING, legacy_wildcard=False)

    assert known.wildcard
    assert not unknown.wildcard


def test_no_names_stay_everything_until_a_name_is_given() -> None:
    everything = restated(None, NOTHING, legacy_wildcard=True)

    still = restated(everything, NOTHING, legacy_wildcard=True)
    named = restated(still, names("a"), legacy_wildcard=True)
    nothing = restated(named, NOTHING, legacy_wildcard=True)

    assert still.wildcard
    assert named == Subscription(names("a"))
    assert nothing == Subscription()


def test_an_empty_string_is_a_name_that_was_given() -> None:
    assert restated(None, names(""), legacy_wildcard=True) == Subscription()


def test_a_star_is_everything_beside_the_names() -> None:
    assert restated(None, names("*", "a"), legacy_wildcard=False) == Subscription(names("a"), wildcard=True)


@pytest.mark.parametrize(
    ("subscribe", "unsubscribe", "expected"),
    [
        (names("b"), NOTHING, Subscription(names("a", "b"))),
        (NOTHING, names("a"), Subscription()),
        (NOTHING, names("unknown"), Subscription(names("a"))),
        (names("b"), names("b"), Subscription(names("a"))),
        (names("*"), NOTHING, Subscription(names("a"), wildcard=True)),
        (names("", "b"), NOTHING, Subscription(names("a", "b"))),
    ],
)
def test_names_are_added_before_names_are_dropped(
    subscribe: frozenset[str], unsubscribe: frozenset[str], expected: Subscription
) -> None:
    assert amended(Subscription(names("a")), subscribe, unsubscribe, legacy_wildcard=True) == expected


def test_an_incremental_wildcard_ends_only_with_the_star() -> None:
    everything = amended(None, NOTHING, NOTHING, legacy_wildcard=True)

    more = amended(everything, names("a"), NOTHING, legacy_wildcard=True)
    only = amended(more, NOTHING, names("*"), legacy_wildcard=True)

    assert more == Subscription(names("a"), wildcard=True, legacy=True)
    assert only == Subscription(names("a"))


def test_an_incremental_first_request_with_names_is_no_wildcard() -> None:
    assert amended(None, names("a"), NOTHING, legacy_wildcard=True) == Subscription(names("a"))


def test_many_small_changes_of_many_names_are_the_same_as_one_large() -> None:
    random, universe = Random(1), [f"n{number}" for number in range(3000)]
    expected = set(universe[:2000])
    wants = amended(None, frozenset(expected), NOTHING, legacy_wildcard=True)

    for _ in range(500):
        before = wants
        gained, lost = (frozenset(random.sample(universe, random.randint(0, 3))) for _ in range(2))
        wants = amended(before, gained, lost, legacy_wildcard=True)
        gone, expected = expected & lost, (expected | gained) - lost

        assert wants.names == expected
        assert wants.count == len(expected)
        assert before.names_not_in(wants) == gone
        some = frozenset(random.sample(universe, 20))
        assert wants.select(some) == some & expected


def test_a_wildcard_selects_and_covers_everything() -> None:
    wants = Subscription(names("missing"), wildcard=True)

    assert wants.select(names("x")) == names("x")
    assert wants.everything(names("x", "y")) == names("x", "y", "missing")
    assert Subscription(names("a")).select(names("a", "b")) == names("a")
    assert Subscription(names("a")).everything(names("b")) == names("a")


def test_equal_sets_of_names_are_one_object() -> None:
    sets = NameSets()

    first = sets.share(["a", "b"])
    second = sets.share(["b", "a"])

    assert first is second
    assert sets.share(frozenset({"a", "b"})) is first


def test_an_equal_subscription_is_made_of_the_same_objects() -> None:
    sets = NameSets()
    one, other = (Subscription(names("a", "b"), added=names("c"), dropped=names("a")) for _ in range(2))

    first, second = sets.share_all(one), sets.share_all(other)

    assert first == second == one
    assert (first.base is second.base, first.added is second.added, first.dropped is second.dropped) == (True,) * 3
    assert first.names == {"b", "c"}


def test_a_set_that_nobody_uses_is_forgotten() -> None:
    sets = NameSets()
    shared = sets.share(["a", "b"])

    del shared
    gc.collect()

    assert len(sets._sets) == 0
