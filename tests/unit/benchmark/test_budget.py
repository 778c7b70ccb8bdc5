"""A budget that is missed is said to be, and is the exit code."""

import pytest

from benchmark.budget import Budget, judged


def test_a_missed_budget_is_told_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    budgets = [Budget("an answer", 100.0, 100.0, "ms"), Budget("a push", 75.0, 50.0, "ms")]

    code = judged(budgets)

    assert code == 1
    assert capsys.readouterr().out.splitlines() == [
        "an answer: 100.0 ms, 1.00× of the 100 ms allowed (met)",
        "a push: 75.0 ms, 1.50× of the 50 ms allowed (MISSED)",
    ]


def test_when_all_are_met_it_ends_with_0() -> None:
    assert judged([Budget("an answer", 99.0, 100.0, "ms")]) == 0
