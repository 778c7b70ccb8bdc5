"""What is measured: the loads that are put on servers, as data."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from benchmark.server import Content, Side

RATE = 200
"""Changes per second of a steady phase."""


LARGE = Content(clusters=1000, endpoints=10)


@dataclass(frozen=True, slots=True)
class Case:
    """A load that is put on servers, each of them fresh."""

    name: str
    variant: str = "sotw"
    content: Content = LARGE
    streams: int = 1000
    sides: tuple[Side, ...] = (Side.BRIDGE,)
    touches: int = 0
    """Changes one after another."""
    steady: int = 0
    """Seconds of changes at a steady rate."""
    idle: int = 0
    """Seconds in which nothing happens."""
    node_every: bool = False
    """The node in every request."""
    control: bool = False
    """An Envoy that is there before the others sees changes while they connect."""
    once: bool = False
    """One run is enough: it is long, and what counts is its worst moment."""

    def quick(self) -> "Case":
        """The same with little of everything, to see that it works."""
        return dataclasses.replace(self, touches=min(self.touches, 5), steady=min(self.steady, 10), once=True)

    def flags(self) -> Iterator[str]:
        """Those of the load client."""
        yield from ("-variant", self.variant, "-streams", str(self.streams), "-touches", str(self.touches))
        if self.steady:
            yield from ("-rate", str(RATE), "-steady", f"{self.steady}s")
        if self.idle:
            yield from ("-idle", f"{self.idle}s")
        if self.node_every:
            yield "-node-every"
        if self.control:
            yield from ("-control", "-gap", "500ms")


@dataclass(frozen=True, slots=True)
class Key:
    """Who served in which case."""

    case: str
    side: Side = Side.BRIDGE


EMPTY = Case("empty", content=Content(clusters=1, endpoints=1), streams=1)
"""For what a server needs without anything to do."""


def _of_variant(variant: str) -> Iterator[Case]:
    everyone = tuple(Side)
    small = Content(clusters=100, endpoints=10)
    yield Case(variant, variant, sides=everyone, touches=20, idle=5)
    yield Case(f"{variant}-small", variant, small, 100, sides=everyone, touches=50)
    yield Case(f"{variant}-control", variant, control=True)
    yield Case(f"{variant}-node", variant, touches=20, node_every=True)
    yield Case(f"{variant}-steady", variant, streams=500, steady=60, once=True)


CASES = (*_of_variant("sotw"), *_of_variant("delta"), EMPTY)
