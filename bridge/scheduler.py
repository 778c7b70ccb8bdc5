"""Says when, never what: the only place that knows APScheduler.

A job does nothing but set an event; whoever loops over `ticks` does the work in its own task, so a slow read skips
ticks and never overlaps itself.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from apscheduler.executors.base import BaseExecutor
from apscheduler.job import Job
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

OVERDUE = 1.5
"""Intervals after which a tick is given although its job did not run."""


class _OnTheLoop(BaseExecutor):  # type: ignore[misc]  # apscheduler ships no types
    """Runs a job where the scheduler runs, at once; the library's own executors use threads or log each run."""

    def _do_submit_job(self, job: Job, run_times: list[datetime]) -> None:
        job.func()
        asyncio.get_running_loop().call_soon(self._run_job_success, job.id, [])


class _Every(BaseTrigger):  # type: ignore[misc]  # apscheduler ships no types
    """Plans the next run; runs that lie in the past are skipped, not listed.

    The library's own interval trigger lists them all before they coalesce: a machine that boots in 1970 and then learns
    the time would be busy with that for hours.
    """

    def __init__(self, interval: float) -> None:
        self._interval = timedelta(seconds=interval)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        planned = (previous_fire_time or now) + self._interval
        return planned if planned > now else now + self._interval


class Scheduler:
    """Gives ticks for as long as its context lasts; entered on the event loop."""

    def __init__(self) -> None:
        self._jobs = AsyncIOScheduler(
            timezone=UTC,
            executors={"default": _OnTheLoop()},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def __enter__(self) -> Self:
        self._jobs.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._jobs.shutdown(wait=False)

    async def ticks(self, interval: float) -> AsyncIterator[None]:
        """Yield now, and then once every `interval` seconds; ticks that come too late for the reader coalesce.

        APScheduler plans by the wall clock: after that was set back by an hour, its job would stay away for an hour.
        So a tick that is overdue by the monotonic clock is given anyway, and the job is planned anew.
        """
        due, trigger = asyncio.Event(), _Every(interval)
        job = self._jobs.add_job(due.set, trigger)
        try:
            while True:
                deadline = asyncio.get_running_loop().time() + OVERDUE * interval
                yield
                try:
                    async with asyncio.timeout_at(deadline):
                        await due.wait()
                except TimeoutError:
                    job.reschedule(trigger)
                due.clear()
        finally:
            with contextlib.suppress(JobLookupError):  # the scheduler was shut down first
                job.remove()
