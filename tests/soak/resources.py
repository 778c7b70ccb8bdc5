"""What a bridge uses over its life: samples, their slope, and whether that is a leak."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HOUR = 3600.0

GROWTH = 0.08
"""The share by which memory may grow over the second half; the first belongs to caches, pools and the allocator."""

SLACK = 4
"""Descriptors or tasks that may be there or not: idle connections of a pool, a scrape."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured at one moment."""

    at: float
    """Seconds since the start."""
    memory: float
    """Bytes that are resident."""
    descriptors: float
    tasks: float

    @classmethod
    def taken(cls, at: float, metrics: Mapping[str, float]) -> "Sample":
        """From the bridge's own metrics."""
        names = ("process_resident_memory_bytes", "process_open_fds", "xds_bridge_event_loop_tasks")
        return cls(at, *(metrics[name] for name in names))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """By how much a value grows in a second, by least squares."""
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def leaks(samples: Sequence[Sample]) -> list[str]:
    """What grows: memory by its slope over the second half, descriptors and tasks by their level."""
    found = []
    late = _late(samples)
    memory = [(each.at, each.memory) for each in late]
    growth = slope(memory) * (late[-1].at - late[0].at) / statistics.fmean(value for _, value in memory)
    if growth > GROWTH:
        found.append(f"memory grew by {growth:.0%} over the second half")
    third = max(1, len(samples) // 3)
    for name in ("descriptors", "tasks"):
        before = max(getattr(each, name) for each in samples[:third])
        after = min(getattr(each, name) for each in samples[-third:])
        if after > before + SLACK:
            found.append(f"{name} were at most {before:g} in the first third, and are at least {after:g} in the last")
    return found


def table(samples: Sequence[Sample]) -> str:
    """First and last value of everything, and its slope per hour over the second half."""
    lines = [f"{'':12} {'first':>10} {'last':>10} {'slope/h':>10}"]
    for name, unit in (("memory", 1 << 20), ("descriptors", 1), ("tasks", 1)):
        values = [(each.at, getattr(each, name) / unit) for each in samples]
        late = [(each.at, getattr(each, name) / unit) for each in _late(samples)]
        label = "memory, MiB" if name == "memory" else name
        lines.append(f"{label:12} {values[0][1]:10.1f} {values[-1][1]:10.1f} {slope(late) * HOUR:+10.2f}")
    return "\n".join(lines)


def _late(samples: Sequence[Sample]) -> Sequence[Sample]:
    return samples[len(samples) // 2 :]
