"""Whether events still find their way into the queue: a schedule sends one every minute, and its absence is noticed.

Silence of all else would prove nothing, since nothing may have happened.
"""

import time
from collections.abc import Callable

from adapters._aws.config import EventsConfig
from adapters._aws.queue import Queue
from bridge.adapter import AdapterContext


class Pulse:
    """The heartbeat of one queue, in one run of the adapter."""

    def __init__(
        self,
        context: AdapterContext,
        config: EventsConfig,
        queue: Queue,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Have heard nothing yet, and miss nothing yet.

        Args:
            context: is told when the heartbeat is missed, and when it is back.
            config: how long it may be away, and what is done while it is there.
            queue: for the telling.
            interval: seconds between two passes without a heartbeat, for the telling.
            clock: monotonic time in seconds.
        """
        self._context = context
        self._config = config
        self._queue = queue
        self._interval = interval
        self._clock = clock
        self._began = clock()
        self._last: float | None = None
        self._missed = False

    def beat(self, age: float) -> None:
        """Take a heartbeat that was sent so many seconds ago."""
        self._last = max(self._clock() - age, self._last or float("-inf"))
        self.relief()

    def relief(self) -> float:
        """Seconds that may lie between two passes now: 0 unless the heartbeat is there. Tells of what has changed."""
        heard = self._began if self._last is None else self._last
        missed = self._clock() - heard >= self._config.heartbeat
        alive = self._last is not None and not missed
        relief = max(self._config.reconcile, self._interval) if alive else 0.0
        if missed != self._missed:
            self._missed = missed
            self._context.noticed(
                "aws.heartbeat_missed" if missed else "aws.heartbeat_returned",
                queue=self._queue.url,
                heartbeat=self._config.heartbeat,
                interval=relief or self._interval,
            )
        return relief
