"""The one retry policy: runs what reads a source, waits after a failure, and runs it again, for ever.

The only place where any exception is caught: a bug in an adapter must not take the other sources down with it.
"""

import asyncio
import logging
import random
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from bridge.adapter import Adapter, Sink
from bridge.errors import SourceError
from bridge.freshness import Freshness, Moment
from bridge.model import SourceName
from bridge.observer import SourceObserver
from bridge.outage import Failure, Outage
from bridge.poll import Poll

log = logging.getLogger(__name__)

T = TypeVar("T")
QUIET = 900.0
"""Seconds within which a source that waits for changes has answered, whether there was one or not."""

_RESERVED = logging.makeLogRecord({}).__dict__.keys() | {"message", "asctime"}
Ticks = Callable[[float], AsyncIterator[None]]
"""Yields now, and then once every so many seconds."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The times and the waiting that the supervisor needs; replaced in tests."""

    wall: Callable[[], float] = time.time
    """Unix time, for people."""
    monotonic: Callable[[], float] = time.monotonic
    """For measuring; does not jump."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after a failure: a random part of a span that doubles each time ("full jitter").

    The whole span is random so that the watches that failed together do not come back together.
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    first: float = 0.5
    """Seconds, the span after the first failure."""
    limit: float = 15.0
    """Seconds, the longest span."""
    uniform: Callable[[float, float], float] = random.uniform

    def delay(self, attempts: int, retry_after: float | None) -> float:
        """Seconds to wait after so many failures in a row, but never sooner than the source asked for.

        What a source asks for (`SourceError.retry_after`) replaces the span; a tenth is added at random.
        """
        if retry_after is not None:
            return max(0.0, retry_after) * self.uniform(1.0, 1.1)
        doublings = min(attempts - 1, 32)  # more would overflow long after the limit is reached
        return self.uniform(0.0, min(self.limit, self.first * 2.0**doublings))


@dataclass(frozen=True, slots=True)
class ReadingStatus:
    """How one read of a source goes."""

    name: str
    """The `supervise` name."""
    last_success: float | None
    """Unix time; None when it never succeeded."""
    age: float | None
    """Seconds since then."""
    poll: Poll | None
    """What its last pass cost, where it polls."""
    vital: bool = True
    """Whether the source is only as fresh as this read."""

    @property
    def stale(self) -> bool:
        """Whether it succeeded longer ago than it should, for how it reads; never before its first success.

        That is three intervals where it polls, a minute at least, and `QUIET` where it waits for changes.
        """
        limit = max(60.0, 3 * self.poll.interval) if self.poll else QUIET
        return self.age is not None and self.age > limit


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How reading a source goes."""

    source: SourceName
    failures: tuple[Failure, ...] = ()
    """What fails now, sorted by reading; empty while all is well."""
    last_success: float | None = None
    """Unix time of the last success of the read that succeeded the longest ago; None while one never has."""
    age: float | None = None
    """Seconds since then, whatever happened to the wall clock."""
    crashes: int = 0
    """How often a bug ended a read since the start of the process."""
    readings: tuple[ReadingStatus, ...] = ()
    """The reads that it consists of now, sorted by name; not the adapter's own `run`."""

    @property
    def stale(self) -> bool:
        """Whether a read without which the source is not fresh succeeded longer ago than it should."""
        vital = [reading for reading in self.readings if reading.vital]
        if vital:
            return any(reading.stale for reading in vital)
        return self.age is not None and self.age > QUIET


