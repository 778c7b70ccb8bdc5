"""The one place that configures logging: standard error, one record per line, in the form its reader expects.

Fields come by `extra=`; no value can start a new line or move a terminal's cursor.
"""

import json
import logging
import math
import os
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import TextIO

from bridge.config import LogFormat, LogLevel
from bridge.wording import printable

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_KEYS = frozenset({"time", "level", "logger", "event", "exception"})
_TALKATIVE = ("grpc", "apscheduler", "aiohttp", "consul", "boto3", "botocore", "urllib3", "asyncio")
_REPEATING = ("botocore.credentials",)
"""Libraries that warn, with a traceback each time, of what they raise as well."""

_COLOURS = {logging.DEBUG: "2", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "1;31"}
# syslog(3); systemd reads them as `<N>` at the start of a line, sd-daemon(3)
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def configure(log_format: LogFormat, level: LogLevel, stream: TextIO, environ: Mapping[str, str]) -> None:
    """Send every record of this process to `stream`; whatever was configured before is replaced.

    Args:
        log_format: how records are written; `auto` asks `stream` and `environ`.
        level: the least severe level, except for libraries, which speak from WARNING.
        stream: standard error.
        environ: systemd says there that it reads `stream` (`JOURNAL_STREAM`, systemd.exec(5)).
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(log_format, stream, environ))
    logging.basicConfig(handlers=[handler], force=True)
    logging.captureWarnings(True)  # noqa: FBT003 (the library takes it by position only)
    set_level(level)
    for name in _REPEATING:
        logging.getLogger(name).setLevel(logging.ERROR)


def set_level(level: LogLevel) -> None:
    """Write what is of this level or more severe from now on."""
    logging.getLogger().setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


def formatter(log_format: LogFormat, stream: TextIO, environ: Mapping[str, str]) -> logging.Formatter:
    """The formatter that a format stands for on this stream."""
    if log_format is LogFormat.AUTO:
        log_format = _detected(stream, environ)
    if log_format is LogFormat.JOURNAL:
        return JournalFormatter()
    if log_format is LogFormat.CONSOLE:
        return ConsoleFormatter(colour=stream.isatty() and "NO_COLOR" not in environ)
    return JsonFormatter()


def _detected(stream: TextIO, environ: Mapping[str, str]) -> LogFormat:
    if _is_journal(stream, environ):
        return LogFormat.JOURNAL
    return LogFormat.CONSOLE if stream.isatty() else LogFormat.JSON


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    # The variable is inherited by processes whose streams are redirected, so it names device and inode to compare.
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or not a file at all
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class JsonFormatter(logging.Formatter):
    """One object per line: `time`, `level`, `logger`, `event`, then the fields, and `exception` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record. ASCII alone, so nothing in it can break a line or a terminal."""
        line: dict[str, object] = {
            "time": _time(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        for key, value in _fields(record):
            line[f"{key}_" if key in _KEYS else key] = _plain(value)
        if exception := _exception(record):
            line["exception"] = exception
        return json.dumps(line, ensure_ascii=True)


class ConsoleFormatter(logging.Formatter):
    """Time, level, event and fields for people; colour where it is wanted."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record; a traceback follows on lines that begin with a bar."""
        level = f"{record.levelname:<8}"
        if self._colour and (code := _COLOURS.get(record.levelno)):
            level = f"\x1b[{code}m{level}\x1b[0m"
        return "\n".join([f"{_time(record):%H:%M:%S.%f}"[:12] + f" {level} {_text(record)}", *_trace(record)])


class JournalFormatter(logging.Formatter):
    """Event and fields with the priority that the journal understands; it adds the time itself."""

    def format(self, record: logging.LogRecord) -> str:
        """The lines of a record, each with the priority, because the journal takes each for a message of its own."""
        priority = next(
            (_PRIORITIES[level] for level in sorted(_PRIORITIES, reverse=True) if record.levelno >= level), 7
        )
        lines = [f"{_text(record)} logger={record.name}", *_trace(record)]
        return "\n".join(f"<{priority}>{line}" for line in lines)


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _text(record: logging.LogRecord) -> str:
    fields = (f"{key}={_quoted(value)}" for key, value in _fields(record))
    return " ".join([printable(record.getMessage()), *fields])


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    return ((key, value) for key, value in vars(record).items() if key not in _STANDARD)


def _exception(record: logging.LogRecord) -> str:
    if record.exc_info and record.exc_info[0]:
        return "".join(traceback.format_exception(*record.exc_info)).rstrip()
    return record.exc_text or ""


def _trace(record: logging.LogRecord) -> list[str]:
    return [f"  | {printable(line)}" for line in _exception(record).split("\n") if line]


def _quoted(value: object) -> str:
    plain = _plain(value)
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    quote = isinstance(plain, str) and (not text or any(character in text for character in ' "='))
    return printable(json.dumps(text, ensure_ascii=False) if quote else text)


def _plain(value: object) -> object:
    """What JSON can say of a value; sets are sorted, so that equal records are equal lines."""
    match value:
        case Enum():
            return _plain(value.value)
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case set() | frozenset() | list() | tuple():
            items = [_plain(item) for item in value]
            return sorted(items, key=str) if isinstance(value, set | frozenset) else items
    return str(value)
