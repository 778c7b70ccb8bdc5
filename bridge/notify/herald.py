"""Keeps a service manager informed: that the bridge lives, how it does, when it reloads and ends."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator

from bridge.notify.condition import Condition
from bridge.notify.progress import Pipeline, Progress
from bridge.notify.sd_notify import Manager

log = logging.getLogger(__name__)

INTERVAL = 5.0
"""Seconds between two looks at how the bridge does."""

UNWATCHED = 30.0
"""Seconds that changes may wait where no watchdog says how long: several looks, since they may begin after one."""

EXTENSION = 15.0
"""Seconds for which starting or ending is said to take longer; said again while the event loop moves."""

Ticks = Callable[[float], AsyncIterator[None]]


class Herald:
    """Tells a manager about the bridge while `run` runs, and about reloads.

    Args:
        manager: who is told.
        condition: how the bridge does.
        pipeline: what has to move for the watchdog to be fed.
        ticks: gives a tick every so many seconds.
    """

    def __init__(self, manager: Manager, condition: Callable[[], Condition], pipeline: Pipeline, ticks: Ticks) -> None:
        self._manager = manager
        self._condition = condition
        self._ticks = ticks
        patience = manager.patience
        self._interval = min(INTERVAL, patience / 3) if patience else INTERVAL
        self._progress = Progress(pipeline, patience or UNWATCHED)
        self._told = ""
        self._stuck = False

    async def run(self) -> None:
        """Say that the bridge is up, and then how it does and that it moves, until cancelled."""
        self._manager.ready(self._now())
        async for _ in self._ticks(self._interval):
            told = self._told
            if self._now() != told:
                self._manager.status(self._told)
            self._feed(asyncio.get_running_loop().time())

    def began(self) -> None:
        """Say that the configuration is read again."""
        self._manager.reloading()

    def succeeded(self) -> None:
        """Say that another configuration is in use."""
        self._manager.ready(self._now())

    def failed(self) -> None:
        """Say that none is, and why."""
        self._manager.ready(self._now())

    def stopping(self) -> None:
        """Say that the bridge ends."""
        self._manager.stopping()

    @contextlib.contextmanager
    def taking_longer(self) -> Iterator[None]:
        """Have the manager wait for as long as this context lasts and the event loop moves."""
        loop = asyncio.get_running_loop()
        pending: list[asyncio.TimerHandle] = []

        def say() -> None:
            self._manager.extend(EXTENSION)
            pending[:] = [loop.call_later(INTERVAL, say)]

        say()
        try:
            yield
        finally:
            pending[0].cancel()

    def _feed(self, now: float) -> None:
        stuck, before = self._progress.stuck(now), self._stuck
        self._stuck = stuck
        if not stuck:
            self._manager.alive()
        elif not before:
            log.error(
                "bridge.stuck", extra={"consequence": "Envoys are not told of changes; a watchdog ends the bridge"}
            )

    def _now(self) -> str:
        self._told = str(self._condition())
        return self._told
