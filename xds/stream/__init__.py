"""One xDS stream as a pure object: requests go in, the next response comes out; no I/O and no clock.

Nothing is queued. The owner asks for the next response when it can write one, and gets what the client lacks of the
newest snapshot at that moment; so bursts coalesce, and nothing outdated or no longer wanted is ever sent.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from xds.cache import Generation, SnapshotCache
from xds.message import ExcessiveRequest, InvalidRequest, Response
from xds.observer import RejectedResource, TypeContents, TypeState, TypeStatus
from xds.resource import ResourceType
from xds.snapshot import Snapshot
from xds.standing import Progress, Receipt, Standing
from xds.stream.acceptance import Acceptances
from xds.stream.channel import WINDOW_TIMEOUT, Acknowledgement, Channel, Rejection, abridged, version_of
from xds.stream.delta import Incremental
from xds.stream.plan import Plan, RequestT, Variant
from xds.stream.sotw import StateOfTheWorld
from xds.subscription import MAX_NAMES, NOTHING

__all__ = [
    "WINDOW_TIMEOUT",
    "Acceptances",
    "Acknowledgement",
    "Incremental",
    "StateOfTheWorld",
    "Stream",
    "Unsupported",
    "Variant",
]

_LONGEST_MESSAGE = 1024
"""Characters kept of a NACK's message; Envoy puts whole resources into it."""

_LONGEST_READ = 1 << 12
"""Characters of it that are looked through for what must not be kept, half of them at each end."""

_END = re.compile(r"^\s*\}\s*$|^: ", re.MULTILINE)
"""What begins or ends a line of a message outside of any value: in protobuf's text format, values have no line ends."""

_LONGEST_TYPE = 200
"""Characters kept of the name of a type that is not served."""

