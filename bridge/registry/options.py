"""What the registry is given from outside, beside what sources say: its rules, and what an earlier process knew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.audit import Event
from bridge.guard import UNGUARDED, GuardRules
from bridge.merge import Report
from bridge.model import Scope, ServiceName, SourceName
from bridge.registry.part import Kept


@dataclass(frozen=True, slots=True)
class RestoredPart:
    """What an earlier process knew from one scope of one source about one service."""

    source: SourceName
    scope: Scope
    service: ServiceName
    endpoints: tuple[Kept, ...]


def _as_reported(_service: ServiceName, reports: Sequence[Report]) -> Sequence[Report]:
    return reports


@dataclass(frozen=True, slots=True)
class Options:
    """How careful the registry is with what vanishes, what is laid over all that it knows, and who is told."""

    guard: GuardRules = UNGUARDED
    allow_empty: frozenset[SourceName] = frozenset()
    """Sources whose finding nothing is to be believed."""
    retention: float = 0.0
    """Seconds for which a service stays, empty, after its last report: static routes may still name its cluster."""
    amend: Callable[[ServiceName, Sequence[Report]], Sequence[Report]] = _as_reported
    """What becomes of the reports about a service before they are merged, such as an operator's drains; see `touch`."""
    record: Callable[[Event], None] = lambda _: None
    """Takes what happens to each endpoint."""


BELIEVING = Options()
"""Every source is believed whatever it says, and nobody else has a say."""