class Supervisor:
    """Runs adapters, each in its own task, and keeps the status of each source."""

    def __init__(
        self,
        observers: Sequence[SourceObserver],
        ticks: Ticks,
        kept: Callable[[SourceName], int],
        clock: Clock = Clock(),
        backoff: Backoff = Backoff(),
    ) -> None:
        """Run nothing yet.

        Args:
            observers: told, in this order, of everything that happens.
            ticks: what adapters get as `context.ticks`.
            kept: how many endpoints of a source are known now, for the log of a failure.
            clock: replaced in tests.
            backoff: replaced in tests.
        """
        self.observers = tuple(observers)
        self.ticks = ticks
        self.kept = kept
        self.clock = clock
        self.backoff = backoff
        self._shared: dict[str, object] = {}
        self._contexts: dict[SourceName, _Context] = {}

    async def run(self, source: SourceName, adapter: Adapter, sink: Sink, *, allow_empty: bool = False) -> None:
        """Run the adapter of a source, again after each failure, until cancelled."""
        context = self._contexts[source] = _Context(self, source, sink, allow_empty)
        for observer in self.observers:
            observer.started(source)

        async def work() -> None:
            await adapter.run(context)
            raise RuntimeError("the adapter's run() returned, although nobody cancelled it")

        await context.supervise("", work)

    def dismiss(self, source: SourceName) -> None:
        """Have what reads a source end with its next failure, and tell nobody of it; it is about to be cancelled."""
        if source in self._contexts:
            self._contexts[source].dismiss()

    def forget(self, source: SourceName) -> None:
        """Have nothing to say any more of a source whose `run` was cancelled."""
        self._contexts.pop(source, None)
        for observer in self.observers:
            observer.ended(source)

    def status(self, source: SourceName) -> SourceStatus:
        """How reading a source goes now; nothing is known of one that is not run yet."""
        context = self._contexts.get(source)
        return context.status() if context else SourceStatus(source)

    def shared(self, key: str, make: Callable[[], T]) -> T:
        """The process-wide object of a key, made on first use."""
        if key not in self._shared:
            self._shared[key] = make()
        return cast("T", self._shared[key])


