import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.document import Position, UnreadableError, parse
from bridge.problem import Problem


def test_aliases_stand_for_what_they_name() -> None:
    document = parse("bridge.yaml", "a: &a {b: 1}\nc: [*a, *a]\n")

    assert document.value == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}


def test_a_directive_does_not_bring_back_the_types_of_yaml_1_1() -> None:
    document = parse("bridge.yaml", "%YAML 1.1\n---\na: [on, 1:30, 0b11]\n")

    assert document.value == {"a": ["on", "1:30", "0b11"]}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("22:22", "22:22"),
        ("1_000", "1_000"),
        ("2026-01-31", "2026-01-31"),
        ("0o17", 15),
        ("010", 10),
        ("0x1F", 31),
        ("1e3", 1000.0),
        ("-.inf", float("-inf")),
        ("True", True),
        ("~", None),
        ("'5'", "5"),
        ("!!str 5", "5"),
    ],
)
def test_values_follow_the_core_schema_of_yaml_1_2(written: str, value: object) -> None:
    document = parse("bridge.yaml", f"key: {written}\n")

    assert document.value == {"key": value}


def test_every_key_and_value_knows_its_place() -> None:
    document = parse("bridge.yaml", "a:\n  - b: 1\n    c:\nd: 2\n")

    assert document.position(("a", 0, "b"), key=True) == Position(2, 5)
    assert document.position(("a", 0, "b")) == Position(2, 8)
    assert document.position(("a", 0, "c")) == Position(3, 5)
    assert document.position(("d",)) == Position(4, 4)


def test_what_is_absent_stands_where_the_nearest_thing_around_it_does() -> None:
    document = parse("bridge.yaml", "a:\n  b: {c: 1}\n")

    assert document.position(("a", "b", "x", 3, "y")) == Position(2, 6)
    assert document.position(("x",)) == Position(1, 1)


def test_problems_are_told_once_and_in_the_order_of_the_file() -> None:
    document = parse("bridge.yaml", "a: 1\nb: 2\n")

    told = document.report([Problem(("b",), "is odd"), Problem(("a",), "is odd"), Problem(("b",), "is odd")])

    assert told == "bridge.yaml:1:4: a: is odd\nbridge.yaml:2:4: b: is odd"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: !b c", "1:4: a: the tag !b is not supported"),
        ("a: !b {c: d}", "1:4: a: the tag !b is not supported"),
        ("a: !!int 5", "1:4: a: the tag tag:yaml.org,2002:int is not supported"),
        ("!b a: c", "1:1: a key must be text"),
        ("? {a: b}\n: c\nd: e", "1:3: a key must be text"),
        ("<<: {a: b}", "1:1: merge keys (<<) are no part of YAML 1.2; write the keys out"),
        ("a: 1\na: [&x 2]\nb: *x", "2:1: a: the key is given twice, first in line 1"),
        ("a: &x {b: *x}", "1:11: a.b: an alias must not stand within what it names"),
    ],
)
def test_what_yaml_1_2_has_not_is_a_problem_with_its_place(text: str, problem: str) -> None:
    document = parse("x", text)

    assert document.report() == f"x:{problem}"


def test_what_is_wrong_takes_nothing_else_with_it() -> None:
    document = parse("x", "a: !b c\n? [&x d]\n: {e: f}\na: g\nh: [*x, 1]\n'<<': i\n")

    assert document.value == {"a": None, "h": ["d", 1], "<<": "i"}


def test_an_alias_stands_where_it_is_written() -> None:
    document = parse("x", "- &a {b: 1}\n- *a\n")

    assert document.position((1,)) == Position(2, 3)
    assert document.position((1, "b")) == Position(1, 10)


def test_a_name_can_be_given_again() -> None:
    document = parse("x", "[&a 1, *a, &a 2, *a]")

    assert document.value == [1, 1, 2, 2]


def test_values_are_not_limited_that_are_written_out() -> None:
    count = 5000

    document = parse("x", "- 1\n" * count)

    assert document.value == [1] * count


def test_aliases_that_multiply_are_refused_before_they_do() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 20))

    with pytest.raises(UnreadableError, match="aliases stand for more than 200000 values"):
        parse("x", f"l0: &l0 [a]\n{levels}")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "- " * 100_000,
        "{a: " * 100_000,
        "a: &a0 []\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 99)),
    ],
    ids=["lists", "indented", "mappings", "aliases"],
)
def test_what_is_nested_too_deeply_is_refused_at_once(text: str) -> None:
    with pytest.raises(UnreadableError, match="nested deeper than 64 levels"):
        parse("x", text)


@pytest.mark.parametrize("digits", [400, 401, 5000])
def test_a_number_of_any_length_is_read_or_is_text(digits: int) -> None:
    document = parse("x", "9" * digits)

    assert document.value == (10**400 - 1 if digits == 400 else "9" * digits)


def test_what_a_text_stands_for_is_up_to_the_reader() -> None:
    def read(text: str) -> str:
        if text == "bad":
            raise ValueError("is bad")
        return text.upper()

    document = parse("x", "a: b\nc: 1\nd: 'bad'\n", read)

    assert document.value == {"a": "B", "c": 1, "d": "bad"}
    assert document.report() == "x:3:4: d: is bad"


@given(st.text("ab:-[]{},&*!|>'\"%@#?\n\t ~<\\\\U01\ufeff\0", max_size=40))
def test_whatever_the_text_it_is_read_or_refused(text: str) -> None:
    try:
        document = parse("x", text)
    except UnreadableError as error:
        assert str(error).startswith("x:")  # noqa: PT017 (either outcome is right)
    else:
        assert document.position(("nowhere",)) >= (1, 1)


def test_of_a_value_that_could_not_be_read_nothing_else_is_said() -> None:
    def refuse(text: str) -> str:
        raise ValueError(f"{text} is not set")

    document = parse("x", "a: '${B}'\nc: 1\nc: 2\n", refuse)

    assert document.report(
        [Problem(("a",), "is no place"), Problem(("a",), "unknown", key=True), Problem(("c",), "no")]
    ) == (
        "x:1:1: a: unknown\nx:1:4: a: ${B} is not set\nx:2:4: c: no\nx:3:1: c: the key is given twice, first in line 2"
    )
