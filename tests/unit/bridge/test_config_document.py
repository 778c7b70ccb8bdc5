import pytest

from bridge.config.document import Position, parse
from bridge.config.problem import Problem


def test_aliases_stand_for_what_they_name() -> None:
    document = parse("bridge.yaml", "a: &a {b: 1}\nc: [*a, *a]\n", {})

    assert document.value == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}


def test_a_directive_does_not_bring_back_the_types_of_yaml_1_1() -> None:
    document = parse("bridge.yaml", "%YAML 1.1\n---\na: [on, 1:30, 0b11]\n", {})

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
    document = parse("bridge.yaml", f"key: {written}\n", {})

    assert document.value == {"key": value}


def test_every_key_and_value_knows_its_place() -> None:
    document = parse("bridge.yaml", "a:\n  - b: 1\n    c:\nd: 2\n", {})

    assert document.position(("a", 0, "b"), key=True) == Position(2, 5)
    assert document.position(("a", 0, "b")) == Position(2, 8)
    assert document.position(("a", 0, "c")) == Position(3, 5)
    assert document.position(("d",)) == Position(4, 4)


def test_what_is_absent_stands_where_the_nearest_thing_around_it_does() -> None:
    document = parse("bridge.yaml", "a:\n  b: {c: 1}\n", {})

    assert document.position(("a", "b", "x", 3, "y")) == Position(2, 6)
    assert document.position(("x",)) == Position(1, 1)


def test_problems_are_told_once_and_in_the_order_of_the_file() -> None:
    document = parse("bridge.yaml", "a: 1\nb: 2\n", {})

    error = document.error([Problem(("b",), "is odd"), Problem(("a",), "is odd"), Problem(("b",), "is odd")])

    assert str(error) == "bridge.yaml:1:4: a: is odd\nbridge.yaml:2:4: b: is odd"
