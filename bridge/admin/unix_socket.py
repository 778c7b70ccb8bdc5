"""The unix socket for administration: its file, and who is on the other end of a connection.

The operating system keeps out whoever is neither its owner nor in its group, and vouches for everybody else.
"""

import contextlib
import errno
import grp
import os
import pwd
import socket
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bridge.errors import ConfigError

MODE = 0o660

LONGEST = 107
"""Bytes of a path; what the operating system has room for (`sun_path` in unix(7))."""

_CREDENTIALS = struct.Struct("3i")
"""`struct ucred`: pid, uid, gid."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The process on the other end, as it was when it connected."""

    pid: int
    uid: int
    gid: int

    @property
    def user(self) -> str:
        """The name of its user, or its number. May ask a directory on the network: not on the event loop."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"uid {self.uid}"


class Connection(Protocol):
    """As much of a socket as it takes; asyncio does not give out the whole."""

    def getsockopt(self, level: int, option: int, length: int, /) -> bytes:
        """An option of so many bytes."""


def peer(connection: Connection) -> Peer:
    """Who is on the other end of a connection."""
    pid, uid, gid = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Peer(pid, uid, gid)


def bind(path: Path, group: str | None) -> socket.socket:
    """A socket at a path, for its owner and its group; nobody can connect before it is listened on. Blocks.

    A socket that a dead process left there is replaced.

    Args:
        path: at most 107 bytes.
        group: name or number of the group that may connect; None for that of this process.

    Raises:
        ConfigError: there is no such group.
        OSError: the path is in use, is too long or cannot be written; the message says which and why.
    """
    gid = None if group is None else _gid(group)
    with _explained(path):
        _make_room(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(path))
            path.chmod(MODE)
            if gid is not None:  # a service that may give no file away is of the right group from the start
                os.chown(path, -1, gid)
        except OSError:
            listener.close()
            raise
    return listener


def remove(path: Path) -> None:
    """Take the file away of a socket that nobody listens on any more. Blocks."""
    with contextlib.suppress(OSError):
        path.unlink()


def _make_room(path: Path) -> None:
    length = len(os.fsencode(path))
    if length > LONGEST:
        raise OSError(errno.ENAMETOOLONG, f"{length} bytes, and a socket's path has {LONGEST} at most")
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "something that is no socket is there; move it, or choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:  # by nobody: whoever made it is dead
            path.unlink()
            return
    raise OSError(errno.EADDRINUSE, "a running process does; stop it, or choose another path")


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {path} for administration: {error.strerror}") from error


def _gid(group: str) -> int:
    if group.isdecimal():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ConfigError(f"admin.socket_group: there is no group {group!r} on this machine; make it first") from None