_MAX_UNSUPPORTED = 16
"""Foreign types remembered per stream, so that each is reported once and a client cannot make us remember more."""


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A request for a type that is not served, the first such on its stream."""

    type_url: str


class Stream(Generic[RequestT]):
    """All types of one stream.

    Args:
        variant: the rules of State of the World or of Delta.
        types: what is served, in push order.
        aggregated: False for a stream of a single type's own service, whose requests need not name it.
        withhold: takes out of a NACK's message what must not be kept: the resource in it may have secrets.
    """

    __slots__ = ("_channels", "_types", "_unsupported", "_variant", "_withhold", "aggregated", "revision")

    def __init__(
        self,
        variant: Variant[RequestT],
        types: Sequence[ResourceType],
        *,
        aggregated: bool,
        withhold: Callable[[str], str] = str,
    ) -> None:
        self._variant: Variant[RequestT] = variant
        self._types = types
        self.aggregated = aggregated
        self.revision = 0
        """Changes whenever the client asks for other names."""
        self._channels: list[Channel | None] = [None] * len(types)
        self._unsupported: frozenset[str] = NOTHING
        self._withhold = withhold

    @property
    def transport(self) -> str:
        """`sotw` or `delta`."""
        return self._variant.transport

    def receive(self, request: RequestT, now: float) -> Acknowledgement | Unsupported | None:
        """Take in one request: the verdict it holds on a response, then what it wants.

        Args:
            request: requests must come in the order in which the client sent them.
            now: seconds of the clock that `next` is given.

        Returns:
            What there is to report; None for a request that is no verdict, or on something long forgotten.

        Raises:
            ExcessiveRequest: it asks for more names than a client may.
            InvalidRequest: the stream cannot go on.
        """
        position = self._position(request.type_url)
        if position is None:
            return self._report(request.type_url)
        channel = self._channels[position] or Channel(self._types[position])
        self._channels[position] = channel
        verdict = self._judge(channel, request, now)
        before = channel.subscription
        self._variant.subscribe(channel, request)
        if channel.subscription is not before:
            self.revision += 1
        if channel.wants.count > MAX_NAMES:
            raise ExcessiveRequest(f"a client may ask for {MAX_NAMES} names of a type on one stream, not for more")
        return verdict

    def next(self, cache: SnapshotCache, now: float) -> Response | None:
        """The next response to write; None if there is nothing to send, or nothing that may be sent now.

        What is returned counts as sent.
        """
        generation = cache.generation
        if generation is None:
            return None
        for position, channel in enumerate(self._channels):
            if (
                channel
                and channel.open
                and _is_due(channel, cache, generation)
                and (plan := self._plan(channel, cache, generation))
            ):
                return self._respond(position, channel, generation, plan, now)
        return None

    def due(self, cache: SnapshotCache) -> bool:
        """Whether `next` may have something to send. Cheap; called for every stream on every change."""
        generation = cache.generation
        if generation is None:
            return False
        for channel in self._channels:  # noqa: SIM110 (a generator for each stream and change is not cheap)
            if channel and channel.open and _is_due(channel, cache, generation):
                return True
        return False

    @property
    def unanswered(self) -> bool:
        """Whether an answer of the client is waited for."""
        return not all(channel.open for channel in self._channels if channel)

    def names(self) -> Iterator[tuple[str, Collection[str]]]:
        """The names that are kept for the client, in sets that may be shared, each with its type's URL."""
        for channel in filter(None, self._channels):
            for names in channel.kept():
                yield channel.type.url, names

    @property
    def claims(self) -> bool:
        """Whether names are kept until the first answer only: those of what the client says it holds."""
        return any(isinstance(channel.claimed, Mapping) for channel in self._channels if channel)

    def expire(self, now: float) -> list[str]:
        """Stop waiting for answers that are overdue (`WINDOW_TIMEOUT`); the types concerned."""
        return [channel.type.url for channel in self._channels if channel and channel.expire(now)]

    def status(self, cache: SnapshotCache | None, now: float) -> tuple[TypeStatus, ...]:
        """What the client asked for and has, by type."""
        return tuple(_status(channel, cache, now) for channel in self._channels if channel)

    def contents(self, cache: SnapshotCache | None) -> tuple[TypeContents, ...]:
        """What the client asked for and rejects, by type and name."""
        snapshot = (cache and cache.snapshot) or Snapshot()
        return tuple(_contents(channel, snapshot) for channel in self._channels if channel)

    def standings(self, cache: SnapshotCache | None, now: float) -> tuple[Standing, ...]:
        """How far the client is with each type that it asked for."""
        return tuple(_standing(channel, cache, now) for channel in self._channels if channel)

    def receipts(self, cache: SnapshotCache | None, name: str) -> tuple[Receipt, ...]:
        """How far the client is with what is called so, for each type in which it asked for it."""
        wanted = frozenset([name])
        asked = (channel for channel in self._channels if channel and channel.wants.select(wanted))
        return tuple(_receipt(channel, cache, name) for channel in asked)

    def _position(self, type_url: str) -> int | None:
        if not type_url:
            if self.aggregated:
                raise InvalidRequest("type_url is required on an aggregated stream")
            return 0
        for position, kind in enumerate(self._types):
            if kind.url == type_url:
                return position
        if not self.aggregated:
            raise InvalidRequest(f"this stream serves {self._types[0].url}, not {type_url[:_LONGEST_TYPE]!r}")
        return None

    def _report(self, type_url: str) -> Unsupported | None:
        type_url = type_url[:_LONGEST_TYPE]
        if type_url in self._unsupported or len(self._unsupported) >= _MAX_UNSUPPORTED:
            return None
        self._unsupported |= {type_url}
        return Unsupported(type_url)

    def _judge(self, channel: Channel, request: RequestT, now: float) -> Acknowledgement | None:
        answered = channel.answered(request.nonce, skips=self._variant.skips)
        if not answered:
            self._arrived(request.nonce)
            return None
        sent = answered[-1]
        error = None if request.error is None else self._kept(request.error)
        if error is None:
            channel.acked_at = now
            channel.accept(sent)
            self._variant.accept(channel, sent)
        else:
            self._variant.reject(channel, answered, request, Rejection(error, sent.version))
        return Acknowledgement(channel.type.url, sent.version, now - sent.at, error, sent.generation)

    def _kept(self, message: str) -> str:
        if len(message) > _LONGEST_READ:
            half = _LONGEST_READ // 2
            message = f"{self._withhold(message[:half])}…{self._withhold(_whole(message[-half:]))}"
        else:
            message = self._withhold(message)
        return abridged(message, _LONGEST_MESSAGE)

    def _arrived(self, nonce: str) -> None:
        """Whoever answers under the wrong type says nothing about the content, but has got it: let go on."""
        for channel in self._channels:
            if channel:
                channel.arrived(nonce)

    def _plan(self, channel: Channel, cache: SnapshotCache, generation: Generation) -> Plan | None:
        due = _due_names(channel, cache, generation)
        plan = self._variant.plan(channel, generation, due)
        channel.settle(generation, due)
        while plan is None and (suspects := channel.suspects.next()):
            plan = self._variant.isolate(channel, generation, suspects)
        return plan

    def _respond(self, position: int, channel: Channel, generation: Generation, plan: Plan, now: float) -> Response:
        response = Response(
            type=channel.type,
            nonce=channel.next_nonce(generation, position),
            snapshot=plan.snapshot,
            names=plan.names,
            removed=plan.removed,
            incremental=self._variant.incremental,
        )
        channel.record(response, now)
        self._owe_required(channel, plan)
        return response

    def _owe_required(self, channel: Channel, plan: Plan) -> None:
        """Owe what a client waits for after it got these resources, even if it has that already.

        https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-warming
        """
        for other in self._channels:
            if other and other.type.url == channel.type.required_type and other.subscription:
                known = plan.snapshot.resources(channel.type.url)
                other.owe(frozenset(need for name in plan.fresh if name in known for need in known[name].requires))


def _due_names(channel: Channel, cache: SnapshotCache, generation: Generation) -> frozenset[str]:
    wants, url, due = channel.wants, channel.type.url, channel.owed
    if channel.synced is not None and channel.synced is not generation:
        changed = wants.select(cache.changes(channel.synced, url))
        due = changed | due if due else changed
    if channel.whole:
        # The changes still matter: a name that vanished is in nothing that exists.
        everything = wants.everything(generation.snapshot.names(url))
        due = everything if due <= everything else everything | due
    return due


