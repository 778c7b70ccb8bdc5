import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.size import parse_size, size_text


@pytest.mark.parametrize(("text", "count"), [("64KiB", 65536), ("16MiB", 16 << 20), ("1GiB", 1 << 30)])
def test_a_size_is_a_number_and_a_unit(text: str, count: int) -> None:
    assert parse_size(text) == count
    assert size_text(count) == text


@pytest.mark.parametrize("value", ["16", "16MB", "1.5GiB", "-1KiB", "16 MiB", 16, None, True, "9" * 10 + "GiB"])
def test_anything_else_is_a_mistake(value: object) -> None:
    with pytest.raises(ValueError, match="a whole number and a unit, such as 64KiB, 16MiB or 1GiB"):
        parse_size(value)


@given(st.integers(1, 1 << 20))
def test_what_is_written_can_be_read(kibibytes: int) -> None:
    assert parse_size(size_text(kibibytes << 10)) == kibibytes << 10
