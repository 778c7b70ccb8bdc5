from hypothesis import given
from hypothesis import strategies as st

from bridge.diff import Diff, apply, between

states = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3))


@given(states, states)
def test_applying_the_difference_leads_from_the_old_state_to_the_new(old: dict[str, int], new: dict[str, int]) -> None:
    assert apply(old, between(old, new)) == new


@given(states)
def test_equal_states_differ_in_nothing(state: dict[str, int]) -> None:
    assert not between(state, dict(state))


def test_added_changed_and_removed_are_told_apart() -> None:
    old, new = {"kept": 1, "changed": 1, "gone": 1}, {"kept": 1, "changed": 2, "new": 1}

    diff = between(old, new)

    assert diff == Diff(added={"new": 1}, changed={"changed": 2}, removed=frozenset({"gone"}))
