"""What changed in what is served, written down for people: every service by name on a quiet day, counts in a storm."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.diff import Diff
from bridge.merge import Ruling
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
        period = self._current()
        if period.lines + len(changes) > LINES:
            _count(period, changes)
            return
        period.lines += len(changes)
        for service, diff in sorted(changes.items()):
            log.info("service.changed", extra={"service": service, **_described(diff)})

    def tell_rulings(self, rulings: Mapping[ServiceName, Ruling]) -> None:
        """Log which services get their requests from other sources than before. Called on the event loop.

        In a storm these services are counted as changed; which they are is in the API, and how many in the metrics.
        """
        period = self._current()
        if period.lines + len(rulings) > LINES:
            period.services |= rulings.keys()
            return
        period.lines += len(rulings)
        for service, ruling in sorted(rulings.items()):
            log.info("service.sources_changed", extra={"service": service, **_ruled(ruling)})

    def _current(self) -> _Period:
        if self._period is None:
            self._period = _Period()
            asyncio.get_running_loop().call_later(self._length, self._end)
        return self._period

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


def _ruled(ruling: Ruling) -> dict[str, object]:
    said: dict[str, object] = {"policy": ruling.policy.value}
    if ruling.shares:
        said["weights_in_force"] = {share.source: share.in_force for share in ruling.shares}
    return said if ruling.chosen is None else {**said, "chosen": ruling.chosen}


def _described(diff: EndpointChanges) -> dict[str, list[str]]:
    changed = [f"{key} {endpoint.health.value}" for key, endpoint in sorted(diff.changed.items())]
    return {
        "added": [str(key) for key in sorted(diff.added)][:NAMED],
        "changed": changed[:NAMED],
        "removed": [str(key) for key in sorted(diff.removed)][:NAMED],
    }
