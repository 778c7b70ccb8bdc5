"""Who may use a state directory: one process, for as long as it lives, however it ends."""

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path


class Lock:
    """A lock file that says who holds it. It stays when nobody does: one that is deleted could be locked twice.

    The lock is the kernel's (https://man7.org/linux/man-pages/man2/flock.2.html), so it ends with the process; what is
    in the file is for people. Blocks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """Whether it is ours."""
        return self._file is not None

    def acquire(self) -> None:
        """Take it, at once or not at all.

        Raises:
            OSError: EBUSY if another process has it, and the message names that; anything else if the file or the lock
                cannot be had.
        """
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _holder(file)
            os.close(file)
            raise OSError(errno.EBUSY, f"{holder} uses the state directory {self._path.parent}") from error
        except OSError:
            os.close(file)
            raise
        self._file = file
        with contextlib.suppress(OSError):  # a full disk: the lock holds although it does not say whose it is
            os.ftruncate(file, 0)
            os.pwrite(file, _ourselves(), 0)

    def release(self) -> None:
        """Give it back, if it is ours."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None


def _ourselves() -> bytes:
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": time.time()}).encode() + b"\n"


def _holder(file: int) -> str:
    """Who holds the lock, as far as the file says: it has taken it a moment before it can say so."""
    match _parsed(os.pread(file, 4096, 0)):
        case {"pid": int(pid), "host": str(host), "started": float(started)}:
            since = datetime.fromtimestamp(started, UTC)
            where = "" if host == socket.gethostname() else f" on {host}"
            return f"process {pid}{where}, started at {since:%Y-%m-%d %H:%M:%S} UTC,"
    return "another process"


def _parsed(text: bytes) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None
