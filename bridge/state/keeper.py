"""Keeps the file as the bridge is: told of changes on the event loop, it writes in a thread, seldom and at the end."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from bridge.state.document import State
from bridge.state.store import Store

log = logging.getLogger(__name__)

_CONSEQUENCE = "Envoys are served on; after a restart, what was written last counts"


class StateObserver(Protocol):
    """What the keeper tells of its writes."""

    def written(self) -> None:
        """The file is what the bridge is."""

    def write_failed(self) -> None:
        """It is not, and is tried again."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, in seconds."""

    interval: float = 1.0
    """Between two writes, at least."""
    refresh: float = 60.0
    """After which a look is taken although nobody told of a change: when sources were last read is kept as well."""
    longest_retry: float = 60.0
    """Between two attempts while the disk does not take it."""

    def pause(self, failures: int) -> float:
        """Seconds from one write to the next, after so many in a row have failed: doubled from the second on."""
        longest = max(self.interval, self.longest_retry)
        return min(self.interval * 2.0 ** min(max(failures - 1, 0), 64), longest)


class Keeper:
    """Writes what is to be kept whenever it differs from what was kept last."""

    def __init__(self, store: Store, current: Callable[[], State], observer: StateObserver, pace: Pace) -> None:
        """Do nothing yet.

        Args:
            store: where it is kept.
            current: what is to be kept now, with what was restored and is still believed; called on the event loop,
                so it has to be quick.
            observer: is told on the event loop.
            pace: how often.
        """
        self._store = store
        self._current = current
        self._observer = observer
        self._pace = pace
        self._executor = ThreadPoolExecutor(1, "state")
        self._wake = asyncio.Event()
        self._failures = 0
        self._error = ""
        self._waiting: list[asyncio.Future[str]] = []
        self._begun = False

    async def open(self) -> State | None:
        """Take the directory for this process, and read what was kept; None if there is nothing to be used.

        Raises:
            ConfigError: the directory or the file cannot be used, or a newer bridge wrote it.
            OSError: another process uses the directory.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._store.open)
        return await loop.run_in_executor(self._executor, self._store.load)

    def changed(self) -> None:
        """Say that something differs from what was kept."""
        self._wake.set()

    @property
    def error(self) -> str:
        """Why the disk does not take the state; empty while it does."""
        return self._error if self._failures else ""

    async def kept(self, timeout: float) -> str:
        """Wait until the file is what the bridge is now, so that a crash takes nothing of it back.

        Args:
            timeout: seconds to wait; no longer than a moment while the disk does not take it.

        Returns:
            Why it is not; empty when it is.
        """
        if self._failures:
            self.changed()
            return self._error
        written: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append(written)
        self.changed()
        try:
            async with asyncio.timeout(timeout):
                return await written
        except TimeoutError:
            return f"it was not written within {timeout:g} s"

    async def run(self) -> None:
        """Write until cancelled; a write that has begun goes on in its thread."""
        self._begun = True
        while True:
            await self._told()
            await self._save()
            await asyncio.sleep(
                self._pace.pause(self._failures)
            )  # what is told meanwhile is one more write, after the pause

    async def close(self, timeout: float) -> None:
        """Write the last state and let others have the directory; for when `run` has ended and nothing changes.

        Nothing is written if `run` never began: a start that failed has nothing to say.

        Args:
            timeout: seconds after which a disk that hangs is left alone. The lock then ends with the process.
        """
        try:
            async with asyncio.timeout(timeout):
                if self._begun:
                    await self._save()
                await asyncio.get_running_loop().run_in_executor(self._executor, self._store.close)
        except TimeoutError:
            log.error("state.abandoned", extra={"timeout": timeout})  # noqa: TRY400 (the traceback says nothing)
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _told(self) -> None:
        try:
            async with asyncio.timeout(self._pace.refresh):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _save(self) -> None:
        waiting, self._waiting = self._waiting, []
        state = self._current()
        try:
            written = await asyncio.get_running_loop().run_in_executor(self._executor, self._store.save, state)
        except OSError as error:
            self._failed(error)
            _answer(waiting, self._error)
            return
        _answer(waiting, "")
        if written:
            self._observer.written()
        if self._failures:
            log.info("state.recovered", extra={"attempts": self._failures})
        self._failures = 0

    def _failed(self, error: OSError) -> None:
        self._observer.write_failed()
        self._wake.set()
        self._failures += 1
        self._error = str(error)
        if self._failures == 1:
            log.error("state.write_failed", extra={"error": self._error, "consequence": _CONSEQUENCE})


def _answer(waiting: Iterable[asyncio.Future[str]], outcome: str) -> None:
    for each in waiting:
        if not each.done():  # whoever waited for it may have gone
            each.set_result(outcome)
