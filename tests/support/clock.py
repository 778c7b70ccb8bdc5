"""The wall clock, to be set wrong by a test: as the scheduler in this process reads it, and that of a child process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
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


class ProcessClock:
    """The wall clock of a child process with these variables; its monotonic clock goes on, as it does for the kernel.

    Args:
        directory: for the file that says how wrong the clock is.
    """

    def __init__(self, directory: Path) -> None:
        self._file = directory / "clock"
        self.set("+0h")

    @property
    def environment(self) -> dict[str, str]:
        """What the process is to be started with."""
        library = Path(__file__).parents[2] / ".cache/faketime/libfaketimeMT.so.1"
        assert library.is_file(), f"there is no libfaketime at {library}; run `make test`"
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds; without a cache every look at the clock would read the file
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, wrong: str) -> None:
        """Let the clock be wrong by so much, such as `-1h`."""
        new = self._file.with_suffix(".new")
        new.write_text(wrong)
        new.replace(self._file)  # a file cut short would be read as no time at all
