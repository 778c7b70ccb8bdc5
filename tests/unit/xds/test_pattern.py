"""Held against Python's `re`, which means the same by all that is understood here."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.pattern import LONGEST_TEXT, Pattern

ATOMS = st.sampled_from(["a", "b", "-", ".", r"\.", r"\d", r"\W", "[ab]", "[^a-c]", r"[\d_-]", "^", "$", "1", "é"])
REPEATS = st.sampled_from(["", "*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "+?", "??", "{0}"])


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(inner, REPEATS).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        st.tuples(inner, REPEATS).map(lambda pair: f"({pair[0]}){pair[1]}"),
    )


EXPRESSIONS = st.recursive(st.one_of(ATOMS, st.just("")), combined, max_leaves=8)


@given(EXPRESSIONS, st.text("ab-.1é_\n", max_size=8))
def test_it_matches_what_re_matches(expression: str, text: str) -> None:
    # `$` of `re` also matches before a line end at the very end; that of RE2 does not.
    meant = expression.replace("$", r"\Z")

    assert Pattern(expression).matches(text) == (re.fullmatch(meant, text, re.ASCII) is not None)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("edge-[0-9]+", "edge-17"),
        ("(eu|us)-(west|east)-[12][abc]?", "eu-west-1a"),
        ("|".join(f"node-{number}" for number in range(60)), "node-59"),
        (".*", ""),
        ("", ""),
    ],
)
def test_what_people_write_is_understood(expression: str, text: str) -> None:
    assert Pattern(expression).matches(text)
    assert not Pattern(expression).matches(text + "\n")


@pytest.mark.parametrize(
    "expression",
    [
        "(", ")", "a)", "(a", "*", "a**", "a*+", "[", "[]", "[b-a]", "a{2", "a{2,1}", "a{1000}", "]", "}", r"\b", r"\1",
        r"\p{L}", "(?i)a", "(?=a)", "(?P<n>a)", "[[:alpha:]]", "[a--b]", "\\", "(" * 40 + ")" * 40,
        "(a{100}){100}", "a" * 1001,
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_with_its_place(expression: str) -> None:
    with pytest.raises(ValueError, match=r"^the expression .* here: '"):
        Pattern(expression)


def test_a_pattern_that_would_keep_re_busy_for_hours_is_done_at_once() -> None:
    """Judged by the work it does: backtracking would need 2 to the power of 1000 steps, and this test never end."""
    assert not Pattern("(a*)*(a|a)*(a+a?)+b").matches("a" * 1000)


def test_a_text_that_is_too_long_matches_nothing() -> None:
    assert Pattern("a*").matches("a" * LONGEST_TEXT)
    assert not Pattern("a*").matches("a" * (LONGEST_TEXT + 1))
