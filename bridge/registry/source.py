"""What one source contributes: counts that are kept as it changes, and what the guard makes of its losses."""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.clock import Moment
from bridge.guard import GuardRules, Reason, SourceGuard
from bridge.model import Endpoint, Entry, Health, Scope, ServiceName, SourceName
from bridge.registry.part import Kept, Part

log = logging.getLogger(__name__)

NAMED = 10
"""Services that are named in a line of the log."""

STEADY = 60.0
"""Seconds for which nothing of a source that was blind may be missing until its absences mean something at once."""


@dataclass(frozen=True, slots=True)
class SourceStatistics:
    """What one source contributes, before sources are merged."""

    services: int
    endpoints: Mapping[Health, int]
    """Those that it reports; without those that are kept."""
    set_aside: int
    held: int = 0
    """Endpoints that it no longer reports and that the guard does not let go."""
    restored: int = 0
    """Endpoints that are known from an earlier process and that it has not been asked about yet."""
    trips: Mapping[Reason, int] = field(default_factory=dict)
    """How often holding began, by the reason for which it did."""

    @property
    def served(self) -> int:
        """All that is served because of it."""
        return sum(self.endpoints.values()) + self.held + self.restored


@dataclass(frozen=True, slots=True)
class Hold:
    """That, and why, endpoints of a source are held."""

    source: SourceName
    reason: Reason
    detail: str
    """What the source said, when it is its own doubt."""
    since: float
    """Unix time at which the first of them went missing."""
    endpoints: int
    services: tuple[ServiceName, ...]
    """Sorted."""
    until: float | None = None
    """Unix time at which the first of them may be believed to be gone and go, if reads go on saying so; None where time
    alone lets nothing go."""


class _Missing(NamedTuple):
    """Of the kept endpoints of a part."""

    all: int
    """Those that complete reads lack."""
    emptied: int
    """Those of them that went when the source had nothing any more."""


class _Doubt(NamedTuple):
    """That absences mean nothing."""

    reason: str
    lost: bool
    """Whether data seems to be lost."""


