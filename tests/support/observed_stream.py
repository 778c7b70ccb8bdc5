"""The in-memory `ObservedStream`: what an observer is told about, with whatever the test wants it to be."""

from dataclasses import dataclass

from xds import Node


@dataclass(eq=False)
class FakeStream:
    """A stream that exists only in what is told of it."""

    id: int = 1
    node: Node | None = None
    peer: str = "ipv4:10.0.0.1:5000"
    transport: str = "sotw"
    aggregated: bool = True
