"""Which addresses have moved from one service to another: what is kept of the old one must not take its traffic.

An address that two services have had for long is no move, and says nothing when one of them goes missing.
"""

from collections.abc import Iterable

from bridge.clock import Moment
from bridge.guard import WINDOW
from bridge.model import EndpointKey, ServiceName, SourceName
from bridge.registry.part import Kept, Part
from bridge.registry.sink import Place

Keeper = tuple[Place, ServiceName]

_LATER = 1.0
"""Seconds by which an address must have come later to have moved: one read may name two services at it."""


class Moves:
    """Knows who keeps an address, and which service was given one of late."""

    def __init__(self) -> None:
        self._keepers: dict[EndpointKey, set[Keeper]] = {}
        self._arrivals: dict[EndpointKey, tuple[Keeper, Moment]] = {}
        self._contested: set[EndpointKey] = set()
        """Addresses that one keeps and another was given, or was once."""

    def keep(self, keeper: Keeper, part: Part) -> None:
        """Take note of what a part keeps now."""
        for key, _ in part.kept:
            self._keepers.setdefault(key, set()).add(keeper)
            if key in self._arrivals and self._arrivals[key][0] != keeper:
                self._contested.add(key)

    def unkeep(self, keeper: Keeper, part: Part) -> None:
        """Forget what a part keeps, before it changes."""
        for key, _ in part.kept:
            keepers = self._keepers.get(key, set())
            keepers.discard(keeper)
            if not keepers:
                self._keepers.pop(key, None)

    def arrive(self, keeper: Keeper, keys: Iterable[EndpointKey], now: Moment) -> set[Keeper]:
        """Take note of addresses that a part was given; returns the other parts that keep one of them."""
        others: set[Keeper] = set()
        for key in keys:
            self._arrivals.pop(key, None)  # so that the oldest stay in front
            self._arrivals[key] = (keeper, now)
            if key in self._keepers:
                self._contested.add(key)
            others |= {other for other in self._keepers.get(key, ()) if _same_address(keeper, other)}
        self._forget(now)
        return others - {keeper}

    def suspects(self, source: SourceName) -> set[Keeper]:
        """The parts of a source that keep an address which somebody was given of late."""
        self._contested = {key for key in self._contested if key in self._arrivals and key in self._keepers}
        return {keeper for key in self._contested for keeper in self._keepers[key] if keeper[0][0] == source}

    def owner(self, keeper: Keeper, kept: Kept) -> Keeper | None:
        """Who was given the address after this part had it; None if nobody was, or one read gave it to both."""
        found = self._arrivals.get(kept.endpoint.key)
        if found is None:
            return None
        arrived, at = found
        later = at.monotonic - kept.since.monotonic >= _LATER
        return arrived if arrived != keeper and _same_address(keeper, arrived) and later else None

    def _forget(self, now: Moment) -> None:
        while self._arrivals:
            key = next(iter(self._arrivals))
            if self._arrivals[key][1].monotonic >= now.monotonic - WINDOW:
                return
            del self._arrivals[key]


def _same_address(one: Keeper, other: Keeper) -> bool:
    """Whether an address that one has cannot be the other's: it serves another service, or one source names it twice.

    Two sources may well name one address of one service.
    """
    (place, service), (other_place, other_service) = one, other
    return service != other_service or place[0] == other_place[0]
