"""One resource type on one stream: what the client asked for, what it was sent, and how it answered.

Each type of an aggregated stream is its own logical stream, walled off from the others.
https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#aggregated-discovery-service

A channel keeps no version per name. It remembers the generation up to which its client is in sync, shared by all
streams, and beside it only what deviates: names owed whatever their version, and content that the client rejected.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from xds.cache import Generation
from xds.message import Response
from xds.resource import Resource, ResourceType
from xds.snapshot import Snapshot
from xds.stream.suspects import Suspects
from xds.subscription import MAX_NAMES, NOTHING, Subscription

WINDOW_TIMEOUT = 5.0
"""Seconds without an answer after which the next response is sent all the same: a client may ignore one silently."""

_MAX_PENDING = 32
"""Unanswered responses that are remembered; the window makes it take minutes to reach this."""
_MAX_PENDING_NAMES = 2 * MAX_NAMES
"""Names in them, as far as more than one response is concerned: a client can have ever other names sent to it."""

_WHOLE_MESSAGES = 32
"""Held names whose messages are kept whole; a client can reject thousands, each in a message of its own."""
_SHORT_MESSAGE = 120
"""Characters kept of a message beyond that."""

_OWED_LATELY = 64
"""Names owed in addition that wait to be put to the others, at least: to do so for each one would copy thousands."""


def abridged(message: str, longest: int) -> str:
    """A message with what is too much left out of its middle: Envoy says why before or after the whole resource.

    Args:
        message: of a NACK.
        longest: characters of the outcome, at least 4.
    """
    if len(message) <= longest:
        return message
    head = longest // 2
    return f"{message[:head]}…{message[head + 1 - longest :]}"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The client's verdict on a response; a NACK where `error` is not None."""

    type_url: str
    version: str
    latency: float
    """Seconds since the response was handed out for writing."""
    error: str | None
    generation: int
    """Number of what was sent."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A response that is on its way or unanswered."""

    response: Response
    at: float
    generation: int
    """Its number."""

    @property
    def version(self) -> str:
        """Version of the type in that response."""
        return self.response.version


@dataclass(frozen=True, slots=True)
class Rejection:
    """What a client said about content that it did not take."""

    message: str
    version: str
    """Version of the type in the response that it rejected."""

    @property
    def shortened(self) -> "Rejection":
        """With as much of the message as may be kept for each of many resources."""
        return replace(self, message=abridged(self.message, _SHORT_MESSAGE))


@dataclass(frozen=True, slots=True)
class Held:
    """Content that the client rejected: not sent again while the resource has this version."""

    version: str
    rejection: Rejection
    fallback: Resource | None = None
    """What the client has instead, for types whose responses must be complete."""


