"""How the process treats its memory: few collections of garbage, and what a storm left behind given back.

Both are measured: a full collection stops the event loop for tens of milliseconds when a thousand Envoys are connected,
and the C library keeps a third of what their connecting took.
"""

import asyncio
import ctypes
import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from xds import ObservedStream, StreamObserver

INTERVAL = 10.0
"""Seconds between two looks at whether there is memory to give back."""

_THRESHOLDS = (50_000, 20, 50)


def settle() -> None:
    """Leave all that exists now out of garbage collection, and look for the garbage of later more rarely.

    For once everything is imported and built: that stays for as long as the process does. What is no cycle is freed
    without the collector, and cycles are few here. https://docs.python.org/3/library/gc.html#gc.freeze
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


Trim = Callable[[int], int]
"""Gives free memory back to the system, all but so many bytes; 1 if there was some."""


def find_trim() -> Trim | None:
    """The C library's own (https://man7.org/linux/man-pages/man3/malloc_trim.3.html); None where it has none."""
    found: Trim | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found


class Reclaimer(StreamObserver):
    """Gives back memory that is free after streams were busy.

    Args:
        trim: gives it back; None where that cannot be done.
        interval: seconds between two looks at whether there is something.
    """

    def __init__(self, trim: Trim | None, interval: float = INTERVAL) -> None:
        self._trim = trim
        self._interval = interval
        self._used = False

    def opened(self, stream: ObservedStream) -> None:
        """Connecting takes most: an Envoy describes itself, and is sent all there is."""
        self._used = True

    def closed(self, stream: ObservedStream) -> None:
        """What the stream had is free."""
        self._used = True

    def sent(self, stream: ObservedStream, type_url: str, resources: int, size: int) -> None:
        """A response was copied for its way."""
        self._used = True

    async def run(self) -> None:
        """Give back what is free, from time to time, in a thread of its own, until cancelled."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "memory") as executor:
            while self._trim:
                await asyncio.sleep(self._interval)
                if self._used:
                    self._used = False
                    await loop.run_in_executor(executor, self._trim, 0)
