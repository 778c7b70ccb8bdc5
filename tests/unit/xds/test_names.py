import pytest

from xds.names import matches


@pytest.mark.parametrize(
    ("names", "patterns", "expected"),
    [
        (["spiffe://prod/a"], ["spiffe://prod/a"], True),
        (["spiffe://prod/a"], ["spiffe://prod/*"], True),
        (["spiffe://prod/a"], ["*"], True),
        (["other", "spiffe://prod/a"], ["nobody", "spiffe://prod/*"], True),
        (["spiffe://prod/ab"], ["spiffe://prod/a"], False),
        (["spiffe://production/a"], ["spiffe://prod/*"], False),
        (["a.example.com"], ["*.example.com"], False),
        (["a"], [], False),
        ([], ["*"], False),
        ([""], [""], True),
    ],
)
def test_a_pattern_is_a_whole_name_or_a_beginning(names: list[str], patterns: list[str], *, expected: bool) -> None:
    assert matches(names, patterns) is expected
