"""What changed in what is served, written down for people: every service by name on a quiet day, counts in a storm."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.diff import Diff
from bridge.model import Endpoint, EndpointKey, ServiceName

log = logging.getLogger(__name__)

LINES = 20
"""Services that get a line of their own in each period."""

PERIOD = 60.0
"""Seconds. What happens beyond the lines of a period is counted, and said in one line at its end."""

NAMED = 20
"""Endpoints that are named in a line."""

EndpointChanges = Diff[EndpointKey, Endpoint]


@dataclass(slots=True)
class _Period:
    """What was said, and what was only counted, since the period began."""

    lines: int = 0
    services: set[ServiceName] = field(default_factory=set)
    added: int = 0
    changed: int = 0
    removed: int = 0


class ChangeLog:
    """Logs changes of endpoints at a bounded rate, without losing count of any."""

    def __init__(self, period: float = PERIOD) -> None:
        self._length = period
        self._period: _Period | None = None

    def tell(self, changes: Mapping[ServiceName, EndpointChanges]) -> None:
        """Log the changes of one publication. Called on the event loop."""
        period = self._period
        if period is None:
            period = self._period = _Period()
            asyncio.get_running_loop().call_later(self._length, self._end)
        if period.lines + len(changes) > LINES:
            _count(period, changes)
            return
        period.lines += len(changes)
        for service, diff in sorted(changes.items()):
            log.info("service.changed", extra={"service": service, **_described(diff)})

    def _end(self) -> None:
        period, self._period = self._period, None
        if period is None or not period.services:
            return
        counts = {"added": period.added, "changed": period.changed, "removed": period.removed}
        log.info("services.changed", extra={"services": len(period.services), "within": self._length, **counts})


def _count(period: _Period, changes: Mapping[ServiceName, EndpointChanges]) -> None:
    period.services |= changes.keys()
    for diff in changes.values():
        period.added += len(diff.added)
        period.changed += len(diff.changed)
        period.removed += len(diff.removed)


def _described(diff: EndpointChanges) -> dict[str, list[str]]:
    changed = [f"{key} {endpoint.health.value}" for key, endpoint in sorted(diff.changed.items())]
    return {
        "added": [str(key) for key in sorted(diff.added)][:NAMED],
        "changed": changed[:NAMED],
        "removed": [str(key) for key in sorted(diff.removed)][:NAMED],
    }
