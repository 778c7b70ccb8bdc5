"""A disk of a megabyte that only one child process and its own children see, and that goes with them."""

import asyncio
import contextlib
from pathlib import Path

_MOUNT = 'mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@"'


def on_small_disk(directory: Path, *command: str, options: str = "size=1m") -> list[str]:
    """The command, for which a small disk is mounted at a directory; see tmpfs(5) for the options.

    It needs no rights: in a user namespace of one's own everybody may mount a tmpfs (user_namespaces(7)).
    """
    own = ("unshare", "--user", "--map-root-user", "--mount")
    return [*own, "sh", "-c", _MOUNT, "sh", options, str(directory), *command]


class SeenFrom:
    """The small disk of a running process, in the hands of the test.

    Args:
        pid: of the process.
        directory: where it sees the disk.
    """

    def __init__(self, pid: int, directory: Path) -> None:
        self.path = Path(f"/proc/{pid}/root") / directory.relative_to("/")
        """Where we see it."""
        self._directory = str(directory)
        self._enter = ("nsenter", "--user", "--mount", "--target", str(pid), "--")

    def fill(self) -> None:
        """Leave not a byte."""
        with (self.path / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def free(self) -> None:
        """Give back what was filled."""
        (self.path / "ballast").unlink()

    async def forbid(self) -> None:
        """Make it read-only; by a mount over it, since it cannot be made so itself while a file on it is written."""
        await self._run("mount", "--bind", self._directory, self._directory)
        await self._run("mount", "-o", "remount,bind,ro", self._directory)

    async def allow(self) -> None:
        """Have it written to again."""
        await self._run("umount", self._directory)

    async def _run(self, *command: str) -> None:
        process = await asyncio.create_subprocess_exec(*self._enter, *command)
        assert await process.wait() == 0
