"""The state directory of one bridge on disk: its lock, and the file that is replaced whole or not at all. Blocks."""

import contextlib
import errno
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from bridge.errors import ConfigError
from bridge.state.codec import Encoder
from bridge.state.document import State
from bridge.state.envelope import DamagedError, seal, unseal
from bridge.state.lock import Lock
from bridge.state.schema import CURRENT, NewerError, Schema

log = logging.getLogger(__name__)

FILE = "state.json"
LOCK = "lock"

_MISTAKES = frozenset(
    {
        errno.EACCES,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EPERM,
    }
)
"""What an operator has to mend. Everything else, such as a full disk, may pass, and is no reason not to serve."""


class Store:
    """What one bridge keeps. Every method is for one thread at a time, and not for that of the event loop."""

    def __init__(self, directory: Path, schema: Schema = CURRENT) -> None:
        """Do nothing yet.

        Args:
            directory: its parent is there; it need not be.
            schema: what is written, and what can be read.
        """
        self._directory = directory
        self._path = directory / FILE
        self._schema = schema
        self._lock = Lock(directory / LOCK)
        self._encoder = Encoder()
        self._digest = ""

    def open(self) -> None:
        """Have the directory to ourselves until `close`, or until the process ends.

        Where the disk does not let us, such as one that is full or read-only, that is logged, and `save` tries again:
        nothing is written before.

        Raises:
            ConfigError: there is no such directory, or it cannot be used by us.
            OSError: EBUSY, another process uses it.
        """
        try:
            if not self._directory.exists():
                self._directory.mkdir(mode=0o700)
            self._lock.acquire()
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise OSError(errno.EBUSY, f"{error.strerror}; stop it, or give each bridge its own") from error
            if error.errno in _MISTAKES:
                raise ConfigError(
                    f"cannot use the state_directory {self._directory} ({error.strerror}); name a directory that "
                    f"{_who()} can write to"
                ) from error
            log.warning("state.unlocked", extra={"directory": str(self._directory), "error": str(error)})

    def load(self) -> State | None:
        """What was kept; None if there is nothing, or nothing that can be used.

        A damaged file, or one that the disk fails to give, is logged and set aside as `state.json.bad`, in place of an
        earlier one.

        Raises:
            ConfigError: the file is a newer bridge's, or cannot be read by us. Nothing was changed.
        """
        try:
            opened = unseal(self._path.read_bytes())
            state = self._schema.read(opened)
        except FileNotFoundError:
            return None
        except DamagedError as error:
            self._set_aside(error)
            return None
        except NewerError as error:
            raise ConfigError(
                f"{self._path} {error}: a newer xds-bridge wrote it; run that one, or move the file away to start "
                "without what was known. Nothing was changed"
            ) from error
        except OSError as error:
            if error.errno not in _MISTAKES:
                self._set_aside(error)
                return None
            raise ConfigError(
                f"cannot read {self._path} ({error.strerror}); let {_who()} read it, or move it away to start without "
                "what was known"
            ) from error
        self._digest = opened.digest
        return state

    def save(self, state: State) -> bool:
        """Write a state, unless it is what was written or read last; tell whether it was written.

        Once this returns, the state is on the disk. Until then, the file is what it was.

        Raises:
            OSError: it cannot be written, or the directory is not ours. The file is what it was.
        """
        if not self._lock.held:
            self._lock.acquire()
        sealed = seal(self._schema.version, self._encoder.encode(state))
        if sealed.digest == self._digest:
            return False
        self._replace(sealed.parts)
        self._digest = sealed.digest
        return True

    def close(self) -> None:
        """Let others have the directory."""
        self._lock.release()

    def _replace(self, parts: Iterable[bytes]) -> None:
        temporary = self._path.with_suffix(".tmp")
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.writelines(parts)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()  # it may be what fills the disk
            raise
        _sync(self._directory)

    def _set_aside(self, error: DamagedError | OSError) -> None:
        kept = self._path.with_suffix(".json.bad")
        extra = {"path": str(self._path), "error": str(error), "kept": str(kept)}
        try:
            self._path.replace(kept)
        except OSError as refusal:
            extra["kept"] = f"{self._path}, until it is written anew ({refusal.strerror})"
        log.warning("state.damaged", extra=extra)


def _sync(directory: Path) -> None:
    """Have a rename on the disk: https://man7.org/linux/man-pages/man2/fsync.2.html."""
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot do it for a directory, as some in user space
            raise
    finally:
        os.close(file)


def _who() -> str:
    return f"user {os.geteuid()}"
