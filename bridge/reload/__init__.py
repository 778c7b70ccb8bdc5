"""Another configuration while everything runs: what it changes, what that would take, and the way there.

`Reloader` is asked for a reload by a signal or an operator; nothing is touched before all that can fail has been done.
"""

from bridge.reload.departures import Departures
from bridge.reload.loss import Loss, of_sources, of_views
from bridge.reload.plan import Plan, plan, unchangeable
from bridge.reload.reloader import Reloader, ReloadOutcome, ReloadReport
from bridge.reload.transition import Parts, Terms, Transition

__all__ = [
    "Departures",
    "Loss",
    "Parts",
    "Plan",
    "ReloadOutcome",
    "ReloadReport",
    "Reloader",
    "Terms",
    "Transition",
    "of_sources",
    "of_views",
    "plan",
    "unchangeable",
]
