"""What pages and `/api/v1/status` are made of, at one moment: immutable, so that it may be worked on in a thread."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from bridge.absent import Absent
from bridge.admin import document, source, summary
from bridge.admin.source import SourceDocument
from bridge.admin.view import Upkeep, View
from bridge.audit import Remembered
from bridge.operator import Drain, Pause
from bridge.peers import PeerStatus
from bridge.registry import ReportedSetAside
from bridge.reload import ReloadReport
from xds import Snapshot, StreamStatus

EXPLAINED = 5
"""Services of which the overview says why something of them is set aside; the others are counted."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The bridge at one moment."""

    now: float
    """Unix time."""
    monotonic: float
    started: float
    readiness: document.ReadyDocument
    config: ReloadReport
    pauses: tuple[Pause, ...]
    drains: tuple[Drain, ...]
    peers: tuple[PeerStatus, ...]
    streams: Sequence[StreamStatus]
    """None of them for a page that says nothing of Envoys."""
    sources: tuple[SourceDocument, ...]
    known: summary.Known
    too_old: tuple[str, ...]
    set_aside: tuple[tuple[str, ReportedSetAside], ...]
    """The first entry that cannot be served of each of the first services that have one."""
    remembered: Remembered
    propagation: float | None
    """Seconds within which 99 of 100 changes reached the last Envoy concerned; None before the first."""
    snapshot: Snapshot | None
    """What the default view shows; None before Envoys are answered."""
    written: Mapping[str, object]
    """The configuration in use, as it was written."""
    upkeep: Upkeep
    absent: Sequence[Absent]
    """Envoys that have left lately."""


def observe(view: View, started: float, streams: Sequence[StreamStatus] = ()) -> Observation:
    """The state of this moment, without working much out. On the event loop only.

    Args:
        view: all that there is to see.
        started: Unix time at which the bridge was.
        streams: of the Envoys, where these are asked for (see `Look`).
    """
    known, knowledge = summary.observe(view), view.knowledge
    named = ((name, knowledge.set_aside(name)) for name in islice(sorted(known.set_aside), EXPLAINED))
    return Observation(
        now=time.time(),
        monotonic=time.monotonic(),
        started=started,
        readiness=document.ready(view),
        config=view.reloads.report,
        pauses=tuple(view.operation.pauses()),
        drains=tuple(view.operation.drains()),
        peers=tuple(view.replicas.statuses()),
        streams=streams,
        sources=tuple(source.document(view, listed) for listed in view.sources()),
        known=known,
        too_old=tuple(sorted(view.operation.too_old())),
        set_aside=tuple((name, entries[0]) for name, entries in named if entries),
        remembered=view.trail.remembered(),
        propagation=view.metrics.propagation(0.99),
        snapshot=view.serving.snapshot,
        written=view.rules().written,
        upkeep=view.upkeep(),
        absent=view.absent(),
    )
