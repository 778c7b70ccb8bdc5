"""How the reports of several sources about one service become one: the merge policies.

A policy is a pure function of the reports, of what it decided before, and of the time. It keeps nothing itself.
"""

from bridge.merge.first import First
from bridge.merge.model import (
    AVAILABLE,
    Candidate,
    MergePolicy,
    Origin,
    Outcome,
    Policy,
    Report,
    Return,
    Ruling,
    ServedEndpoint,
    Service,
    Share,
    Standing,
    Vote,
)
from bridge.merge.precedence import failover, union
from bridge.merge.service import merged
from bridge.merge.stand_in import StandIn
from bridge.merge.weighted import Weighted, weigh

__all__ = [
    "AVAILABLE",
    "Candidate",
    "First",
    "MergePolicy",
    "Origin",
    "Outcome",
    "Policy",
    "Report",
    "Return",
    "Ruling",
    "ServedEndpoint",
    "Service",
    "Share",
    "StandIn",
    "Standing",
    "Vote",
    "Weighted",
    "failover",
    "merged",
    "union",
    "weigh",
]
