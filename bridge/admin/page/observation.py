"""What the pages are made of, at one moment: immutable, so that it may be worked on in a thread."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from bridge.admin import document, source, summary
from bridge.admin.source import SourceDocument
from bridge.admin.view import View
from bridge.audit import Remembered
from bridge.registry import ReportedSetAside

EXPLAINED = 5
"""Services of which the overview says why something of them is set aside; the others are counted."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The bridge at one moment."""

    now: float
    """Unix time."""
    monotonic: float
    started: float
    state: document.State
    sources: tuple[SourceDocument, ...]
    known: summary.Known
    too_old: tuple[str, ...]
    set_aside: tuple[tuple[str, ReportedSetAside], ...]
    """The first entry that cannot be served of each of the first services that have one."""
    remembered: Remembered
    propagation: float | None
    """Seconds within which 99 of 100 changes reached the last Envoy concerned; None before the first."""
    written: Mapping[str, object]
    """The configuration in use, as it was written."""


def observe(view: View, started: float) -> Observation:
    """The state of this moment, without working much out. On the event loop only."""
    known, knowledge = summary.observe(view), view.knowledge
    named = ((name, knowledge.set_aside(name)) for name in islice(sorted(known.set_aside), EXPLAINED))
    return Observation(
        now=time.time(),
        monotonic=time.monotonic(),
        started=started,
        state=document.observe(view),
        sources=tuple(source.document(view, listed) for listed in view.sources()),
        known=known,
        too_old=tuple(sorted(view.operation.too_old())),
        set_aside=tuple((name, entries[0]) for name, entries in named if entries),
        remembered=view.trail.remembered(),
        propagation=view.metrics.propagation(0.99),
        written=view.rules().written,
    )
