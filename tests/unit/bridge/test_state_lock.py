import errno
import json
import os
import socket
from pathlib import Path

import pytest

from bridge.state.lock import Lock


def refusal(path: Path) -> str:
    with pytest.raises(OSError, match="uses the state directory") as caught:
        Lock(path).acquire()
    assert caught.value.errno == errno.EBUSY
    return str(caught.value.strerror)


def test_a_second_one_is_told_who_has_it(tmp_path: Path) -> None:
    path, first = tmp_path / "lock", Lock(tmp_path / "lock")
    first.acquire()

    told = refusal(path)

    assert f"process {os.getpid()}, started at 20" in told
    assert told.endswith(f"uses the state directory {tmp_path}")
    assert first.held
    first.release()


def test_it_can_be_had_again_once_it_was_given_back(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    first.acquire()
    first.release()

    second.acquire()

    assert (first.held, second.held) == (False, True)
    second.release()
    second.release()


def test_what_a_dead_process_left_is_no_lock(tmp_path: Path) -> None:
    path, lock = tmp_path / "lock", Lock(tmp_path / "lock")
    path.write_text(json.dumps({"pid": 1, "host": "elsewhere", "started": 1764200000.0, "more": "x" * 5000}))

    lock.acquire()

    assert json.loads(path.read_text())["pid"] == os.getpid()
    lock.release()


@pytest.mark.parametrize("text", ["", "{", "3", '{"pid": "x"}', '{"pid": 1}'])
def test_a_holder_that_does_not_say_who_it_is_holds_it_all_the_same(tmp_path: Path, text: str) -> None:
    path, first = tmp_path / "lock", Lock(tmp_path / "lock")
    first.acquire()
    path.write_text(text)

    assert refusal(path).startswith("another process uses")
    first.release()


def test_a_holder_on_another_machine_is_named_with_it(tmp_path: Path) -> None:
    path, first = tmp_path / "lock", Lock(tmp_path / "lock")
    first.acquire()
    path.write_text(json.dumps({"pid": 12, "host": "elsewhere", "started": 1764200000.0}))

    assert refusal(path).startswith("process 12 on elsewhere, started at 2025-11-26 23:33:20 UTC, uses")
    assert socket.gethostname() != "elsewhere"
    first.release()


def test_a_lock_file_that_cannot_be_made_is_an_error_of_its_own(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "missing" / "lock")

    with pytest.raises(FileNotFoundError):
        lock.acquire()

    assert not lock.held
