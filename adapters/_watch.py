"""A file kept in view by looking at it now and then; blocking, so for a thread of its own.

Looking sees an atomic rename, a symbolic link swapped on any level of the path (as in mounted configuration), a
deletion and a network file system alike, none of which inotify does.
"""

import errno
import stat
import time
from pathlib import Path
from typing import NamedTuple


class _Signature(NamedTuple):
    """What is another when the content is, of the file that the path leads to through all symbolic links."""

    device: int
    inode: int
    modified: int
    changed: int
    """Moves also when a copy keeps the time of its original (`cp -p`, `rsync --inplace --times`)."""
    size: int


class WatchedFile:
    """Reads a file only when it has changed."""

    def __init__(self, path: Path, settled: float) -> None:
        """Read nothing yet.

        Args:
            path: the file.
            settled: seconds after its last change from which on a file is believed at the first look.
        """
        self.path = path
        self._settled = settled
        self._seen: _Signature | None = None
        self._read: _Signature | None = None
        self._content: bytes | None = None

    def look(self) -> bytes | None:
        """The content of the file: the same object for as long as the content is the same.

        A file that was written in place may be half-written. So unless it is another file than before, which was
        renamed into place, it is believed when two looks in a row found it unchanged. None at the first look of all
        at a file that has only just been written.

        Raises:
            OSError: there is no content to be had.
        """
        last, self._seen = self._seen, None
        now = self._seen = self._signature()
        believable = self._believable(now, last)
        if believable and now != self._read:
            content = self.path.read_bytes()
            if self._signature() == now:
                self._read = now
                self._content = self._content if content == self._content else content
        if self._content is None and (believable or last is not None):
            raise OSError(errno.EAGAIN, "it changes while it is read")
        return self._content

    def _believable(self, now: _Signature, last: _Signature | None) -> bool:
        if now == last:
            return True
        if self._content is None:
            return time.time() - now.modified / 1e9 > self._settled
        return last is not None and last[:2] != now[:2]

    def _signature(self) -> _Signature:
        found = self.path.stat()
        if not stat.S_ISREG(found.st_mode):  # reading a pipe would never end
            raise OSError(errno.EINVAL, "it is not a regular file")
        return _Signature(found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
