"""The operator's hand: what a person changes in a running bridge, by whom it was asked for, and since when.

Separate from the registry, which keeps what sources say: a pause decides whether that is heard, and a drain is laid
over it.
"""

from bridge.operator.audit import Action, Audit, AuditLog, Who
from bridge.operator.drain import Drain, Drains, Target, parse_key
from bridge.operator.hand import Done, Hand, NothingToDoError, UnknownError
from bridge.operator.pause import Freeze, Pause, Pauses

__all__ = [
    "Action",
    "Audit",
    "AuditLog",
    "Done",
    "Drain",
    "Drains",
    "Freeze",
    "Hand",
    "NothingToDoError",
    "Pause",
    "Pauses",
    "Target",
    "UnknownError",
    "Who",
    "parse_key",
]
