"""The wall clock as the scheduler reads it, to be set wrong by a test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from typing import ClassVar

import apscheduler.schedulers.base
import pytest

Step = Callable[[timedelta], None]
"""Sets the clock wrong by so much."""


class Stepped(datetime):
    """The wall clock, set wrong by `step`; APScheduler reads nothing else."""

    step: ClassVar[timedelta] = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Stepped":
        return super().now(tz) + cls.step


@contextmanager
def steppable_clock() -> Iterator[Step]:
    """Let the clock be set until the end of the block."""

    def step(by: timedelta) -> None:
        Stepped.step = by

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apscheduler.schedulers.base, "datetime", Stepped)
        yield step
    Stepped.step = timedelta()
