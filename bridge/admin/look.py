"""Looking at something once for all who ask, a little at a time: what is shown must not keep changes waiting."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from xds import StreamStatus

T = TypeVar("T")

PORTION = 100
"""Streams that are looked at in one go, which takes 2.5 ms; then everybody else has a turn on the event loop."""


class Look(Generic[T]):
    """What is found by looking; those who ask while somebody looks share the next look.

    Args:
        look: finds it.
        fresh: seconds for which it is given out again; without, nobody gets what was found before they asked.
    """

    def __init__(self, look: Callable[[], Awaitable[T]], fresh: float = 0.0) -> None:
        self._look = look
        self._fresh = fresh
        self._turn = asyncio.Lock()
        self._last: tuple[float, T] | None = None

    async def __call__(self) -> T:
        """What there is, as of a moment that is no earlier than `fresh` seconds before the call."""
        clock = asyncio.get_running_loop().time
        asked = clock()
        async with self._turn:
            if self._last is None or self._last[0] < asked - self._fresh:
                began = clock()
                self._last = began, await self._look()
            return self._last[1]


Connected = Look[tuple[StreamStatus, ...]]
"""Finds the open streams, oldest first."""


async def by_portions(looked_at: Iterable[T]) -> tuple[T, ...]:
    """What is found as one goes along, with turns for everybody else."""
    found: list[T] = []
    for each in looked_at:
        found.append(each)
        if len(found) % PORTION == 0:
            await asyncio.sleep(0)
    return tuple(found)
