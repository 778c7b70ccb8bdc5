"""Two networks that are joined by a cable which can lose every packet, without a word to either side.

Nobody else has them, they need no rights (user_namespaces(7)), and they go with the process that was started in them.
"""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from support.waiting import eventually

FAR = "192.0.2.2"
"""The address at the other end of the cable."""
NEAR = "192.0.2.1"
"""That at this end."""
PATIENCE = 1200
"""Seconds for a test whose story builds or installs things, on a machine that is busy with others."""
_NOBODY = "02:00:00:00:00:01"


async def tell(story: str, directory: Path, root: Path, *, superuser: bool = False) -> str:
    """Run a program with a directory in a network that has nothing but loopback, where it may make and join others.

    Args:
        story: path of the program.
        directory: its argument.
        root: of the working copy.
        superuser: it needs more rights than to make and join networks; then this process has to have them.

    Returns:
        What it printed when it failed, and that it did; empty when all went well. Nothing that it started is left.
    """
    assert not superuser or os.geteuid() == 0, "this test boots a systemd, for which it has to be run by root"
    rights = () if superuser else ("--user", "--map-root-user")
    own = ("unshare", *rights, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    process = await asyncio.create_subprocess_exec(
        *(*own, sys.executable, story, str(directory)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": f"{root / 'tests'}{os.pathsep}{root}"},
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate()
        return "" if process.returncode == 0 else f"it ended with {process.returncode}:\n{output.decode()}"
    finally:
        with contextlib.suppress(ProcessLookupError):  # nobody is left, as it should be
            os.killpg(process.pid, signal.SIGKILL)


class FarNetwork:
    """The other network, for `async with` in a process that was started in its own one."""

    def __init__(self) -> None:
        self._holder: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._holder = await asyncio.create_subprocess_exec("unshare", "--net", "sleep", "infinity")
        own, far = Path("/proc/self/ns/net"), Path(f"/proc/{self._holder.pid}/ns/net")
        await eventually(lambda: far.readlink() != own.readlink(), what="the other network is there")
        await _ip(f"link add near type veth peer name far netns {self._holder.pid}")
        for here, name, address in (((), "near", NEAR), (self.there, "far", FAR)):
            await _ip("link set lo up", here)
            await _ip(f"addr add {address}/30 dev {name}", here)
            await _ip(f"link set {name} up", here)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._holder
        self._holder.kill()
        await self._holder.wait()

    @property
    def there(self) -> tuple[str, ...]:
        """What makes a command run in the other network, when it comes before it."""
        assert self._holder
        return ("nsenter", "--net", "--target", str(self._holder.pid))

    async def lose_packets(self) -> None:
        """Lose every packet in both directions: each side sends its own to a network card that nobody has."""
        await _ip(f"neigh replace {FAR} lladdr {_NOBODY} nud permanent dev near")
        await _ip(f"neigh replace {NEAR} lladdr {_NOBODY} nud permanent dev far", self.there)

    async def pass_packets(self) -> None:
        """Lose none any more."""
        await _ip(f"neigh del {FAR} dev near")
        await _ip(f"neigh del {NEAR} dev far", self.there)


async def _ip(arguments: str, here: tuple[str, ...] = ()) -> None:
    """`ip ARGUMENTS` (ip(8)), which must not fail."""
    process = await asyncio.create_subprocess_exec(*here, "ip", *arguments.split())
    assert await process.wait() == 0, arguments
