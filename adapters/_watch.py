"""A file kept in view by looking at it now and then; blocking, so for a thread of its own.

Looking sees an atomic rename, a symbolic link swapped on any level of the path (as in mounted configuration), a
deletion and a network file system alike, none of which inotify does.
"""

import errno
import stat
from pathlib import Path
from typing import NamedTuple


class _Signature(NamedTuple):
    """What is another when the content is, of the file that the path leads to through all symbolic links."""

    device: int
    inode: int
    modified: int
    size: int


class WatchedFile:
    """Reads a file only when it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: _Signature | None = None
        self._read: _Signature | None = None
        self._content: bytes | None = None

    def look(self) -> bytes:
        """The content of the file: the same object for as long as the file is the same.

        A file that was written in place may be half-written. So unless it is another file than before, which was
        renamed into place, it is believed when two looks in a row found it unchanged.

        Raises:
            OSError: there is no content to be had.
        """
        last, self._seen = self._seen, None
        now = self._seen = self._signature()
        renamed = last is not None and last[:2] != now[:2]
        if now != self._read and (self._content is None or renamed or now == last):
            content = self.path.read_bytes()
            if self._signature() == now:
                self._read, self._content = now, content
        if self._content is None:
            raise OSError(errno.EAGAIN, "it changes while it is read")
        return self._content

    def _signature(self) -> _Signature:
        found = self.path.stat()
        if not stat.S_ISREG(found.st_mode):  # reading a pipe would never end
            raise OSError(errno.EINVAL, "it is not a regular file")
        return _Signature(found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
