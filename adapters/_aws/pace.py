"""How often a place is read: as configured, unless the budget or AWS itself says that this is too often."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from adapters._aws.api import Api
from adapters._aws.error import DEADLINE, AwsError, Kind
from bridge.adapter import AdapterContext
from bridge.poll import Calls, Poll

_LONGEST = 300.0
"""Seconds to which throttling may stretch an interval that is shorter."""

SHORTEST_DEADLINE = 60.0
"""Seconds that a pass may always take, and longer where a single call may."""


class Pace:
    """The interval between two passes over one place, stretched when need be."""

    def __init__(
        self,
        context: AdapterContext,
        interval: float,
        api: Api,
        reading: str = "",
        shortest_deadline: float | None = None,
    ) -> None:
        """Begin with what is configured.

        Args:
            context: gives the ticks, and is told when the interval is not what is configured.
            interval: seconds between two passes, as configured.
            api: whose calls are counted against its budget.
            reading: the `supervise` name that it is told of under.
            shortest_deadline: seconds that a pass may always take; None for as many as let every call end by itself.
        """
        self._context = context
        self._configured = interval
        self._api = api
        self._reading = reading
        self._relief: Callable[[], float] = lambda: 0.0
        self._shortest_deadline = shortest_deadline or max(SHORTEST_DEADLINE, api.longest)
        self._stretched = interval
        self._eased_from = 0.0
        """What the interval was stretched to before this pass, which was not throttled itself, shortened it."""
        self._told = 1.0
        self._calls = 0
        self._listed: tuple[Calls, ...] = ()

    def relieved_by(self, relief: Callable[[], float]) -> None:
        """Let passes be rarer for as long as changes are told of otherwise.

        Args:
            relief: tells how many seconds may lie between two passes now; 0 while changes are not told of.
        """
        self._relief = relief

    @property
    def interval(self) -> float:
        """Seconds between the starts of two passes now."""
        return max(self.polling, self._relief())

    @property
    def polling(self) -> float:
        """What `interval` is while nothing but passes tells of changes."""
        return max(self._stretched, round(self._configured * self._api.budget.excess, 3))

    @property
    def deadline(self) -> float:
        """Seconds that a pass may take now, beside what it waits for the budget."""
        return max(self._shortest_deadline, 2 * self.polling)

    async def ticks(self) -> AsyncIterator[None]:
        """Yield now and then once every `interval`, whatever that is by then; late ticks coalesce.

        The clock goes on ticking for `polling` while passes may be rarer: so they are back as soon as they must.
        """
        resumed = False
        relieved, last = False, 0.0
        while True:
            interval = self.polling
            async for _ in self._context.ticks(interval):
                if resumed:
                    resumed = False  # every series begins with a tick at once, and there has just been one
                    continue
                now, relief = asyncio.get_running_loop().time(), self._relief()
                # The first pass under relief is at once: what happened before that, nobody may have told.
                if not (relieved and relief and now - last < relief - interval / 2):
                    relieved, last = relief > 0, now
                    yield
                if self.polling != interval:
                    break
            resumed = True

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One pass: has a deadline, counts its calls, and learns from how it ended.

        Raises:
            AwsError: the pass failed or took too long; after throttling it says when to come back.
        """
        began, before = self._api.calls, self._api.calls_by_operation.copy()
        start = asyncio.get_running_loop().time()
        deadline, self._eased_from = self.deadline, 0.0
        try:
            async with self._api.deadline(deadline) as limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            self._spent(max(self._api.calls - began, self._calls))
            message = f"reading {self._api.place} took longer than {deadline:g} s; what is known stays"
            raise AwsError(message, Kind.UNREACHABLE, DEADLINE) from error
        except AwsError as error:
            self._spent(max(self._api.calls - began, self._calls))
            if error.kind is Kind.THROTTLED:
                self.slow_down(error)
            raise
        self._spent(self._api.calls - began)
        self._eased_from = self._stretched
        self._stretched = max(self._configured, self._stretched / 2)
        self._listed = self._by_operation(self._api.calls_by_operation - before)
        self._report(asyncio.get_running_loop().time() - start)

    def slow_down(self, error: AwsError) -> None:
        """Ask less often after throttling, within a turn or after it, and have the error say when to come back."""
        self._stretched = min(max(_LONGEST, self._configured), 2 * max(self.polling, self._eased_from))
        self._tell("aws.throttled")
        self._report()
        error.retry_after = self.polling

    def _spent(self, calls: int) -> None:
        """Passes of so many calls, and those of all others there, come no sooner than the budget has them again."""
        self._calls = calls
        budget = self._api.budget
        budget.want(self, calls / max(self._configured, self._relief()))
        told, self._told = self._told, budget.excess
        if self._told > 1.1 * told or self._told > told == 1:
            self._tell("aws.interval_stretched", calls=calls, budget=budget.rate)

    def _by_operation(self, calls: Counter[tuple[str, str]]) -> tuple[Calls, ...]:
        declared = self._api.operations or {}
        buckets = {key: declared[key].bucket if key in declared else None for key in calls}
        return tuple(
            Calls(f"{service}.{name}", count, buckets[service, name])
            for (service, name), count in sorted(calls.items())
        )

    def _report(self, took: float | None = None) -> None:
        """Tell what a pass costs, as of the last that came to its end, and when the next one comes."""
        place, budget = str(self._api.place), self._api.budget.rate
        self._context.polled(self._reading, Poll(place, self._listed, self._configured, self.interval, budget, took))

    def _tell(self, event: str, **fields: object) -> None:
        self._context.noticed(
            event,
            place=str(self._api.place),
            configured=self._configured,
            interval=round(self.interval, 1),
            **fields,
        )
