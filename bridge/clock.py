"""What time it is, on the two clocks that matter: one for people, which jumps, and one to decide by, which does not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Moment(NamedTuple):
    """One point in time, on both clocks."""

    wall: float
    """Unix time, for people."""
    monotonic: float
    """Seconds, to decide by."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks; replaced in tests."""

    wall: Callable[[], float]
    """Unix time; for people, and to tell which of two reports of one address is the later one."""
    monotonic: Callable[[], float]
    """Seconds, to decide by."""

    def now(self) -> Moment:
        """This moment."""
        return Moment(self.wall(), self.monotonic())
