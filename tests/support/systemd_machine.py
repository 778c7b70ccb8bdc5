"""A real systemd as PID 1 in namespaces of its own, on a clean Debian that has the repository, and forgets everything.

It shares the network of the process that boots it, which has to be one of its own (`far_network.tell`).
"""

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.containers import CLEAN
from scripts.step import ROOT
from support.confidential import require_none
from support.waiting import eventually

BOOT = Path(__file__).with_name("systemd_boot.sh")
_ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")
"""All that a command there begins with: what the tests have, such as PYTHONPATH, would be another machine's."""
_OWN = ("--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--cgroup")


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended."""

    status: int
    output: str
    """What it wrote, to either of its streams."""


class SystemdMachine:
    """One machine, for `async with`.

    Args:
        directory: for its files.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "machine"
        self._log = directory / "machine.log"
        self._booter: asyncio.subprocess.Process | None = None
        self._init = 0

    async def __aenter__(self) -> Self:
        self._directory.mkdir()
        with self._log.open("wb") as log:
            self._booter = await asyncio.create_subprocess_exec(
                *("unshare", *_OWN, BOOT, self._directory, CLEAN, ROOT),
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
            )
        await eventually(self._booted, timeout=60, what=f"systemd is up; see {self._log}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._booter
        if error is not None and self._booter.returncode is None:
            print((await self.run("journalctl", "--no-pager", "--lines", "60")).output)
        if self._booter.returncode is None:
            os.kill(self._init, signal.SIGKILL)  # and with it all that runs there
        await self._booter.wait()

    def path(self, inside: str) -> Path:
        """A file of the machine, for whoever is outside of it."""
        return Path(f"/proc/{self._init}/root{inside}")

    def write(self, inside: str, text: str) -> None:
        """Have a file there, in a directory that is made if need be."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    async def run(self, *command: str | Path, environ: Mapping[str, str] | None = None) -> Ran:
        """Run a command in the machine, as its root, and wait for it."""
        variables = [f"{name}={value}" for name, value in (environ or {}).items()]
        process = await asyncio.create_subprocess_exec(
            *("nsenter", "--target", str(self._init), "--all", "--", "env", "-i", *_ENVIRONMENT, *variables, *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        text = output.decode()
        require_none(text, f"what {command} wrote")
        return Ran(process.returncode or 0, text)

    async def do(self, *command: str | Path, environ: Mapping[str, str] | None = None) -> str:
        """The same for a command that must succeed; returns what it wrote."""
        ran = await self.run(*command, environ=environ)
        assert ran.status == 0, f"{command} ended with {ran.status}: {ran.output}"
        return ran.output

    async def shows(self, name: str, unit: str = "xds-bridge") -> str:
        """A property of a unit (`systemctl show`)."""
        return (await self.do("systemctl", "show", "--property", name, "--value", unit)).strip()

    async def journal(self, unit: str = "xds-bridge") -> str:
        """What a unit has logged."""
        return await self.do("journalctl", "--unit", unit, "--no-pager", "--output", "cat")

    async def _booted(self) -> bool:
        assert self._booter
        assert self._booter.returncode is None, f"the machine did not boot: {self._log.read_text()}"
        self._init = _child(self._booter.pid)
        if not self._init:
            return False
        if (await self.run("test", "-S", "/run/systemd/private")).status:
            return False
        return (await self.run("systemctl", "is-active", "machine.target")).status == 0


def _child(process: int) -> int:
    """The only child of a process; 0 before there is one."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return int(children[0]) if children else 0
