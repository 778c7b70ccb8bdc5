"""A program that the demo runs: its log, its end that was wanted, and its death that was not."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Sequence
from pathlib import Path

from bridge.demo.option import DemoError

GRACE = 6.0
"""Seconds a child has to end after SIGTERM; one more than the bridge takes at most."""

TAIL = 5
"""Lines of its log shown when a child dies."""


class Child:
    """A child process in a group of its own, so that Ctrl-C reaches the demo alone and the demo ends it in order."""

    def __init__(self, name: str, command: Sequence[str | Path], directory: Path, group: asyncio.TaskGroup) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._command = command
        self._directory = directory
        self._group = group
        self._process: Process | None = None
        self._started = False

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start it; its death without our doing ends the task group with a `DemoError`.

        Raises:
            DemoError: it cannot be started.
        """
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if self._started else os.O_TRUNC), 0o644)
        self._started = True
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, cwd=self._directory, stdin=DEVNULL, stdout=log, stderr=STDOUT, process_group=0
            )
        except OSError as error:
            raise DemoError(f"cannot start {self.name} ({self._command[0]}): {error.strerror}") from error
        finally:
            os.close(log)
        self._group.create_task(self._watch(self._process))

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Make it end, and wait until it has."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            await asyncio.wait_for(process.wait(), GRACE)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _watch(self, process: Process) -> None:
        status = await process.wait()
        if self._process is process:
            self._process = None
            tail = "\n".join(f"    {line}" for line in last_lines(self.log))
            raise DemoError(f"{self.name} {_how_it_ended(status)}; its log, {self.log}, ends with\n{tail}")


def last_lines(log: Path, count: int = TAIL) -> list[str]:
    """The last lines of a log; none when there is no log."""
    if not log.exists():
        return []
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]


def _how_it_ended(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended by itself with status {status}"
