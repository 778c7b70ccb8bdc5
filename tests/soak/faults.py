"""Every fault that there is in a soak."""

from soak import broken_bridges, broken_sources, clients
from soak.fault import Fault


def faults() -> dict[str, Fault]:
    """By name."""
    return {fault.name: fault for each in (broken_sources, broken_bridges, clients) for fault in each.faults()}
