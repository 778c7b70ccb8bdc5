"""How many bytes may be on their way to clients at once, and who has to wait or go when there are more."""

from dataclasses import dataclass

SLOW = 1.0
"""Seconds after which a write makes room for those who wait: the client is stuck, or far away."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a review decided, by number of the writer."""

    admitted: tuple[int, ...] = ()
    """Those who have waited and may write now."""
    ended: tuple[int, ...] = ()
    """Those who have been slow for the longest, and must be ended."""


@dataclass(slots=True)
class _Account:
    """Writes of one kind, the longest-standing first. A write larger than the account has it to itself."""

    size: int
    used: int = 0

    def fits(self, size: int) -> bool:
        return not self.used or self.used + size <= self.size


@dataclass(frozen=True, slots=True)
class _Write:
    size: int
    since: float


class Budget:
    """Bytes being written, in two accounts of the same size: the first for everybody, the second for the slow.

    Whoever finds no room in the first waits, first come, first served. When somebody waits, writes that have taken
    longer than `SLOW` are moved to the second account; when that is full too, whoever has been in it for the longest
    is ended. So there is never more than twice the size on its way (or one response, if that alone is larger), and a
    client that reads waits no longer than `SLOW` for each full account of stuck writes ahead of it.

    What is counted is gRPC's copy of a response. Ours is shared by the streams that are in the same state.

    A pure object: it is told the time, and its verdicts are carried out elsewhere.

    Args:
        size: bytes in each account.
    """

    def __init__(self, size: int) -> None:
        self._quick, self._slow = _Account(size), _Account(size)
        self._quick_writes: dict[int, _Write] = {}
        self._slow_writes: dict[int, int] = {}
        self._ending: dict[int, int] = {}
        """Those of `_slow_writes` that were told to end and have not yet."""
        self._waiting: dict[int, int] = {}

    @property
    def used(self) -> int:
        """Bytes on their way."""
        return self._quick.used + self._slow.used

    @property
    def waiting(self) -> int:
        """How many wait for room."""
        return len(self._waiting)

    def ask(self, writer: int, size: int, now: float) -> bool:
        """Whether `size` bytes may be written now; otherwise a later review will admit the writer.

        Args:
            writer: number of the writer, who has no other write under way.
            size: bytes.
            now: the clock.
        """
        if not self._waiting and self._quick.fits(size):
            self._start(writer, size, now)
            return True
        self._waiting[writer] = size
        return False

    def release(self, writer: int) -> None:
        """It has written, has given up waiting, or has ended: a review may find room now."""
        if self._waiting.pop(writer, None) is not None:
            return
        if write := self._quick_writes.pop(writer, None):
            self._quick.used -= write.size
        elif size := self._slow_writes.pop(writer, 0):
            self._slow.used -= size
            self._ending.pop(writer, None)

    def review(self, now: float) -> Verdict:
        """Find room for those who wait: after a release, after one has asked in vain, and when it is `due`."""
        admitted, ended = list[int](), list[int]()
        while self._waiting:
            writer, size = next(iter(self._waiting.items()))
            if self._quick.fits(size):
                del self._waiting[writer]
                self._start(writer, size, now)
                admitted.append(writer)
            elif not self._set_aside(now, ended):
                break
        return Verdict(tuple(admitted), tuple(ended))

    def due(self, now: float) -> float | None:
        """Seconds until a review may change something by itself; None if only a release can."""
        if not self._waiting:
            return None
        oldest = next(iter(self._quick_writes.values()))
        elapsed = now - oldest.since
        return SLOW - elapsed if elapsed < SLOW else None  # overdue after a review: it waits for somebody to end

    def _start(self, writer: int, size: int, now: float) -> None:
        self._quick_writes[writer] = _Write(size, now)
        self._quick.used += size

    def _set_aside(self, now: float, ended: list[int]) -> bool:
        """Move the oldest write to the slow ones if it has become one; whether that made room."""
        writer, write = next(iter(self._quick_writes.items()))
        if now - write.since < SLOW:
            return False
        if not self._slow.fits(write.size):
            self._end_the_slowest(write.size, ended)
            return False
        del self._quick_writes[writer]
        self._quick.used -= write.size
        self._slow_writes[writer] = write.size
        self._slow.used += write.size
        return True

    def _end_the_slowest(self, needed: int, ended: list[int]) -> None:
        """Choose who has to go so that so many bytes fit; who was chosen before counts as good as gone."""
        staying = self._slow.used - sum(self._ending.values())
        for writer, size in self._slow_writes.items():
            if not staying or staying + needed <= self._slow.size:
                return
            if writer not in self._ending:
                self._ending[writer] = size
                ended.append(writer)
                staying -= size
