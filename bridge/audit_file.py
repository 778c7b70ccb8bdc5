"""The audit trail on disk: JSON lines in a file that is rotated, written by a thread of its own.

A disk that is full or read-only costs lines of the trail and nothing else: the trail must not hold up what it is about.
"""

import dataclasses
import json
import logging
import logging.handlers
import queue
import sys
from pathlib import Path
from typing import Self

from bridge.audit import Event, Numbered

log = logging.getLogger(__name__)

NAME = "audit.jsonl"

SIZE = 16 << 20
"""Bytes after which a file is put away."""

KEPT = 4
"""Files that were put away and are kept: `audit.jsonl.1` is the latest."""


class AuditFile:
    """Writes events for as long as a `with` block lasts."""

    def __init__(self, directory: Path, size: int = SIZE, kept: int = KEPT) -> None:
        """Open nothing yet.

        Args:
            directory: where the files are; there must be one.
            size: bytes after which a file is put away; fewer in tests.
            kept: how many of those are kept.
        """
        self._queue: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        handler = _Handler(directory / NAME, maxBytes=size, backupCount=kept, encoding="utf-8", delay=True)
        self._handler = handler
        self._listener = logging.handlers.QueueListener(self._queue, handler)

    @property
    def lost(self) -> int:
        """How many events could not be written."""
        return self._handler.lost

    def write(self, numbered: Numbered) -> None:
        """Have an event written soon."""
        self._queue.put(logging.makeLogRecord({"msg": _line(numbered.event)}))

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.stop()  # after what is in the queue was written
        self._handler.close()


class _Handler(logging.handlers.RotatingFileHandler):
    """Counts what it cannot write, and says so once for as long as it lasts."""

    lost = 0
    _failing = False

    def emit(self, record: logging.LogRecord) -> None:
        lost = self.lost
        super().emit(record)
        if self._failing and self.lost == lost:
            self._failing = False
            log.info("audit.recovered", extra={"file": self.baseFilename, "lost": self.lost})

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the library's)
        self.lost += 1
        if not self._failing:
            self._failing = True
            log.warning("audit.write_failed", extra={"file": self.baseFilename, "error": repr(sys.exc_info()[1])})


def _line(event: Event) -> str:
    return json.dumps({name: value for name, value in dataclasses.asdict(event).items() if value != ""})
