"""What the audit trail remembers beside endpoints: sources that fail and recover, and what Envoys reject.

Once for each outage and for each rejection: how often they happen is for the metrics to count.
"""

import time
from collections import Counter
from collections.abc import Callable
from types import MappingProxyType

from bridge.audit import Action, Event
from bridge.errors import Cause
from bridge.model import SourceName
from bridge.observer import SourceObserver
from bridge.wording import gist, printable, shortened
from xds import CLUSTER, ENDPOINT, ObservedStream, StreamObserver

TYPES = MappingProxyType({CLUSTER.url: "clusters", ENDPOINT.url: "endpoints"})
"""What people call the types."""

REJECTIONS, PERIOD = 100, 3600.0
"""How many different rejections are remembered in a period of so many seconds: what is sent by clients must not be able
to push everything else out of the trail."""

SHARE = 20
"""How many of these one client can cause: one that always says something else must not silence the others."""

_LONGEST_NAME = 200
"""Characters of a node id: the reason must have room beside it."""

Record = Callable[[Event], None]


class SourceChronicle(SourceObserver):
    """Records when a source begins to fail, and when nothing of it fails any more."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._failing: set[SourceName] = set()
        self._anew: set[SourceName] = set()
        """Of these, those that run under another configuration now, and of which nothing was seen to fail there."""

    def started(self, source: SourceName) -> None:
        """It has another configuration, which may be what mends it."""
        if source in self._failing:
            self._anew.add(source)

    def succeeded(self, source: SourceName, reading: str) -> None:
        """A complete pass before anything failed of what is run anew."""
        if not reading and source in self._anew:
            self.recovered(source)

    def failed(self, source: SourceName, reading: str, error: str, cause: Cause = Cause.ERROR) -> None:
        """The first read that fails speaks for all others."""
        del cause
        self._begun(source, f"{reading}: {error}" if reading else error)

    def crashed(self, source: SourceName, reading: str) -> None:
        """A bug is a failure too."""
        self._begun(source, f"{reading}: a bug in the adapter" if reading else "a bug in the adapter")

    def recovered(self, source: SourceName) -> None:
        """Nothing fails any more."""
        if source in self._failing:
            self.ended(source)
            self._record(Event(time.time(), Action.RECOVERED, "everything of it is read again", source))

    def ended(self, source: SourceName) -> None:
        """Nobody reads it any more."""
        self._failing.discard(source)
        self._anew.discard(source)

    def _begun(self, source: SourceName, why: str) -> None:
        self._anew.discard(source)
        if source not in self._failing:
            self._failing.add(source)
            self._record(Event(time.time(), Action.FAILED, _plain(why), source))


class StreamChronicle(StreamObserver):
    """Records what Envoys reject: of those that say the same, the first one.

    Args:
        record: takes note of an event.
        clock: monotonic seconds.
    """

    def __init__(self, record: Record, clock: Callable[[], float] = time.monotonic) -> None:
        self._record = record
        self._clock = clock
        self._said: set[tuple[str, str]] = set()
        self._shares: Counter[str] = Counter()
        self._until = clock()

    def nacked(self, stream: ObservedStream, type_url: str, version: str, message: str) -> None:
        """An Envoy keeps what it accepted before; in another version the same is wrong for the same reason."""
        del version
        if self._clock() >= self._until:
            self._said.clear()
            self._shares.clear()
            self._until = self._clock() + PERIOD
        reason = gist(message)
        client = stream.node.id if stream.node else stream.peer.rpartition(":")[0]
        key = (type_url, reason)
        if key in self._said or len(self._said) >= REJECTIONS or self._shares[client] >= SHARE:
            return
        self._said.add(key)
        self._shares[client] += 1
        who = shortened(client, _LONGEST_NAME) if stream.node else stream.peer
        why = f"Envoy {who} rejects {TYPES.get(type_url, type_url)}: {reason}"
        self._record(Event(time.time(), Action.REJECTED, _plain(why)))


def _plain(text: str) -> str:
    """One line of bounded length with nothing in it that is not for the eye: the trail is read in many places."""
    return shortened(printable(shortened(text)))
