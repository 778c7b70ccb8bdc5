"""Another machine, as far as the network goes: packets to and from it can get lost on the way, and nobody is told.

It is a network namespace (network_namespaces(7)) at the other end of a pair of virtual interfaces, for which the tests
have to run as root. It has no name: it goes with the process that holds it, however the tests end.
"""

import asyncio
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from support.waiting import eventually

_NOBODY = "02:00:00:00:00:01"
"""A hardware address that no interface has: what is sent to it is dropped where it arrives."""


class Machine:
    """There for as long as its context lasts."""

    def __init__(self) -> None:
        self._holder: asyncio.subprocess.Process | None = None
        self.address = ""
        """Its own."""
        self.host = ""
        """Where it finds what listens on this machine."""

    @property
    def command(self) -> tuple[str, ...]:
        """Runs on it what follows."""
        return ("nsenter", f"--net=/proc/{self._process.pid}/ns/net", "--")

    async def __aenter__(self) -> Self:
        assert os.geteuid() == 0, "a network of its own needs root: run this test with sudo"
        hold = ("unshare", "--net", "setpriv", "--pdeathsig", "KILL", "--", "sleep", "infinity")
        self._holder = await asyncio.create_subprocess_exec(*hold)
        try:
            await self._connect()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def vanish(self) -> None:
        """Have everything lost on the way, in both directions."""
        lost = ("lladdr", _NOBODY, "nud", "permanent")
        await _run("ip", "neigh", "replace", self.address, "dev", self._interface, *lost)
        await _run(*self.command, "ip", "neigh", "replace", self.host, "dev", "eth0", *lost)

    async def return_(self) -> None:
        """Have everything arrive again."""
        await _run("ip", "neigh", "del", self.address, "dev", self._interface)
        await _run(*self.command, "ip", "neigh", "del", self.host, "dev", "eth0")

    async def _connect(self) -> None:
        pid = self._process.pid
        await eventually(lambda: _network(pid) != _network(os.getpid()), what="a network namespace")
        network = f"10.{64 + (pid >> 14) % 64}.{pid >> 6 & 255}"  # one for each process, or nearly
        self.host, self.address = (f"{network}.{(pid & 63) * 4 + number}" for number in (1, 2))
        await _run("ip", "link", "add", self._interface, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        await _run("ip", "addr", "add", f"{self.host}/30", "dev", self._interface)
        await _run("ip", "link", "set", self._interface, "up")
        await _run(*self.command, "ip", "addr", "add", f"{self.address}/30", "dev", "eth0")
        for interface in ("lo", "eth0"):
            await _run(*self.command, "ip", "link", "set", interface, "up")

    async def _end(self) -> None:
        self._process.kill()
        await self._process.wait()

    @property
    def _interface(self) -> str:
        return f"xb{self._process.pid}"

    @property
    def _process(self) -> asyncio.subprocess.Process:
        assert self._holder, "there is no machine yet"
        return self._holder


def _network(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    assert process.returncode == 0, f"{' '.join(command)}: {errors.decode()}"
