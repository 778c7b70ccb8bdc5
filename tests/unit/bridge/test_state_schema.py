import json
from typing import cast

import pytest

from bridge.state.codec import Encoder
from bridge.state.envelope import DamagedError, Opened, seal, unseal
from bridge.state.schema import CURRENT, Migration, NewerError, Schema
from support.kept_state import EVERYTHING


def opened(version: int, content: object = None) -> Opened:
    """A file of a version; that of today if nothing else is said."""
    parts = Encoder().encode(EVERYTHING) if content is None else [json.dumps(content).encode()]
    return unseal(b"".join(seal(version, parts).parts))


def wrapped(key: str) -> Migration:
    """From a version in which everything stood below a key."""

    def unwrap(content: object) -> object:
        return cast("dict[str, object]", content)[key]

    return unwrap


def test_a_file_is_brought_up_version_by_version() -> None:
    schema = Schema(4, {1: wrapped("a"), 2: wrapped("b"), 3: wrapped("c")})
    today = json.loads(b"".join(Encoder().encode(EVERYTHING)))

    assert schema.read(opened(4, today)) == EVERYTHING
    assert schema.read(opened(3, {"c": today})) == EVERYTHING
    assert schema.read(opened(1, {"a": {"b": {"c": today}}})) == EVERYTHING


def test_every_version_that_there_was_can_be_read_but_for_the_oldest() -> None:
    assert set(CURRENT.migrations) == set(range(min(CURRENT.migrations, default=CURRENT.version), CURRENT.version))
    assert CURRENT.version == 1 or CURRENT.version - 1 in CURRENT.migrations


def test_a_version_without_a_way_from_it_is_too_old() -> None:
    with pytest.raises(DamagedError, match="schema version 1 is too old to be read"):
        Schema(3, {2: wrapped("b")}).read(opened(1))


def test_a_newer_version_is_not_damaged() -> None:
    with pytest.raises(NewerError, match="has schema version 8, and this bridge reads 7 at most"):
        Schema(7).read(opened(8))


@pytest.mark.parametrize("content", [3, {}, {"b": 1}, {"a": 1}, {"a": {"holds": []}}])
def test_what_was_never_a_content_of_its_version_is_damaged(content: object) -> None:
    with pytest.raises(DamagedError):
        Schema(2, {1: wrapped("a")}).read(opened(1, content))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[" * 100_000 + b"]" * 100_000, b"9" * 10_000],
    ids=["nothing", "cut", "no text", "nested", "a number"],
)
def test_what_is_no_json_is_damaged(content: bytes) -> None:
    with pytest.raises(DamagedError):
        CURRENT.read(unseal(b"".join(seal(1, [content]).parts)))
