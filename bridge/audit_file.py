"""The audit trail on disk: JSON lines in a file that is rotated, written by a thread of its own.

A disk that is full or read-only costs lines of the trail and nothing else: the trail must not hold up what it is about.
"""

import asyncio
import contextlib
import dataclasses
import json
import logging
import logging.handlers
import queue
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

from bridge.audit import Event, Numbered

log = logging.getLogger(__name__)

NAME = "audit.jsonl"

SIZE = 16 << 20
"""Bytes after which a file is put away."""

KEPT = 4
"""Files that were put away and are kept: `audit.jsonl.1` is the latest."""


WAITING = 100_000
"""Events that may wait to be written; some 40 MiB."""

LAST_WORDS = 1.0
"""Seconds that the last events may take to be written when the bridge stops."""


class AuditFile:
    """Writes events for as long as an `async with` block lasts."""

    def __init__(
        self, directory: Path, lost: Callable[[], None] = lambda: None, size: int = SIZE, kept: int = KEPT
    ) -> None:
        """Open nothing yet.

        Args:
            directory: where the files are; there must be one.
            lost: is called for each event that cannot be written, in whatever thread.
            size: bytes after which a file is put away; fewer in tests.
            kept: how many of those are kept.
        """
        self._lost = lost
        self._queue: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        self._open = partial(_Handler, directory / NAME, maxBytes=size, backupCount=kept, encoding="utf-8", delay=True)
        self._dropped = 0
        self._handler: _Handler | None = None
        self._listener: logging.handlers.QueueListener | None = None

    @property
    def lost(self) -> int:
        """How many events could not be written."""
        return self._dropped + (self._handler.lost if self._handler else 0)

    def write(self, numbered: Numbered) -> None:
        """Have an event written soon; lost while the disk is too far behind."""
        if self._queue.qsize() >= WAITING:
            self._dropped += 1
            self._lost()
        else:
            self._queue.put(logging.makeLogRecord({"msg": numbered.event}))

    async def __aenter__(self) -> Self:
        self._handler = await asyncio.get_running_loop().run_in_executor(None, self._open)
        self._handler.tell = self._lost
        self._listener = logging.handlers.QueueListener(self._queue, self._handler)
        self._listener.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Wait until what is in the queue is written, but not for a disk that hangs."""
        ended = asyncio.get_running_loop().run_in_executor(None, self._end)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(ended), LAST_WORDS)

    def _end(self) -> None:
        if self._listener and self._handler:
            self._listener.stop()
            self._handler.close()


class _Handler(logging.handlers.RotatingFileHandler):
    """Counts what it cannot write, and says so once for as long as it lasts."""

    lost = 0
    tell: Callable[[], None] = staticmethod(lambda: None)
    _failing = False

    def format(self, record: logging.LogRecord) -> str:
        return _line(record.msg) if isinstance(record.msg, Event) else super().format(record)

    def emit(self, record: logging.LogRecord) -> None:
        lost = self.lost
        super().emit(record)
        if self._failing and self.lost == lost:
            self._failing = False
            log.info("audit.recovered", extra={"file": self.baseFilename, "lost": self.lost})

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the library's)
        self.lost += 1
        self.tell()
        if not self._failing:
            self._failing = True
            log.warning("audit.write_failed", extra={"file": self.baseFilename, "error": repr(sys.exc_info()[1])})


def _line(event: Event) -> str:
    return json.dumps({name: value for name, value in dataclasses.asdict(event).items() if value != ""})
