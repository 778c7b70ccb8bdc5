"""Sources that stand in for others: a policy takes each and the one that it stands in for as one source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.merge.model import MergePolicy, Outcome, Report, Ruling
from bridge.model import SourceName


@dataclass(frozen=True, slots=True)
class StandIn:
    """Has a policy see some sources in the roles of others (a `MergePolicy`)."""

    policy: MergePolicy
    roles: Mapping[SourceName, SourceName]
    """The sources that stand in, each with the one whose place and share it has."""

    def __call__(self, reports: Sequence[Report], before: Ruling | None = None, now: float = 0.0) -> Outcome:
        """What the policy makes of it; its ruling names roles."""
        return self.policy([self._cast(report) for report in reports], before and self._recast(before), now)

    def _cast(self, report: Report) -> Report:
        role = self.roles.get(report.origin.source)
        return replace(report, origin=replace(report.origin, stands_for=role)) if role else report

    def _recast(self, before: Ruling) -> Ruling:
        """What was decided when the sources stood for themselves."""
        returning = tuple(replace(each, source=self._role(each.source)) for each in before.returning)
        return replace(before, chosen=before.chosen and self._role(before.chosen), returning=returning)

    def _role(self, source: SourceName) -> SourceName:
        return self.roles.get(source, source)