def _is_due(channel: Channel, cache: SnapshotCache, generation: Generation) -> bool:
    if _lacks(channel, cache, generation):
        return True
    if channel.synced is not generation:
        channel.settle(generation, NOTHING)
    return False


def _lacks(channel: Channel, cache: SnapshotCache, generation: Generation) -> bool:
    """Whether a client is owed something. Asked several times for each stream and change, so in this order."""
    if channel.whole or channel.owes or channel.suspects:
        return True
    synced = channel.synced
    if synced is None or synced is generation:
        return False
    return bool(channel.wants.select(cache.changes(synced, channel.type.url)))


def _status(channel: Channel, cache: SnapshotCache | None, now: float) -> TypeStatus:
    rejection = _rejection(channel, cache)
    return TypeStatus(
        type_url=channel.type.url,
        names=None if channel.wants.wildcard else channel.wants.count,
        version_sent=channel.version_sent,
        version_acked=channel.version_acked,
        rejection=rejection.message if rejection else None,
        rejected=_rejected(channel, cache),
        since=_elapsed(channel.sent_at, now),
        state=TypeState.ERROR if rejection else _state(channel, cache),
        acked=_elapsed(channel.acked_at, now),
        unanswered=_elapsed(min((sent.at for sent in channel.pending.values()), default=None), now),
    )


def _state(channel: Channel, cache: SnapshotCache | None) -> TypeState:
    """How far a client is that rejects nothing."""
    if cache is None or cache.generation is None:
        return TypeState.WAITING
    match _progress(channel, cache):
        case Progress.BEHIND:
            return TypeState.STALE if channel.pending else TypeState.WAITING
        case Progress.NOT_SENT:
            return TypeState.WAITING if _lacks(channel, cache, cache.generation) else TypeState.NOT_SENT
    return TypeState.SYNCED


def _contents(channel: Channel, snapshot: Snapshot) -> TypeContents:
    return TypeContents(
        type_url=channel.type.url,
        asked=channel.wants.names,
        existing=snapshot.names(channel.type.url),
        wildcard=channel.wants.wildcard,
        rejected=tuple(
            RejectedResource(name, held.version, held.rejection.message) for name, held in channel.rejected(snapshot)
        ),
    )


def _standing(channel: Channel, cache: SnapshotCache | None, now: float) -> Standing:
    rejection = _rejection(channel, cache)
    return Standing(
        type_url=channel.type.url,
        progress=Progress.REJECTED if rejection else _progress(channel, cache),
        version=channel.version_acked,
        version_rejected=rejection.version if rejection else "",
        rejection=rejection.message if rejection else "",
        since=_elapsed(channel.sent_at, now),
    )


def _elapsed(moment: float | None, now: float) -> float | None:
    return None if moment is None else now - moment


def _whole(tail: str) -> str:
    """The end of a message without the beginning, which may be part of a value whose name is no longer there."""
    end = _END.search(tail)
    return tail[end.start() :] if end else ""


def _rejection(channel: Channel, cache: SnapshotCache | None) -> Rejection | None:
    return channel.rejection(cache.snapshot) if cache and cache.snapshot else None


def _rejected(channel: Channel, cache: SnapshotCache | None) -> str:
    return (channel.last_rejected(cache.snapshot) or "") if cache and cache.snapshot else ""


def _progress(channel: Channel, cache: SnapshotCache | None) -> Progress:
    if channel.sent_at is None:
        return Progress.NOT_SENT
    behind = channel.pending or (cache and cache.generation and _lacks(channel, cache, cache.generation))
    return Progress.BEHIND if behind else Progress.SYNCED


def _receipt(channel: Channel, cache: SnapshotCache | None, name: str) -> Receipt:
    rejection = _rejection_of(channel, cache, name)
    progress = Progress.REJECTED if rejection else _progress_of(channel, cache, name)
    return Receipt(type_url=channel.type.url, progress=progress, rejection=rejection.message if rejection else "")


def _rejection_of(channel: Channel, cache: SnapshotCache | None, name: str) -> Rejection | None:
    """Why the client has not got a resource as it is now; also while it may be what was bad in a rejected response."""
    held, snapshot = channel.held.get(name), cache.snapshot if cache else None
    known = snapshot.resources(channel.type.url).get(name) if snapshot else None
    if held and held.version == version_of(known):
        return held.rejection
    suspected = name in channel.suspects.names if channel.suspects else not channel.held
    return channel.unexplained if suspected else None


def _progress_of(channel: Channel, cache: SnapshotCache | None, name: str) -> Progress:
    if channel.sent_at is None:
        return Progress.NOT_SENT
    sent = any(name in each.response.names for each in channel.pending.values())
    owed = channel.whole or name in channel.owed or name in channel.suspects.names
    generation, synced = cache.generation if cache else None, channel.synced
    if cache and generation and synced is not None and synced is not generation:
        owed = owed or name in cache.changes(synced, channel.type.url)
    return Progress.BEHIND if sent or owed else Progress.SYNCED
