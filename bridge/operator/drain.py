"""What an operator drains: endpoints that get no new requests for a while, whatever their sources say of them."""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bridge.merge import Report
from bridge.model import EndpointKey, Health, ServiceName, canonical_address

log = logging.getLogger(__name__)

_KEY = re.compile(r"(\[(?P<v6>[^\[\]]*:[^\[\]]*)\]|(?P<v4>[0-9.]+)):(?P<port>[0-9]{1,5})", re.ASCII)

Target = ServiceName | EndpointKey
"""A service with all its endpoints, or an address and port in every service."""


@dataclass(frozen=True, slots=True)
class Drain:
    """That something is drained."""

    target: Target
    until: float
    """Unix time; what counts in a process is how long it takes until then."""
    by: str
    """Who asked for it, for people."""


class Drains:
    """The drains in force, and what they make of a service. Touched on the event loop only."""

    def __init__(self, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        """Drain nothing.

        Args:
            clock: Unix time, by which deadlines outlast the process.
            monotonic: seconds, by which they are kept.
        """
        self._clock = clock
        self._monotonic = monotonic
        self._drains: dict[Target, tuple[Drain, float]] = {}
        """With the moment at which each ends, by the monotonic clock."""

    def start(self, target: Target, length: float, by: str) -> Drain:
        """Drain something for so many seconds from now on; a drain that it has is replaced."""
        drain = Drain(target, self._clock() + length, by)
        self._drains[target] = (drain, self._monotonic() + length)
        return drain

    def stop(self, target: Target) -> Drain:
        """End a drain that there is."""
        drain, _ = self._drains.pop(target)
        return drain

    def restore(self, drains: Iterable[Drain]) -> None:
        """Go on with the drains of an earlier process."""
        for drain in drains:
            self._drains[drain.target] = (drain, self._monotonic() + drain.until - self._clock())

    def expire(self) -> tuple[Drain, ...]:
        """End what is over; returns which."""
        now = self._monotonic()
        over = [drain for drain, ends in self._drains.values() if ends <= now]
        for drain in over:
            del self._drains[drain.target]
            log.info("drain.expired", extra={"target": str(drain.target), "by": drain.by})
        return tuple(over)

    def all(self) -> tuple[Drain, ...]:
        """Every drain, sorted by what is drained."""
        return tuple(sorted((drain for drain, _ in self._drains.values()), key=lambda drain: str(drain.target)))

    def amend(self, service: ServiceName, reports: Sequence[Report]) -> Sequence[Report]:
        """Reports about a service as they are to be merged: what is drained is DRAINING, whatever its source says."""
        if not self._drains:
            return reports
        if service in self._drains:
            return [_draining(report) for report in reports]
        return [_draining(report) if report.endpoint.key in self._drains else report for report in reports]


def parse_key(text: str) -> EndpointKey | None:
    """Read `10.0.0.1:80` or `[fd00::1]:80`; None when it is something else."""
    found = _KEY.fullmatch(text)
    if not found or not 1 <= int(found["port"]) <= 65535:
        return None
    try:
        return EndpointKey(canonical_address(found["v6"] or found["v4"]), int(found["port"]))
    except ValueError:
        return None


def _draining(report: Report) -> Report:
    endpoint = report.endpoint
    if endpoint.health is Health.DRAINING:
        return report  # the source says so too
    return replace(report, endpoint=replace(endpoint, health=Health.DRAINING), reported=endpoint.health)
