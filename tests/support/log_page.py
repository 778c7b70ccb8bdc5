"""The page of log events as data, and a log held against it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/log-events.md"

OURS = ("bridge", "adapters")
"""Whose loggers the page is about; libraries say what they like."""

_ROW = re.compile(r"\| `(?P<name>[a-z0-9_.]+)` \| (?P<levels>[a-z, ]+) \| (?P<fields>[^|]*)\| (?P<meaning>[^|]+) \|")
_EVERY = frozenset({"time", "level", "logger", "event", "exception"})


@dataclass(frozen=True)
class LogEvent:
    levels: frozenset[str]
    fields: frozenset[str]


@cache
def documented() -> Mapping[str, LogEvent]:
    """Every event of the page by its name.

    A row that cannot be read fails the test.
    """
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    events: dict[str, LogEvent] = {}
    for row in rows:
        found = _ROW.fullmatch(row)
        assert found, f"{PAGE.name}: not a row of an event: {row}"
        assert found["name"] not in events, f"{PAGE.name}: {found['name']} is there twice"
        fields = frozenset(re.findall(r"`(\w+)`", found["fields"]))
        events[found["name"]] = LogEvent(frozenset(found["levels"].split(", ")), fields)
    return events


def undocumented(log: str) -> list[str]:
    """What the lines of a log in JSON say that is not on the page: an event, its level, or a field."""
    return [fault for line in log.splitlines() if line.startswith("{") for fault in _faults(json.loads(line))]


def _faults(record: Mapping[str, object]) -> Iterator[str]:
    name, level = str(record["event"]), str(record["level"])
    if not str(record["logger"]).startswith(OURS):
        return
    if name not in documented():
        yield name
        return
    event = documented()[name]
    if level not in event.levels:
        yield f"{name}: level {level}"
    yield from (f"{name}: field {field}" for field in sorted(record.keys() - event.fields - _EVERY))
