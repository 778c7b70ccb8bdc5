"""Everything the sources have said, and what of it is served."""

from bridge.registry.options import Options, RestoredPart
from bridge.registry.part import NOTHING, Kept, Part
from bridge.registry.parts import ReportedSetAside
from bridge.registry.refusals import RefusedService
from bridge.registry.registry import Registry
from bridge.registry.sink import NOBODY, Place, Said, SourceSink, overlay
from bridge.registry.source import Hold, SourceStatistics

__all__ = [
    "NOBODY",
    "NOTHING",
    "Hold",
    "Kept",
    "Options",
    "Part",
    "Place",
    "RefusedService",
    "Registry",
    "ReportedSetAside",
    "RestoredPart",
    "Said",
    "SourceSink",
    "SourceStatistics",
    "overlay",
]
