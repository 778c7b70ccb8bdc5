import pytest

from xds.budget import SLOW, Budget, Verdict


@pytest.fixture
def budget() -> Budget:
    return Budget(100)


def test_there_is_room_until_there_is_none(budget: Budget) -> None:
    assert budget.ask(1, 60, 0.0)
    assert budget.ask(2, 40, 0.0)
    assert not budget.ask(3, 1, 0.0)

    assert budget.review(0.5) == Verdict()
    assert budget.due(0.5) == SLOW - 0.5
    budget.release(1)
    assert budget.review(0.5) == Verdict((3,))
    assert budget.used == 41
    assert budget.due(0.5) is None


def test_whoever_waits_is_served_before_those_who_come_later_even_if_these_would_fit(budget: Budget) -> None:
    budget.ask(1, 90, 0.0)
    assert not budget.ask(2, 50, 0.0)
    assert not budget.ask(3, 5, 0.0)

    budget.release(1)

    assert budget.review(0.0) == Verdict((2, 3))


def test_one_response_larger_than_the_budget_goes_alone(budget: Budget) -> None:
    assert budget.ask(1, 500, 0.0)
    assert not budget.ask(2, 1, 0.0)

    budget.release(1)

    assert budget.review(0.0) == Verdict((2,))


def test_a_stuck_write_makes_room_for_those_who_wait(budget: Budget) -> None:
    budget.ask(1, 100, 0.0)
    budget.ask(2, 100, 0.5)

    assert budget.review(SLOW) == Verdict((2,))
    assert budget.used == 200


def test_a_stuck_write_is_left_alone_while_nobody_waits(budget: Budget) -> None:
    budget.ask(1, 100, 0.0)

    assert budget.review(100.0) == Verdict()
    assert budget.due(100.0) is None


def test_when_the_slow_have_filled_their_account_the_slowest_are_ended_and_no_more_than_needed(budget: Budget) -> None:
    for writer, size in ((1, 40), (2, 60), (3, 100), (4, 100)):
        budget.ask(writer, size, 0.0)
    assert budget.review(1.0) == Verdict((3,))  # 1 and 2 are slow now
    budget.release(2)
    budget.review(1.0)
    budget.ask(5, 60, 1.0)

    assert budget.review(1.5) == Verdict()  # 3 is not slow yet
    assert budget.review(2.0) == Verdict((), (1,))
    assert budget.due(2.0) is None
    assert budget.review(2.1) == Verdict()  # told once
    budget.release(1)
    assert budget.review(2.2) == Verdict((4,))
    assert budget.used == 200


def test_whoever_gives_up_waiting_is_forgotten(budget: Budget) -> None:
    budget.ask(1, 100, 0.0)
    budget.ask(2, 100, 0.0)
    budget.release(2)
    budget.release(7)

    assert budget.waiting == 0
    assert budget.review(5.0) == Verdict()
    assert budget.used == 100
