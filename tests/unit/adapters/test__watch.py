import os
from pathlib import Path

import pytest

from adapters._watch import WatchedFile


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "endpoints.yaml"
    path.write_bytes(b"one")
    return path


def rename_into(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


def test_file_that_does_not_change_is_read_once(file: Path) -> None:
    watched = WatchedFile(file, settled=0)

    assert watched.look() is watched.look()


def test_renamed_file_is_believed_at_once(file: Path) -> None:
    watched = WatchedFile(file, settled=0)
    watched.look()

    rename_into(file, b"two")

    assert watched.look() == b"two"


def test_same_size_and_time_do_not_hide_a_renamed_file(file: Path) -> None:
    watched, times = WatchedFile(file, settled=0), (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    watched.look()

    rename_into(file, b"two")
    os.utime(file, ns=times)

    assert watched.look() == b"two"


def test_file_written_in_place_is_believed_when_it_has_come_to_rest(file: Path) -> None:
    watched = WatchedFile(file, settled=0)
    watched.look()

    file.write_bytes(b"half of")
    first = watched.look()
    file.write_bytes(b"half of it, and the rest")
    second, third = watched.look(), watched.look()

    assert (first, second, third) == (b"one", b"one", b"half of it, and the rest")


def test_copy_over_the_file_that_keeps_time_and_size_is_seen(file: Path) -> None:
    watched, times = WatchedFile(file, settled=0), (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    watched.look()

    file.write_bytes(b"two")
    os.utime(file, ns=times)
    watched.look()

    assert watched.look() == b"two"


def test_same_content_written_again_is_the_same(file: Path) -> None:
    watched = WatchedFile(file, settled=0)
    first = watched.look()

    file.write_bytes(b"one")
    watched.look()

    assert watched.look() is first


def test_first_content_is_believed_when_it_has_come_to_rest(file: Path) -> None:
    watched = WatchedFile(file, settled=3600)

    file.write_bytes(b"half of")
    first = watched.look()
    file.write_bytes(b"half of it, and the rest")
    with pytest.raises(OSError, match="changes while it is read"):
        watched.look()

    assert (first, watched.look()) == (None, b"half of it, and the rest")


def test_first_content_is_believed_at_once_when_it_is_old(file: Path) -> None:
    os.utime(file, (0, 0))

    assert WatchedFile(file, settled=3600).look() == b"one"


def test_deleted_file_is_an_error_and_its_successor_is_read(file: Path) -> None:
    watched = WatchedFile(file, settled=0)
    watched.look()

    file.unlink()
    with pytest.raises(FileNotFoundError):
        watched.look()
    file.write_bytes(b"two")

    assert [watched.look(), watched.look()] == [b"one", b"two"]


@pytest.mark.parametrize("level", ["file", "directory"])
def test_swapped_symbolic_link_is_followed(tmp_path: Path, level: str) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "endpoints.yaml").write_bytes(name.encode())
    link = tmp_path / "link"

    def point_to(name: str) -> None:
        fresh = tmp_path / "fresh"
        fresh.symlink_to(tmp_path / name / "endpoints.yaml" if level == "file" else tmp_path / name)
        fresh.replace(link)

    point_to("old")
    watched = WatchedFile(link if level == "file" else link / "endpoints.yaml", settled=0)
    first = watched.look()
    point_to("new")

    assert (first, watched.look()) == (b"old", b"new")


def test_file_that_changes_while_it_is_read_is_not_believed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched, untouched = WatchedFile(file, settled=0), Path.read_bytes

    def read_while_written(path: Path) -> bytes:
        content = untouched(path)
        path.write_bytes(content + content)
        return content

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", read_while_written)
        with pytest.raises(OSError, match="changes while it is read"):
            watched.look()

    assert watched.look() == b"oneone"


def test_directory_and_pipe_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(OSError, match="not a regular file"):
            WatchedFile(path, settled=0).look()
