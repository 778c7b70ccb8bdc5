import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.bucket import Bucket
from xds.turn import Turns


@pytest.fixture
def turns() -> Turns[str]:
    return Turns(Bucket(rate=1, burst=1, now=0.0))


def test_the_first_is_let_in_at_once_and_the_others_in_their_order(turns: Turns[str]) -> None:
    assert turns.join("a", "a1", 0.0)
    assert not turns.join("a", "a2", 0.0)
    assert not turns.join("a", "a3", 0.0)

    assert turns.due(0.5) == []
    assert turns.wait(0.5) == pytest.approx(0.5)
    assert turns.due(1.0) == ["a2"]
    assert turns.due(2.0) == ["a3"]
    assert turns.wait(2.0) is None


def test_whoever_comes_while_others_wait_is_not_let_in_before_them(turns: Turns[str]) -> None:
    turns.join("a", "a1", 0.0)
    turns.join("a", "a2", 0.0)

    assert not turns.join("b", "b1", 1.0)
    assert turns.due(1.0) == ["a2"]


def test_clients_take_turns(turns: Turns[str]) -> None:
    turns.join("crowd", "first", 0.0)
    for number in range(100):
        turns.join("crowd", f"crowd-{number}", 0.0)
    turns.join("single", "single", 0.0)

    assert [turns.due(float(second)) for second in (1, 2, 3)] == [["crowd-0"], ["single"], ["crowd-1"]]


def test_whoever_leaves_costs_nobody_a_turn(turns: Turns[str]) -> None:
    for ticket in ("first", "second", "third"):
        turns.join("a", ticket, 0.0)
    turns.leave("a", "second")
    turns.leave("a", "first")
    turns.leave("b", "unknown")

    assert turns.due(1.0) == ["third"]
    assert turns.wait(1.0) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=40))
def test_never_more_than_the_rate_and_everybody_in_the_end(arrivals: list[tuple[str, int]]) -> None:
    turns = Turns[int](Bucket(rate=2, burst=3, now=0.0))
    let_in: dict[int, float] = {}
    now = 0.0
    for ticket, (client, pause) in enumerate(arrivals):
        now += pause / 4
        let_in.update(dict.fromkeys(turns.due(now), now))
        if turns.join(client, ticket, now):
            let_in[ticket] = now
    while turns.wait(now) is not None:
        now += 0.25
        let_in.update(dict.fromkeys(turns.due(now), now))

    assert set(let_in) == set(range(len(arrivals)))
    times = sorted(let_in.values())
    assert all(later - earlier >= 0.5 for earlier, later in zip(times, times[4:], strict=False))
