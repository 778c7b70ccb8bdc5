"""Which source of the process reads a queue: one at a time, since a queue hands each message to one reader.

No configuration has two sources with one queue. But after a reload one that leaves is read on beside its heir.
"""

import asyncio
from collections.abc import Callable

from bridge.model import SourceName


class Claim:
    """The claim of a source to one queue, in one run of its adapter."""

    def __init__(self, holders: dict[str, "Claim"], url: str, source: SourceName) -> None:
        """Have nothing yet.

        Args:
            holders: whose each queue is now, by its URL; one object for all sources of the process.
            url: of the queue.
            source: whose claim it is.
        """
        self.url = url
        self.source = source
        self._holders = holders
        self._given_up = asyncio.Event()

    async def take(self, held_by: Callable[[SourceName], None]) -> None:
        """Have the queue; returns as soon as no other claim has it.

        Args:
            held_by: is told who has it, once for each that is waited for.
        """
        while (holder := self._holders.setdefault(self.url, self)) is not self:
            held_by(holder.source)
            await holder.end()

    def give_up(self) -> None:
        """Let another one have the queue, if this one had it; at the end of the run, however it came."""
        if self._holders.get(self.url) is self:
            del self._holders[self.url]
        self._given_up.set()

    async def end(self) -> None:
        """Return when it is given up."""
        await self._given_up.wait()
