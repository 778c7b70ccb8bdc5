import errno
import logging
import os
import resource
import stat
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.state import State, Store
from bridge.state.codec import Encoder
from bridge.state.envelope import seal
from bridge.state.schema import Schema
from bridge.state.store import _sync
from support.kept_state import EVERYTHING, large
from support.rights import nobody


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


def opened(directory: Path) -> Store:
    store = Store(directory)
    store.open()
    return store


def kept(directory: Path) -> State | None:
    """What the next bridge finds."""
    return Store(directory).load()


def identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def test_what_was_written_is_found_again(directory: Path) -> None:
    store = opened(directory)

    assert store.load() is None
    assert store.save(EVERYTHING)
    assert kept(directory) == EVERYTHING
    assert {path.name for path in directory.iterdir()} == {"state.json", "lock"}


def test_only_our_user_can_read_it(directory: Path) -> None:
    opened(directory).save(EVERYTHING)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [directory, *directory.iterdir()]}

    assert modes == {"state": 0o700, "state.json": 0o600, "lock": 0o600}


def test_what_is_there_already_is_not_written_again(directory: Path) -> None:
    store, path = opened(directory), directory / "state.json"
    store.save(EVERYTHING)
    before = identity(path)

    assert not store.save(EVERYTHING)
    assert identity(path) == before
    assert store.save(State())
    assert store.save(EVERYTHING)


def test_what_was_read_is_not_written_again(directory: Path) -> None:
    store = opened(directory)
    store.save(EVERYTHING)
    store.close()

    store = opened(directory)

    assert store.load() == EVERYTHING
    assert not store.save(EVERYTHING)


def test_a_file_of_an_older_version_is_read_and_written_anew(directory: Path) -> None:
    opened(directory).save(EVERYTHING)
    store = Store(directory, Schema(2, {1: lambda content: content}))

    assert store.load() == EVERYTHING
    assert (directory / "state.json").read_bytes().startswith(b'{"format":"xds-bridge-state","version":1,')


def test_a_file_of_an_older_version_is_replaced_by_one_of_ours(directory: Path) -> None:
    store = opened(directory)
    store.save(EVERYTHING)
    store.close()
    store = Store(directory, Schema(2, {1: lambda content: content}))
    store.open()
    store.load()

    assert store.save(EVERYTHING)
    assert (directory / "state.json").read_bytes().startswith(b'{"format":"xds-bridge-state","version":2,')


