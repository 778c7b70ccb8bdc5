"""What all sessions of a server share."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from xds.desk import Desk
from xds.in_flight import InFlight
from xds.ledger import Ledger
from xds.limit import Limits
from xds.observer import StreamObserver
from xds.propagation import Propagation
from xds.view import Views
from xds.window import Window


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all sessions of a server share."""

    views: Views
    observer: StreamObserver
    propagation: Propagation
    clock: Callable[[], float]
    limits: Limits = field(default_factory=Limits)
    in_flight: InFlight = field(default_factory=lambda: InFlight(Limits().in_flight, time.monotonic))
    window: Window = field(default_factory=lambda: Window(time.monotonic))
    desk: Desk = field(default_factory=Desk)
    ledger: Ledger = field(default_factory=lambda: Ledger(Limits()))
