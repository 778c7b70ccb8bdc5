"""Ticks that a test gives by hand, so that nothing waits for a clock."""

import asyncio
from collections.abc import AsyncIterator


class ManualTicks:
    """Called like `Scheduler.ticks`: the first tick comes at once, each further one when the test calls `tick`."""

    def __init__(self) -> None:
        self.intervals: list[float] = []
        """The intervals asked for, oldest first."""
        self._due: list[asyncio.Event] = []

    async def __call__(self, interval: float) -> AsyncIterator[None]:
        due = asyncio.Event()
        due.set()
        self.intervals.append(interval)
        self._due.append(due)
        try:
            while True:
                await due.wait()
                due.clear()
                yield
        finally:
            self._due.remove(due)

    @property
    def running(self) -> int:
        """How many loops over these ticks run now."""
        return len(self._due)

    def tick(self) -> None:
        """Let every loop run once more; ticks that nobody took yet coalesce."""
        for due in self._due:
            due.set()