class _Context:
    """The `AdapterContext` of one source, and what there is to know of its reads."""

    def __init__(self, supervisor: Supervisor, source: SourceName, sink: Sink, allow_empty: bool) -> None:  # noqa: FBT001 (private, called once)
        self.source = source
        self.sink = sink
        self.allow_empty = allow_empty
        self._supervisor = supervisor
        self._clock = supervisor.clock
        self._outage = Outage()
        self._heard: set[str] = set()
        self._crashes = 0
        self._freshness = Freshness()
        self._observers = supervisor.observers
        self._dismissed = False

    def dismiss(self) -> None:
        """See `Supervisor.dismiss`."""
        self._dismissed = True
        self._observers = ()

    def ticks(self, interval: float) -> AsyncIterator[None]:
        return self._supervisor.ticks(interval)

    def shared(self, key: str, make: Callable[[], T]) -> T:
        return self._supervisor.shared(key, make)

    def noticed(self, event: str, **fields: object) -> None:
        # The library refuses fields that are called like its own; an adapter need not know which these are.
        free = {f"{key}_" if key in _RESERVED else key: value for key, value in fields.items()}
        log.warning(event, extra={**free, "source": self.source})

    def requested(self, operation: str, code: str, duration: float) -> None:
        for observer in self._observers:
            observer.requested(self.source, operation, code, duration)

    def succeeded(self, name: str = "") -> None:
        self._freshness.succeed(name, Moment(self._clock.monotonic(), self._clock.wall()))
        recovered = self._outage.succeeded(name)
        for observer in self._observers:
            observer.succeeded(self.source, name)
            if recovered:
                observer.recovered(self.source)
        if recovered:
            self._heard.clear()
            log.info("source.recovered", extra={"source": self.source, "reading": name})

    def polled(self, name: str, poll: Poll) -> None:
        self._freshness.polled(name, poll)
        for observer in self._observers:
            observer.polled(self.source, poll)

    async def supervise(self, name: str, work: Callable[[], Awaitable[None]], *, vital: bool = True) -> None:
        read = self._freshness.begin(name, vital=vital)
        try:
            while not await self._attempt(name, work):
                pass
        finally:
            self._outage.forget(name)
            self._freshness.end(name, read)

    def status(self) -> SourceStatus:
        wall, age = self._told(self._freshness.oldest)
        reads = sorted(self._freshness.reads.items())
        return SourceStatus(
            source=self.source,
            failures=self._outage.failures,
            last_success=wall,
            age=age,
            crashes=self._crashes,
            readings=tuple(ReadingStatus(name, *self._told(read.last), read.poll, read.vital) for name, read in reads),
        )

    def _told(self, moment: Moment | None) -> tuple[float | None, float | None]:
        """A moment as Unix time, and the seconds since then."""
        return (moment.wall, self._clock.monotonic() - moment.monotonic) if moment else (None, None)

    async def _attempt(self, name: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Whether the work is done; after a failure it is not, and the back-off is over."""
        try:
            await work()
        except asyncio.CancelledError as error:
            if self._dismissed or (task := asyncio.current_task()) is None or task.cancelling():
                raise
            # Nobody cancelled us: the adapter waited for something of its own that was. Passed on, it would end this
            # source without a word.
            delay = self._failed(name, RuntimeError(f"a cancellation that nobody asked for: {error!r}"))
        except Exception as error:  # a bug in an adapter must not end the process
            if self._dismissed:  # nobody wants what another attempt would read
                raise asyncio.CancelledError from error
            # The wait is outside of the `except` block, or the traceback would keep the adapter's locals alive.
            delay = self._failed(name, error)
        else:
            return True
        await self._clock.sleep(delay)
        return False

    def _failed(self, name: str, error: Exception) -> float:
        """Note, tell and log a failure; returns the seconds to wait."""
        expected = _source_error(error)
        missing = expected.missing if expected else ()
        failure = self._failure(name, str(expected or f"bug in the adapter: {error!r}"), missing)
        delay = self._supervisor.backoff.delay(failure.attempts, expected.retry_after if expected else None)
        if expected is None:
            self._crashed(failure, error, delay)
            return delay
        for observer in self._observers:
            observer.failed(self.source, name, failure.error, expected.cause)
        loud = self._outage.failed(failure, self._clock.monotonic())
        log.log(logging.WARNING if loud else logging.DEBUG, "source.failed", extra=self._fields(failure, delay))
        return delay

    def _crashed(self, failure: Failure, error: Exception, delay: float) -> None:
        self._crashes += 1
        for observer in self._observers:
            observer.crashed(self.source, failure.reading)
        place = _place(error)
        unheard = place not in self._heard
        self._heard.add(place)
        loud = self._outage.failed(failure, self._clock.monotonic(), unheard=unheard)
        log.log(
            logging.ERROR if loud else logging.DEBUG,
            "source.crashed",
            extra=self._fields(failure, delay),
            exc_info=error if unheard else None,
        )

    def _failure(self, name: str, text: str, missing: tuple[str, ...]) -> Failure:
        previous = self._outage.failure(name)
        if previous is None:
            return Failure(name, text, since=self._clock.wall(), attempts=1, missing=missing)
        return Failure(name, text, since=previous.since, attempts=previous.attempts + 1, missing=missing)

    def _fields(self, failure: Failure, delay: float) -> dict[str, object]:
        return {
            "source": self.source,
            "reading": failure.reading,
            "error": failure.error,
            "retry_in": round(delay, 3),
            "endpoints_kept": self._supervisor.kept(self.source),
        }


def _source_error(error: Exception) -> SourceError | None:
    """The expected failure that this is; None for a bug.

    The reads of an adapter that runs them in a `TaskGroup` fail as a group, in which one bug is enough to be a bug.
    """
    if isinstance(error, SourceError):
        return error
    if not isinstance(error, ExceptionGroup):
        return None
    members = [_source_error(member) for member in _leaves(error)]
    return None if None in members else members[0]


def _leaves(group: "ExceptionGroup[Exception]") -> Iterator[Exception]:
    for member in group.exceptions:
        if isinstance(member, ExceptionGroup):
            yield from _leaves(member)
        else:
            yield member


def _place(error: Exception) -> str:
    """Where a bug is: the same bug crashes again at the same place, whatever its message says."""
    place = type(error).__name__
    for frame, line in traceback.walk_tb(error.__traceback__):
        place = f"{type(error).__name__} {frame.f_code.co_filename}:{line}"
    return place
