"""One resource type on one stream: what the client asked for, what it was sent, and how it answered.

Each type of an aggregated stream is its own logical stream, walled off from the others.
https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#aggregated-discovery-service

A channel keeps no version per name. It remembers the generation up to which its client is in sync, shared by all
streams, and beside it only what deviates: names owed whatever their version, and content that the client rejected.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from xds.cache import Generation
from xds.message import Response
from xds.resource import Resource, ResourceType
from xds.snapshot import Snapshot
from xds.subscription import NOTHING, Subscription

WINDOW_TIMEOUT = 5.0
"""Seconds without an answer after which the next response is sent all the same: a client may ignore one silently."""

_MAX_PENDING = 32
"""Unanswered responses that are remembered; the window makes it take minutes to reach this."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The client's verdict on a response; a NACK where `error` is not None."""

    type_url: str
    version: str
    latency: float
    """Seconds since the response was handed out for writing."""
    error: str | None


@dataclass(frozen=True, slots=True)
class Sent:
    """A response that is on its way or unanswered."""

    response: Response
    at: float

    @property
    def version(self) -> str:
        """Version of the type in that response."""
        return self.response.version


@dataclass(frozen=True, slots=True)
class Held:
    """Content that the client rejected: not sent again while the resource has this version."""

    version: str
    fallback: Resource | None = None
    """What the client has instead, for types whose responses must be complete."""


