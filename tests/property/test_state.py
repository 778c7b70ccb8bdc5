"""What is kept comes back as it was, or not at all: whatever happens to the file, the bridge starts."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from bridge.state import State, Store
from bridge.state.codec import Encoder
from bridge.state.envelope import DamagedError, seal, unseal
from bridge.state.schema import CURRENT
from support.kept_state import EVERYTHING, states


def encoded(state: State) -> bytes:
    return b"".join(Encoder().encode(state))


FILE = b"".join(seal(CURRENT.version, [encoded(EVERYTHING)]).parts)


@given(states)
def test_every_state_comes_back(state: State) -> None:
    with directory() as (_, store):
        store.save(state)
        found = store.load()

        assert found is not None
        assert content(found) == content(state)
        assert not store.save(found)


def content(state: State) -> object:
    """Everything in a state but its order, which means nothing."""
    sources = {
        each.source: (each.read, {(known.scope, known.service): Counter(known.endpoints) for known in each.services})
        for each in state.sources
    }
    rest = (state.holds, state.retained, state.protocols, state.pauses, state.drains)
    return sources, [Counter[object](part) for part in rest]


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_no_byte_can_change(place: int, change: int) -> None:
    lost(FILE[:place] + bytes([FILE[place] ^ change]) + FILE[place + 1 :])


@given(st.integers(0, len(FILE) - 1))
def test_no_byte_can_be_missing_at_the_end(length: int) -> None:
    lost(FILE[:length])


@given(st.integers(0, len(FILE)), st.binary(min_size=1, max_size=20))
def test_no_byte_can_be_added(place: int, more: bytes) -> None:
    lost(FILE[:place] + more + FILE[place:])


@given(st.binary(max_size=300))
def test_no_other_file_is_taken_for_one(data: bytes) -> None:
    lost(data)


def lost(data: bytes) -> None:
    """A file with these bytes is set aside, and nothing else happens."""
    with directory() as (path, store):
        path.write_bytes(data)

        assert store.load() is None
        assert path.with_suffix(".json.bad").read_bytes() == data
        assert store.save(EVERYTHING)
        assert store.load() == EVERYTHING


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
CONTENT = json.loads(encoded(EVERYTHING))


@given(st.sampled_from([*CONTENT]), values, st.integers(0, CURRENT.version))
def test_a_right_digest_around_anything_is_a_state_or_damaged(name: str, value: object, version: int) -> None:
    content = json.dumps({**CONTENT, name: value}).encode()

    try:
        state = CURRENT.read(unseal(b"".join(seal(version, [content]).parts)))
    except DamagedError:
        return
    assert encoded(state)


@contextmanager
def directory() -> Iterator[tuple[Path, Store]]:
    """The path of the file, and its store."""
    with TemporaryDirectory() as name, closing(Store(Path(name))) as store:
        store.open()
        yield Path(name) / "state.json", store
