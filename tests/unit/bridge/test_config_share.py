import pytest

from bridge.config.share import parse_share, share_text


@pytest.mark.parametrize(("text", "share"), [("50%", 0.5), ("0%", 0.0), ("100%", 1.0), ("12.5%", 0.125)])
def test_a_share_is_written_as_percent(text: str, share: float) -> None:
    assert parse_share(text) == share
    assert share_text(share) == text


@pytest.mark.parametrize("value", ["101%", "-1%", "50", "50 %", "a%", 0.5, 50, None])
def test_anything_else_is_refused_and_says_how_to_write_it(value: object) -> None:
    with pytest.raises(ValueError, match="such as 50%"):
        parse_share(value)
