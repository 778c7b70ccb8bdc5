"""The policy `first`: one source alone is served, the first that can take requests."""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.merge.model import (
    AVAILABLE,
    Candidate,
    Outcome,
    Policy,
    Report,
    Return,
    Ruling,
    ServedEndpoint,
)
from bridge.merge.precedence import by_address, ranks
from bridge.model import Health, SourceName


@dataclass(frozen=True, slots=True)
class First:
    """Serves the first source that has an available endpoint (a `MergePolicy`).

    It leaves a source at once when nothing of it is available, and goes back to an earlier one when that has been
    available for `return_after` seconds without a break. While nothing is available anywhere, it stays where it is.
    """

    return_after: float

    def __call__(self, reports: Sequence[Report], before: Ruling | None = None, now: float = 0.0) -> Outcome:
        """The endpoints of one source."""
        candidates = _candidates(reports)
        available = [each.source for each in candidates if each.available]
        before = before or Ruling(Policy.FIRST)
        chosen, returning = before.chosen, tuple[Return, ...]()
        if chosen is None or chosen not in available:
            chosen = available[0] if available else _last_resort(reports, chosen)
        else:
            returning = self._returning(available[: available.index(chosen)], before, now)
            chosen, returning = _returned(chosen, returning, now)
        ruling = Ruling(Policy.FIRST, candidates=candidates, chosen=chosen, returning=returning)
        return Outcome(_endpoints(reports, chosen), ruling)

    def _returning(self, earlier: Sequence[SourceName], before: Ruling, now: float) -> tuple[Return, ...]:
        known = {each.source: each for each in before.returning}
        return tuple(known.get(source) or Return(source, now + self.return_after) for source in earlier)


def _returned(chosen: SourceName, returning: tuple[Return, ...], now: float) -> tuple[SourceName, tuple[Return, ...]]:
    """The first source whose time has come, else the one that was chosen; and those that still go before it."""
    for place, each in enumerate(returning):
        if each.due <= now:
            return each.source, returning[:place]
    return chosen, returning


def _candidates(reports: Sequence[Report]) -> tuple[Candidate, ...]:
    every, available = _addresses(reports), _addresses([each for each in reports if each.endpoint.health in AVAILABLE])
    return tuple(Candidate(source, len(every[source]), len(available.get(source, ()))) for source in every)


def _addresses(reports: Sequence[Report]) -> dict[SourceName, set[tuple[str, int]]]:
    found: dict[SourceName, set[tuple[str, int]]] = {}
    for report in reports:
        found.setdefault(report.origin.role, set()).add((report.endpoint.address, report.endpoint.port))
    return found


def _last_resort(reports: Sequence[Report], chosen: SourceName | None) -> SourceName | None:
    """Whom to serve while nobody can take requests: who was served, else who is not about to go, else anybody."""
    staying = [each.origin.role for each in reports if each.endpoint.health is not Health.DRAINING]
    sources = [each.origin.role for each in reports]
    return chosen if chosen in sources else next(iter([*staying, *sources]), None)


def _endpoints(reports: Sequence[Report], chosen: SourceName | None) -> tuple[ServedEndpoint, ...]:
    """Those of the chosen source. Who else reports one of their addresses is remembered and not believed."""
    keys = {report.endpoint.key for report in reports if report.origin.role == chosen}
    rank = {source: place + (source != chosen) * len(reports) for source, place in ranks(reports).items()}
    return by_address([report for report in reports if report.endpoint.key in keys], rank)
