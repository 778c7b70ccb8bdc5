"""What becomes of endpoints that go missing: they are let go, or held until something is decided about them."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from bridge.clock import Moment
from bridge.guard import Reason
from bridge.model import Scope, ServiceName, SourceName
from bridge.registry.moves import Keeper
from bridge.registry.part import Identity, Kept
from bridge.registry.parts import Parts
from bridge.registry.source import Hold, Source

NOT_HELD = "reads no longer show it, and the source has lost no more than it may"
AGREED = "reads no longer show it, and every one since has agreed for long enough"

WHY: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.LOSS: "reads no longer show it, nor too many others of the source",
        Reason.EMPTIED: "it went when the source, or its registry, had lost everything",
    }
)

_Told = Mapping[Keeper, Mapping[Identity, Kept]]


class Holding:
    """Has the guard of each source judge what is missing, and does what it says."""

    def __init__(self, parts: Parts, release_after: float) -> None:
        """Judge the sources of some parts.

        Args:
            parts: where the endpoints are.
            release_after: seconds after which a loss is believed.
        """
        self._parts = parts
        self._release_after = release_after
        self._told: dict[SourceName, _Told] = {}
        """What was kept when it was last written down what of it is held."""

    def configure(self, release_after: float) -> None:
        """Believe losses after another time."""
        self._release_after = release_after

    def forget(self, source: Source) -> None:
        """There is no such source any more."""
        self._told.pop(source.name, None)

    def judge_all(self) -> None:
        """Judge every source of which something has changed: all that went missing meanwhile counts together.

        One that is paused is judged when it is resumed.
        """
        for source in [self._parts.sources[name] for name in self._parts.unjudged]:
            if not source.paused:
                self.judge(source)

    def begin(self, source: Source, *, blind: bool) -> None:
        """Measure later losses of a source by what is restored of it; what of that was held before still is.

        Args:
            source: of which something is restored.
            blind: whether some of it is held in doubt: that cannot be restored, so its absences have to mean something
                for as long as those of a source that was in doubt.
        """
        now = self._parts.clocks.now()
        source.recalled, source.spoken = True, False
        source.observe(now)
        if blind:
            source.trusted_since = now.monotonic
        held = [kept.missing.monotonic for _, kept in self._parts.kept(source) if kept.missing]
        if held:
            source.trusted_since = max(source.trusted_since, min(held))
        self.judge(source)

    def judge(self, source: Source) -> None:
        """Decide about what is missing of a source: it goes, or it is held."""
        now = self._parts.clocks.now()
        if source.loses:
            self._empty(source, source.lost)
        undecided = source.held()[None]
        why = "what is missing is no more than may go" if undecided else "it has all returned"
        reason = source.verdict(undecided, self._release_after, now)
        if reason is Reason.EMPTIED:
            self._empty(source, lambda scope: not source.doubted(scope))
        elif undecided and reason is None:
            self._parts.drop(source, partial(_undecided, source), NOT_HELD)
        if source.missing:
            self._parts.drop_moved(source)
        self._write_down(source)
        source.settle(source.held(), now, why)
        self._parts.unjudged.pop(source.name, None)

    def doubt(self, source: Source, scope: Scope | None, reason: str, *, lost: bool) -> None:
        """Have absences mean nothing while there is a reason for that; judged with the next publication."""
        if not reason:  # what was lost and has not returned yet has to be known before that is over
            self._empty(source, source.lost, scope)
        source.doubt(scope, reason, self._parts.clocks.now(), lost=lost)
        self._parts.unjudged[source.name] = None

    def spoken(self, source: Source) -> None:
        """Take what is restored and was not told of for missing: the source has told of everything it has."""
        for scope, service in sorted(source.untold):
            self._parts.discard((source.name, scope), service)
        source.spoken = True
        self._parts.unjudged[source.name] = None
        if not source.restored:
            return
        now = self._parts.clocks.now()
        for keeper in sorted(self._parts.keepers(source)):
            with self._parts.changing(keeper) as part:
                part.miss(now)

    def release(self, source: Source) -> int:
        """Let go of all that is missing, because an operator says so; returns how many endpoints that are."""
        released = self._parts.drop(source, lambda _, kept: kept.missing is not None, "an operator released it")
        source.decided(self._parts.clocks.now())
        return released

    def believe(self, agreed: Callable[[SourceName], bool]) -> None:
        """Let go of what has been missing for long enough, of sources that have agreed all the time."""
        self.judge_all()
        for name, source in self._parts.sources.items():
            if Reason.LOSS in source.reasons and source.spoken and not source.paused and agreed(name):
                self._believe(source)

    def holds(self, source: Source) -> tuple[Hold, ...]:
        """What is held of a source, one for each reason."""
        missing: dict[tuple[Reason, str], list[tuple[ServiceName, Moment]]] = {}
        for keeper, kept in self._parts.kept(source):
            (_, scope), service = keeper
            reason = _apart(source, keeper, kept) or (Reason.LOSS if Reason.LOSS in source.reasons else None)
            if kept.missing and reason:  # without one it has yet to be judged
                detail = source.doubted(scope) if reason is Reason.DOUBT else ""
                missing.setdefault((reason, detail), []).append((service, kept.missing))
        return tuple(self._hold(source, *cause, missing[cause]) for cause in sorted(missing))

    def _hold(self, source: Source, reason: Reason, detail: str, missing: list[tuple[ServiceName, Moment]]) -> Hold:
        believed = [
            gone.wall + max(0.0, source.trusted_since - gone.monotonic) + self._release_after for _, gone in missing
        ]
        return Hold(
            source=source.name,
            reason=reason,
            detail=detail,
            since=min(gone.wall for _, gone in missing),
            endpoints=len(missing),
            services=tuple(sorted({service for service, _ in missing})),
            until=min(believed) if reason is Reason.LOSS and source.spoken else None,
        )

    def _believe(self, source: Source) -> None:
        now = self._parts.clocks.now()
        until = now.monotonic - self._release_after
        if source.trusted_since > until:
            return

        def due(keeper: Keeper, kept: Kept) -> bool:
            return _undecided(source, keeper, kept) and kept.missing is not None and kept.missing.monotonic <= until

        if self._parts.drop(source, due, AGREED, excused=True):
            source.settle(source.held(), now, AGREED)

    def _write_down(self, source: Source) -> None:
        """Have the trail tell of each endpoint once that it is held, and why."""
        before = self._told.pop(source.name, {})
        if not source.missing:
            return
        told = self._told[source.name] = {keeper: self._parts.kept_in(keeper) for keeper in self._parts.keepers(source)}
        for keeper, kept in told.items():
            if kept is not before.get(keeper):
                self._tell_held(source, keeper, kept, before.get(keeper, {}))

    def _tell_held(
        self, source: Source, keeper: Keeper, kept: Mapping[Identity, Kept], before: Mapping[Identity, Kept]
    ) -> None:
        (_, scope), _ = keeper
        for one, each in kept.items():
            if each.missing and not (one in before and before[one].missing):
                reason = _apart(source, keeper, each) or Reason.LOSS
                why = source.doubted(scope) if reason is Reason.DOUBT else WHY[reason]
                self._parts.scribe.held(keeper, each.endpoint, why)

    def _empty(self, source: Source, where: Callable[[Scope], bool], scope: Scope | None = None) -> None:
        """Take note that what is missing in some scopes went when the source had nothing any more.

        Args:
            source: whose.
            where: in which of its scopes.
            scope: the only one to look at; None for all.
        """
        for place, service in sorted(found for found in source.undecided(scope) if where(found[0])):
            with self._parts.changing(((source.name, place), service)) as part:
                part.empty()


def _undecided(source: Source, keeper: Keeper, kept: Kept) -> bool:
    """Whether an endpoint is missing, and nothing holds it without regard to the rest."""
    return kept.missing is not None and _apart(source, keeper, kept) is None


def _apart(source: Source, keeper: Keeper, kept: Kept) -> Reason | None:
    """What holds a missing endpoint without regard to what else is missing; None if that decides."""
    (_, scope), _ = keeper
    if kept.emptied and not source.guard.believes_emptiness:
        return Reason.EMPTIED
    return Reason.DOUBT if source.doubted(scope) else None
