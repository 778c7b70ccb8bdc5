"""What commands, pages and answers say alike."""

import pytest

from bridge.wording import counted, gist, printable, shortened, some, span, utc


def test_a_moment_is_told_in_utc() -> None:
    assert utc(1_700_000_000.9) == "2023-11-14 22:13:20 UTC"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-1, "0 s"), (0.4, "0 s"), (61, "1 min 1 s"), (3600, "1 h"), (3601, "1 h 1 s"), (90061, "1 d 1 h")],
)
def test_a_time_is_told_in_its_two_largest_units(seconds: float, told: str) -> None:
    assert span(seconds) == told


def test_things_are_counted_in_good_english() -> None:
    assert [counted(1, "Envoy"), counted(2, "Envoy"), counted(0, "entry", "entries")] == [
        "1 Envoy",
        "2 Envoys",
        "0 entries",
    ]


def test_a_text_becomes_a_line_that_fits() -> None:
    assert shortened(" a\n b ") == "a b"
    assert shortened("abcdef", 4) == "abc…"


def test_printable_text_is_left_alone() -> None:
    assert printable("Grüße 日本 'a'") == "Grüße 日本 'a'"
    assert printable("a\r\n\x1b[2J\u2028\ud800") == r"a\r\n\x1b[2J\u2028\ud800"


def test_of_what_envoy_says_the_reason_is_told() -> None:
    assert gist('name: "web"\nhealth_checks { }\n}\n: Proto constraint validation failed (Timeout:\n value)') == (
        "Proto constraint validation failed (Timeout: value)"
    )
    assert gist("no such cluster") == "no such cluster"


def test_of_many_some_are_named_and_the_others_counted() -> None:
    assert some(["a", "b"], 2) == "a, b"
    assert some(["a", "b", "c"], 2) == "a, b and 1 more"
    assert some(["a"], 3, 5) == "a and 4 more"
    assert some([], 3) == ""