class Channel:
    """The state of one type on one stream; the rules that differ between the variants are in `sotw` and `delta`."""

    __slots__ = (
        "_awaited",
        "_numbered",
        "accepted",
        "claimed",
        "held",
        "owed",
        "pending",
        "rejection",
        "sent_at",
        "subscription",
        "suspects",
        "synced",
        "tries",
        "type",
        "version_acked",
        "version_rejected",
        "version_sent",
        "whole",
    )

    def __init__(self, kind: ResourceType) -> None:
        self.type = kind
        self.subscription: Subscription | None = None
        """None before the first request."""
        self.synced: Generation | None = None
        """The client was sent all it asked for of this generation, but for the names below."""
        self.whole = False
        """Everything asked for is owed, and so is an answer even if there is nothing."""
        self.owed: frozenset[str] = NOTHING
        """To be sent whatever their version."""
        self.held: dict[str, Held] = {}
        self.suspects: tuple[frozenset[str], ...] = ()
        """Groups of names out of rejected responses, to be sent again one group at a time to find out what is bad."""
        self.tries = 0
        """Complete responses spent on suspects since the last change; types with full state only."""
        self.claimed: str | Mapping[str, str] | None = None
        """What the client says it holds from an earlier stream: a version of the type, or versions by name."""
        self.accepted: Mapping[str, Resource] | None = None
        """All that the client has; None while that is not known. Types with full state only."""
        self.pending: dict[str, Sent] = {}
        """Unanswered responses by nonce, oldest first."""
        self.sent_at: float | None = None
        """When the last response was handed out; the response itself is not kept, it would keep its snapshot."""
        self.version_sent = ""
        self.version_acked = ""
        self.version_rejected = ""
        """Of the last response that was rejected."""
        self.rejection: str | None = None
        self._awaited: str | None = None
        self._numbered = (0, 0)

    @property
    def wants(self) -> Subscription:
        """What the client asked for; nothing before its first request."""
        return self.subscription or Subscription()

    @property
    def open(self) -> bool:
        """Whether the next response may be sent now: a client is given one at a time."""
        return self._awaited is None

    def reopen(self) -> None:
        """Stop waiting for an answer to the last response."""
        self._awaited = None

    def expire(self, now: float) -> bool:
        """Stop waiting for an answer that is overdue; whether there was one."""
        if self._awaited is None or self.sent_at is None or now - self.sent_at < WINDOW_TIMEOUT:
            return False
        self._awaited = None
        return True

    def resubscribe(self, wants: Subscription, named: frozenset[str]) -> None:
        """Take over a changed subscription.

        Args:
            wants: the new subscription.
            named: names that must be sent because this request asks for them, held content included.
        """
        self.subscription = wants
        self.owed = wants.select(self.owed) | named if self.owed else named
        if self.held:
            self.held = {name: self.held[name] for name in wants.select(frozenset(self.held)) - named}
        self.suspects = tuple(kept for group in self.suspects if (kept := wants.select(group)))
        self.reopen()

    def owe(self, names: frozenset[str]) -> None:
        """Send these names again, as far as they are asked for, whatever the client has."""
        self.owed |= self.wants.select(names)

    def settle(self, generation: Generation, due: frozenset[str]) -> None:
        """Note that everything `due` was decided upon: from here on the client is in sync with this generation."""
        self.synced = generation
        self.whole, self.owed, self.claimed = False, NOTHING, None
        if due:
            self.suspects = tuple(left for group in self.suspects if (left := group - due))

    def suspect(self, names: frozenset[str]) -> None:
        """One of these is bad: have each half of them tried by itself, after the groups that wait already.

        A rejected half is halved again, so that one bad name among a thousand is found in about twenty tries, and most
        of the good ones need only the first.
        """
        ordered = sorted(names.difference(*self.suspects))  # sorted: equal streams then send equal bytes
        middle = (len(ordered) + 1) // 2
        self.suspects += tuple(frozenset(half) for half in (ordered[:middle], ordered[middle:]) if half)

    def next_suspects(self) -> frozenset[str]:
        """The group whose turn it is; there must be one."""
        group, self.suspects = self.suspects[0], self.suspects[1:]
        return group

    def next_nonce(self, generation: Generation, position: int) -> str:
        """A nonce that this stream never had, equal on all streams that get the same response for the same reason.

        Args:
            generation: what is being sent.
            position: which type this is; the nonce of one type must never pass for another's.
        """
        number, count = self._numbered
        count = count + 1 if number == generation.number else 0
        self._numbered = generation.number, count
        return f"{generation.number}.{position}.{count}"

    def record(self, response: Response, now: float) -> None:
        """Remember a response that is about to be written."""
        self.sent_at, self.version_sent = now, response.version
        self.pending[response.nonce] = Sent(response, now)
        self._awaited = response.nonce
        if len(self.pending) > _MAX_PENDING:
            del self.pending[next(iter(self.pending))]

    def answered(self, nonce: str) -> list[Sent]:
        """The responses that a request answers, oldest first; none if its nonce is stale, unknown or answered before.

        The answer to one response, which is the last of them, answers all before it: State-of-the-World clients skip
        some.
        """
        if nonce not in self.pending:
            return []
        if nonce == self._awaited:
            self._awaited = None
        answered = []
        for number in list(self.pending):
            answered.append(self.pending.pop(number))
            if number == nonce:
                break
        return answered

    def restart(self) -> None:
        """Owe everything, held content included: the client asked for all there is."""
        self.whole = True
        self.held = {}

    def without_held(self, names: frozenset[str], snapshot: Snapshot) -> frozenset[str]:
        """Those of `names` whose content was not rejected; forgets rejections that the content has outlived."""
        if not self.held:
            return names
        known = snapshot.resources(self.type.url)
        for name in names & self.held.keys():
            if self.held[name].version != version_of(known.get(name)):
                del self.held[name]
        return names.difference(self.held)


def hold_or_suspect(channel: Channel, sent: Sent) -> None:
    """Hold what was rejected alone. A response of several took the good with the bad: find out which are which."""
    response = sent.response
    known = response.snapshot.resources(channel.type.url)
    if len(response.names) > 1:
        channel.suspect(response.names)
    else:
        channel.held |= {name: Held(version_of(known.get(name))) for name in response.names}


def version_of(resource: Resource | None) -> str:
    """Version of a resource; of one that does not exist, and of its placeholder, the empty string."""
    return resource.version if resource else ""