class Source:
    """The counts and the guard of one source."""

    def __init__(self, name: SourceName, rank: int, rules: GuardRules, *, allow_empty: bool) -> None:
        self.name = name
        self.rank = rank
        self.guard = SourceGuard(rules, allow_empty=allow_empty)
        self.scopes: dict[Scope, set[ServiceName]] = {}
        self.keeping: dict[tuple[Scope, ServiceName], _Missing] = {}
        """The parts with kept endpoints."""
        self.untold: set[tuple[Scope, ServiceName]] = set()
        """The parts without endpoints that it named before it came to be read otherwise, and has not named since."""
        self.missing = 0
        self.reasons: frozenset[Reason] = frozenset()
        """Why something of what is missing is held, where there is no doubt that holds it anyway."""
        self.recalled = False
        """Whether something of it was known from an earlier process."""
        self.spoken = True
        """Whether it has told of everything it has since then."""
        self.trusted_since = -math.inf
        """Monotonic seconds from which on its absences mean something, without a gap."""
        self.whole_since = math.inf
        """Monotonic seconds from which on nothing of it was missing or in doubt, without a gap."""
        self.paused = False
        """Whether what it says goes elsewhere, so that nothing of it is to be judged."""
        self._blank = False
        """Whether it had nothing any more when its losses were last judged."""
        self._doubts: dict[Scope | None, _Doubt] = {}
        self._services: Counter[ServiceName] = Counter()
        self._tally: Counter[Health | None] = Counter()
        self._kept = 0
        self._emptied = 0
        self._trips: Counter[Reason] = Counter()

    @property
    def restored(self) -> int:
        """Endpoints that it has not been asked about yet."""
        return self._kept - self.missing

    @property
    def reported(self) -> int:
        """Endpoints that it reports."""
        return self._tally.total() - self._tally[None]

    @property
    def statistics(self) -> SourceStatistics:
        """The counts of now."""
        healths = {health: self._tally[health] for health in Health if self._tally[health]}
        services, trips = len(self._services), dict(self._trips)
        return SourceStatistics(services, healths, self._tally[None], self.missing, self.restored, trips)

    def join(self, scope: Scope, service: ServiceName) -> None:
        """Count a part that is new."""
        self.scopes.setdefault(scope, set()).add(service)
        self._services[service] += 1

    def leave(self, scope: Scope, service: ServiceName) -> None:
        """Stop counting a part that holds nothing any more."""
        self.keeping.pop((scope, service), None)
        self.untold.discard((scope, service))
        self._services -= Counter([service])
        names = self.scopes[scope]
        names.discard(service)
        if not names:
            del self.scopes[scope]

    def count(self, scope: Scope, service: ServiceName, part: Part) -> None:
        """Count what is in a part."""
        self._tally.update(map(_kind, part.entries))
        if part.kept:
            missing = self.keeping[scope, service] = _Missing(part.missing, part.emptied)
            self._kept += len(part.kept)
            self.missing += missing.all
            self._emptied += missing.emptied

    def discount(self, scope: Scope, service: ServiceName, part: Part) -> None:
        """Take what is in a part out of the counts, before it changes."""
        self._tally.subtract(map(_kind, part.entries))
        if part.kept:
            missing = self.keeping.pop((scope, service))
            self._kept -= len(part.kept)
            self.missing -= missing.all
            self._emptied -= missing.emptied

    def undecided(self, scope: Scope | None = None) -> Iterator[tuple[Scope, ServiceName]]:
        """The parts, of one scope or all, that lack something which did not go when the source had nothing any more."""
        places = self.keeping if scope is None else ((scope, service) for service in self.scopes.get(scope, ()))
        found = ((place, self.keeping[place]) for place in places if place in self.keeping)
        return (place for place, missing in found if missing.all > missing.emptied)

    def held(self) -> Counter[Reason | None]:
        """How much is missing, by what holds it without regard to the rest; None is what has to be judged."""
        held: Counter[Reason | None] = Counter()
        for (scope, _), missing in self.keeping.items() if self.missing else ():
            emptied = 0 if self.guard.believes_emptiness else missing.emptied
            held[Reason.EMPTIED] += emptied
            held[Reason.DOUBT if self.doubted(scope) else None] += missing.all - emptied
        return held

    def suspend(self, now: Moment) -> None:
        """It is to be read otherwise: nothing that was said of absences holds, and a read is a first one again.

        If it was blind, in doubt or without anything, its absences have to mean something for as long as after that.
        """
        if self._doubts or self._blank:
            self.trusted_since = now.monotonic
        self._doubts.clear()
        self.guard.mistrust()
        self.spoken = False
        self._released(self.reasons - {Reason.EMPTIED}, "it is read anew")
        self.reasons &= {Reason.EMPTIED}

    @property
    def loses(self) -> bool:
        """Whether it seems to have lost data somewhere."""
        return any(doubt.lost for doubt in self._doubts.values())

    def lost(self, scope: Scope) -> bool:
        """Whether it seems to have lost the data of a scope."""
        return any(self._doubts[each].lost for each in (None, scope) if each in self._doubts)

    @property
    def _alive(self) -> int:
        """Endpoints by which losses are measured: those that are served because of it, but what may be long dead."""
        return self.reported + self._kept - self._dead

    @property
    def _dead(self) -> int:
        """Endpoints that may be long dead: they went when the source had nothing any more."""
        return 0 if self.guard.believes_emptiness else self._emptied

    def excuse(self, gone: Iterable[Kept], now: Moment | None = None) -> None:
        """Do not count endpoints as lost: each has ended, has moved, or its loss was believed.

        Args:
            gone: those that are no longer kept. What may be long dead was no measure, so it is none to be taken back.
            now: when they ended, if they did only this moment and may never have been counted.
        """
        alive = [kept.since.monotonic for kept in gone if not kept.emptied or self.guard.believes_emptiness]
        if now:
            self.observe(now, ended=len(alive))
        self.guard.excuse(alive)

    def doubt(self, scope: Scope | None, reason: str, now: Moment, *, lost: bool) -> None:
        """Have absences there mean nothing while there is a reason, and for some time after."""
        if reason and not lost and all(doubt.lost for doubt in self._doubts.values()):
            self._trips[Reason.DOUBT] += 1  # what is lost is held for that
        if reason and not self._doubts:
            log.warning("source.doubted", extra={"source": self.name, "detail": reason})
        if reason:
            self._doubts[scope] = _Doubt(reason, lost or (scope in self._doubts and self._doubts[scope].lost))
            self.whole_since = math.inf
        elif self._doubts.pop(scope, None):
            self.trusted_since = now.monotonic
            if not self._doubts:
                log.info("source.trusted", extra={"source": self.name})

    def doubted(self, scope: Scope) -> str:
        """Why absences in a scope mean nothing; empty while they do."""
        doubt = self._doubts.get(None) or self._doubts.get(scope)
        return doubt.reason if doubt else ""

    def verdict(self, undecided: int, release_after: float, now: Moment) -> Reason | None:
        """Whether what is missing has to be held.

        Args:
            undecided: how much of it no doubt holds, and did not go when the source had nothing any more.
            release_after: seconds for which its absences have to mean something before they are believed.
            now: of the judgement.
        """
        if not undecided:
            return None
        remaining = self._alive - undecided
        empty, beside = not self.reported + self.restored, self._dead
        reason = self.guard.verdict(remaining, now.monotonic, empty=empty, beside=beside)
        # The first to return to an emptied source must not take the others with it; nor when a doubt has just ended.
        # Once all of it was there for a while, who goes was seen to go.
        late = self.trusted_since > now.monotonic - release_after and self.whole_since > now.monotonic - STEADY
        blind = late or self._blank or not self.spoken
        return Reason.LOSS if reason is None and blind else reason

    def decided(self, now: Moment) -> None:
        """Take note that an operator let go of what was missing: from now on losses are counted anew."""
        self._doubts.clear()
        self.trusted_since = -math.inf
        self.guard.restart(self._alive, len(self._services))
        self.settle(Counter(), now, "an operator released it")

    def observe(self, now: Moment, ended: int = 0) -> None:
        """Take note of what is served now, with what has ended only this moment.

        What went when the source had nothing any more is no measure: it may never return.
        """
        self.guard.observe(self._alive + ended, len(self._services), now.monotonic, reported=self.reported > 0)

    def settle(self, held: Counter[Reason | None], now: Moment, why: str) -> None:
        """Take note of what is served now, and log once when holding begins, has one more reason, or ends.

        Args:
            held: how much is missing and not let go (`held`).
            now: when it was judged.
            why: what ended the holding, if it has ended.
        """
        self.observe(now)
        if self.missing > held[Reason.EMPTIED] or self._doubts or not self.spoken:
            self.whole_since = math.inf
        elif self.whole_since == math.inf:
            self.whole_since = now.monotonic
        counts = {Reason.EMPTIED: held[Reason.EMPTIED], Reason.LOSS: held[None]}
        blank, self._blank = self._blank, counts[Reason.EMPTIED] > 0 and not self.reported + self.restored
        if blank and not self._blank:
            self.trusted_since = now.monotonic
        before, self.reasons = self.reasons, frozenset(reason for reason, count in counts.items() if count)
        fresh = self.reasons - before
        if self._blank and not blank:
            fresh |= {Reason.EMPTIED}  # once more, although some of it is held for that since earlier
        for reason in sorted(fresh):
            self._hold(reason, counts[reason])
        self._released(before - self.reasons, "what is missing is held for another reason now" if fresh else why)

    def _hold(self, reason: Reason, endpoints: int) -> None:
        self._trips[reason] += 1
        counts = (
            (service, found.emptied if reason is Reason.EMPTIED else found.all - found.emptied)
            for (_, service), found in self.keeping.items()
        )
        services = sorted({service for service, count in counts if count})
        fields = {"source": self.name, "reason": reason, "endpoints": endpoints, "reported": self.reported}
        log.warning("guard.held", extra={**fields, "services": services[:NAMED]})

    def _released(self, reasons: frozenset[Reason], why: str) -> None:
        for reason in sorted(reasons):
            log.info("guard.released", extra={"source": self.name, "reason": reason, "because": why})


def _kind(entry: Entry) -> Health | None:
    """What an entry is counted as: an endpoint by its health, one that is set aside as None."""
    return entry.health if isinstance(entry, Endpoint) else None