class Channel:
    """The state of one type on one stream; the rules that differ between the variants are in `sotw` and `delta`."""

    __slots__ = (
        "_acked",
        "_awaited",
        "_numbered",
        "_owed",
        "_owed_lately",
        "accepted",
        "acked_at",
        "claimed",
        "held",
        "pending",
        "sent_at",
        "subscription",
        "suspects",
        "synced",
        "tries",
        "type",
        "unexplained",
        "version_acked",
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
        self.held: dict[str, Held] = {}
        self.suspects = Suspects()
        """What is sent again group by group, to find out what was bad in a rejected response."""
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
        self.acked_at: float | None = None  # when the client accepted something the last time
        self.version_sent = self.version_acked = ""
        self.unexplained: Rejection | None = None
        """A rejection for which nothing is held, as it is not known (yet) what was bad; None once it is made up for."""
        self._owed: frozenset[str] = NOTHING
        self._owed_lately: set[str] = set()
        self._awaited: str | None = None
        self._acked = 0
        """Number of the newest generation of which something was accepted."""
        self._numbered = (0, 0)

    @property
    def wants(self) -> Subscription:
        """What the client asked for; nothing before its first request."""
        return self.subscription or Subscription()

    def kept(self) -> list[Collection[str]]:
        """Every set of names that is kept for the client, each as one object for as long as it is."""
        wants, claimed = self.wants, self.claimed
        sets = {id(names): names for names in (wants.base, wants.added, wants.dropped) if names}
        for sent in self.pending.values():
            sets |= {id(names): names for names in (sent.response.names, sent.response.removed) if names}
        return [*sets.values(), *([claimed] if isinstance(claimed, Mapping) and claimed else [])]

    @property
    def owed(self) -> frozenset[str]:
        """Names to be sent whatever their version."""
        if self._owed_lately:
            self._owed, self._owed_lately = self._owed | self._owed_lately, set()
        self._owed = self.wants.select(self._owed)
        return self._owed

    @property
    def owes(self) -> bool:
        """Whether there may be such names. Cheap: asked after each request, of which many may precede a response."""
        return bool(self._owed or self._owed_lately)

    def rejection(self, snapshot: Snapshot) -> Rejection | None:
        """Why the client has not got some of what it is to have of this snapshot; None if it rejected nothing of that.

        Of several, the last. What was rejected in a version that is no longer served says nothing any more.
        """
        name = self.last_rejected(snapshot)
        return self.unexplained if name is None else self.held[name].rejection

    def last_rejected(self, snapshot: Snapshot) -> str | None:
        """The resource of which that is said; None while it is not known which one it is, or there is none."""
        known = snapshot.resources(self.type.url)
        for name, held in reversed(self.held.items()):
            if held.version == version_of(known.get(name)):
                return name
        return None

    def rejected(self, snapshot: Snapshot) -> list[tuple[str, Held]]:
        """What of this snapshot the client does not take, by name."""
        known = snapshot.resources(self.type.url)
        return [(name, held) for name, held in self.held.items() if held.version == version_of(known.get(name))]

    @property
    def open(self) -> bool:
        """Whether the next response may be sent now: a client is given one at a time."""
        return self._awaited is None

    def reopen(self) -> None:
        """Stop waiting for an answer to the last response."""
        self._awaited = None

    def arrived(self, nonce: str) -> None:
        """Stop waiting for an answer to this response, if it is the last."""
        if nonce == self._awaited:
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
        before, self.subscription = self.wants, wants
        self._owe(named)
        if self.held or self.suspects:
            self._give_up(before, wants)
            for name in named & self.held.keys():
                del self.held[name]
        self.reopen()

    def _give_up(self, before: Subscription, wants: Subscription) -> None:
        rest = before.wildcard and not wants.wildcard
        gone = frozenset({*self.held, *self.suspects.names}) if rest else before.names_not_in(wants)
        gone -= wants.select(gone)
        self.suspects.discard(gone)
        for name in gone & self.held.keys():
            del self.held[name]
        if self.open and not (self.held or self.suspects):
            self.unexplained = None  # what it was about is not asked for any more, and nothing is being tried

    def owe(self, names: frozenset[str]) -> None:
        """Send these names again, as far as they are asked for, whatever the client has."""
        self._owe(self.wants.select(names))

    def _owe(self, names: frozenset[str]) -> None:
        if not self.owes:
            self._owed = names  # as it is: streams share it
            return
        self._owed_lately |= names
        if len(self._owed_lately) > len(self._owed) + _OWED_LATELY:
            self._owed = self.owed  # without what was given up meanwhile

    def settle(self, generation: Generation, due: frozenset[str]) -> None:
        """Note that everything `due` was decided upon: from here on the client is in sync with this generation."""
        self.synced = generation
        self.whole, self.claimed = False, None
        self._owed, self._owed_lately = NOTHING, set()
        if self.suspects:
            self.suspects.discard(due.difference(self.held))  # what is held was not sent

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
        self.pending[response.nonce] = Sent(response, now, generation=self._numbered[0])
        self._awaited = response.nonce
        while len(self.pending) > _MAX_PENDING or (
            len(self.pending) > 1 and self._pending_names() > _MAX_PENDING_NAMES
        ):
            del self.pending[next(iter(self.pending))]

    def _pending_names(self) -> int:
        responses = (sent.response for sent in self.pending.values())
        return sum(len(response.names) + len(response.removed) for response in responses)

    def answered(self, nonce: str, *, skips: bool) -> list[Sent]:
        """The responses that a request answers, oldest first; none if its nonce is stale, unknown or answered before.

        Args:
            nonce: of the response that it is about, which is the last of them.
            skips: whether that answers all responses before it too (`Variant.skips`).
        """
        if nonce not in self.pending:
            return []
        self.arrived(nonce)
        if not skips:
            return [self.pending.pop(nonce)]
        answered = []
        for number in list(self.pending):
            answered.append(self.pending.pop(number))
            if number == nonce:
                break
        return answered

    def hold(self, names: frozenset[str], content: Snapshot, rejection: Rejection) -> None:
        """Send these resources no more in the versions that they have in `content`, for this reason."""
        rejected, has = content.resources(self.type.url), self.accepted or {}
        reason = rejection if len(self.held) < _WHOLE_MESSAGES else rejection.shortened
        for name in names:
            self.held.pop(name, None)  # the last that was rejected is the last one here
            self.held[name] = Held(version_of(rejected.get(name)), reason, has.get(name))

    def accept(self, sent: Sent) -> None:
        """The client took what was sent. If nothing waits to be tried, that makes up for what could not be told."""
        if sent.generation >= self._acked:
            self._acked, self.version_acked = sent.generation, sent.version
        accepted = sent.response.snapshot.resources(self.type.url)
        for name in sent.response.names & self.held.keys():
            if self.held[name].version == version_of(accepted.get(name)):  # and no fallback
                del self.held[name]
        self.acquit()

    def acquit(self) -> None:
        """What had its turn is taken, or is not there to be sent any more. After the last suspects all is explained."""
        if not self.suspects:
            self.unexplained = None

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


def hold_or_suspect(channel: Channel, sent: Sent, rejection: Rejection) -> None:
    """Hold what was rejected alone. A response of several took the good with the bad: find out which are which.

    What the client asked for again before it said so is answered once more, as if it had asked afterwards.
    """
    names, content = sent.response.names, sent.response.snapshot
    wanted = channel.wants.select(names)
    if len(names) > 1:
        channel.suspects.halve(wanted)
    else:
        channel.hold(wanted - channel.owed, content, rejection)
    channel.unexplained = rejection if channel.suspects or not names else None


def version_of(resource: Resource | None) -> str:
    """Version of a resource; of one that does not exist, and of its placeholder, the empty string."""
    return resource.version if resource else ""
