"""Envoys that were here and are not: who left within the hour, and whether something was still to be heard of them."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from bridge.wording import FETCHER
from xds import ObservedStream, StreamObserver

REMEMBERED = 1000
"""Envoys at most, those that left last."""

HOUR = 3600.0
"""Seconds for which one that has left is told of."""


@dataclass(frozen=True, slots=True)
class Absent:
    """An Envoy that has left, and has not come back under its node id."""

    node: str
    peer: str
    """Its address."""
    left: float
    """Unix time."""
    unanswered: bool
    """Whether it never answered something that it was sent: frozen, cut off or killed, not stopped in order."""


class Absentees(StreamObserver):
    """Knows who has left.

    Args:
        clock: Unix time.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._here: dict[str, set[int]] = {}
        """By node id, the open streams."""
        self._unanswered: dict[int, set[str]] = {}
        """By stream, the types of which something is not answered."""
        self._left: OrderedDict[str, Absent] = OrderedDict()

    def identified(self, stream: ObservedStream) -> None:
        """Somebody is here, perhaps again."""
        if node := _id(stream):
            self._here.setdefault(node, set()).add(stream.id)
            self._left.pop(node, None)

    def unanswered(self, stream: ObservedStream, type_url: str) -> None:
        """Something is to be heard of it."""
        self._unanswered.setdefault(stream.id, set()).add(type_url)

    def acked(self, stream: ObservedStream, type_url: str, version: str, latency: float) -> None:
        """That was heard."""
        del version, latency
        self._answered(stream, type_url)

    def nacked(self, stream: ObservedStream, type_url: str, version: str, message: str) -> None:
        """That was heard."""
        del version, message
        self._answered(stream, type_url)

    def closed(self, stream: ObservedStream) -> None:
        """One of its streams has ended: with the last one it has left."""
        silent = self._unanswered.pop(stream.id, None)
        node = _id(stream)
        streams = self._here.get(node)
        if streams is None:
            return
        streams.discard(stream.id)
        if not streams:
            del self._here[node]
            self._left[node] = Absent(node, stream.peer, self._clock(), bool(silent))
            if len(self._left) > REMEMBERED:
                self._left.popitem(last=False)

    def _answered(self, stream: ObservedStream, type_url: str) -> None:
        if types := self._unanswered.get(stream.id):
            types.discard(type_url)

    def absent(self) -> tuple[Absent, ...]:
        """Those that left within the hour and have not come back, in the order in which they left."""
        since = self._clock() - HOUR
        return tuple(each for each in self._left.values() if each.left > since)


def _id(stream: ObservedStream) -> str:
    """Of an Envoy that says who it is; empty for anybody else."""
    return stream.node.id if stream.node and stream.node.id != FETCHER else ""