def test_a_damaged_file_is_set_aside(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened(directory)
    (directory / "state.json").write_bytes(b"damaged")

    assert kept(directory) is None

    assert (directory / "state.json.bad").read_bytes() == b"damaged"
    assert not (directory / "state.json").exists()
    [record] = [record for record in caplog.records if record.message == "state.damaged"]
    assert record.levelno == logging.WARNING
    assert vars(record)["path"] == str(directory / "state.json")
    assert vars(record)["kept"] == str(directory / "state.json.bad")
    assert vars(record)["error"] == "it does not begin as a state file does"


def test_of_damaged_files_the_last_is_kept(directory: Path) -> None:
    opened(directory)
    for text in (b"first", b"second"):
        (directory / "state.json").write_bytes(text)
        assert kept(directory) is None

    assert (directory / "state.json.bad").read_bytes() == b"second"
    assert {path.name for path in directory.iterdir()} == {"state.json.bad", "lock"}


def test_a_damaged_file_that_cannot_be_set_aside_stops_nobody(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened(directory)
    (directory / "state.json").write_bytes(b"damaged")
    (directory / "state.json.bad").mkdir()

    assert kept(directory) is None

    [record] = [record for record in caplog.records if record.message == "state.damaged"]
    assert "until it is written anew" in vars(record)["kept"]


def test_a_file_that_the_disk_fails_to_give_is_set_aside(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened(directory)
    (directory / "state.json").symlink_to("/proc/self/mem")  # whose first byte is an input/output error

    assert kept(directory) is None

    [record] = [record for record in caplog.records if record.message == "state.damaged"]
    assert "Input/output error" in vars(record)["error"]
    assert (directory / "state.json.bad").is_symlink()
    assert not (directory / "state.json").is_symlink()


def test_a_right_digest_does_not_make_an_impossible_value_possible(directory: Path) -> None:
    opened(directory)
    text = b"".join(Encoder().encode(EVERYTHING)).replace(b'"degraded"', b'"well"')
    (directory / "state.json").write_bytes(b"".join(seal(1, [text]).parts))

    assert kept(directory) is None
    assert (directory / "state.json.bad").exists()


def test_a_file_of_a_newer_version_ends_the_start_and_stays(directory: Path) -> None:
    opened(directory)
    path = directory / "state.json"
    path.write_bytes(b"".join(seal(3, [b'{"unheard":"of"}']).parts))
    before = identity(path)

    with pytest.raises(ConfigError) as caught:
        kept(directory)

    assert str(caught.value) == (
        f"{path} has schema version 3, and this bridge reads 1 at most: a newer xds-bridge wrote it; run that one, or "
        "move the file away to start without what was known. Nothing was changed"
    )
    assert identity(path) == before
    assert {each.name for each in directory.iterdir()} == {"state.json", "lock"}


def test_a_directory_that_cannot_be_is_a_mistake_of_the_operator(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for directory, reason in (
        (tmp_path / "missing" / "state", "No such file or directory"),
        (tmp_path / "file", "Not a directory"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(ConfigError, match=reason) as caught:
            Store(directory).open()
        assert str(directory) in str(caught.value)
        assert f"user {os.geteuid()} can write to" in str(caught.value)


def test_a_directory_without_rights_is_a_mistake_of_the_operator(directory: Path) -> None:
    directory.mkdir()
    directory.chmod(0o500)

    with nobody(), pytest.raises(ConfigError, match="Permission denied"):
        Store(directory).open()


def test_a_file_without_rights_is_a_mistake_of_the_operator(directory: Path) -> None:
    store, path = opened(directory), directory / "state.json"
    store.save(EVERYTHING)
    path.chmod(0o000)

    with nobody(), pytest.raises(ConfigError, match=r"cannot read .*state\.json \(Permission denied\); let user"):
        store.load()

    path.chmod(0o600)
    assert kept(directory) == EVERYTHING


def test_a_second_bridge_is_told_who_has_the_directory(directory: Path) -> None:
    first = opened(directory)

    with pytest.raises(OSError, match="uses the state directory") as caught:
        Store(directory).open()

    assert caught.value.errno == errno.EBUSY
    assert f"process {os.getpid()}" in str(caught.value.strerror)
    assert str(caught.value.strerror).endswith("; stop it, or give each bridge its own")
    first.close()
    opened(directory).close()


def test_nothing_is_written_while_the_directory_is_anothers(directory: Path) -> None:
    first, second = opened(directory), Store(directory)
    first.save(EVERYTHING)

    with pytest.raises(OSError, match="uses the state directory"):
        second.save(State())

    assert kept(directory) == EVERYTHING
    first.close()
    assert second.save(State())


def test_a_write_that_fails_leaves_the_file_as_it_was_and_is_made_up_for(directory: Path) -> None:
    store, new = opened(directory), large(3, 3)
    store.save(EVERYTHING)
    (directory / "state.tmp").mkdir()

    with pytest.raises(IsADirectoryError):
        store.save(new)
    assert kept(directory) == EVERYTHING

    (directory / "state.tmp").rmdir()
    assert store.save(new)
    assert kept(directory) == new


def test_a_write_that_ends_half_way_leaves_nothing_behind(directory: Path) -> None:
    store = opened(directory)
    store.save(EVERYTHING)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            store.save(large(200, 10))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert {path.name for path in directory.iterdir()} == {"state.json", "lock"}
    assert kept(directory) == EVERYTHING


def test_a_file_system_that_cannot_sync_a_directory_will_do() -> None:
    _sync(Path("/proc"))  # is one
    with pytest.raises(FileNotFoundError):
        _sync(Path("/proc/missing"))


def test_what_a_killed_bridge_left_half_written_is_of_no_matter(directory: Path) -> None:
    store = opened(directory)
    store.save(EVERYTHING)
    (directory / "state.tmp").write_bytes(b"x" * 100_000)

    assert store.load() == EVERYTHING
    assert store.save(State())
    assert kept(directory) == State()
