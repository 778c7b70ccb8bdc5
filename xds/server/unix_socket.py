"""The unix socket: who may take its path, and what is wrong with one that cannot be taken.

gRPC removes any socket that it finds where it is to listen, even one that another process listens on; and it removes
its own when it stops listening.
"""

import asyncio
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

_LONGEST = 107
"""Bytes of a path; what the operating system has room for (`sun_path` in unix(7))."""

_MODE = 0o660


def target(path: str) -> str:
    """The path as gRPC writes it: an address, in which some characters mean something."""
    return f"unix:{quote(path)}"


async def require_free(path: str) -> None:
    """Make sure that nobody listens on a path; a socket that a dead process left behind may be there.

    Raises:
        OSError: somebody does, or the path is too long to listen on.
    """
    length = len(os.fsencode(path))
    if length > _LONGEST:
        raise OSError(
            errno.ENAMETOOLONG,
            f"cannot listen for xDS on {path}: {length} bytes, and a socket's path has {_LONGEST} at most",
        )
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except (ConnectionRefusedError, FileNotFoundError):
        return
    except OSError as error:
        raise OSError(error.errno, f"cannot listen for xDS on {path}: {error.strerror}") from error
    writer.close()
    raise OSError(
        errno.EADDRINUSE, f"cannot listen for xDS on {path}: a running process does; stop it, or choose another path"
    )


@contextmanager
def private() -> Iterator[None]:
    """Have a socket made for its owner and its group alone, from the first moment on."""
    before = os.umask(0o777 & ~_MODE)
    try:
        yield
    finally:
        os.umask(before)
