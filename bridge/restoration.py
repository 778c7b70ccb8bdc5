"""Between the registry and the state that is kept: what of the one becomes the other, and back after a restart."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from bridge.clock import Clock, Moment
from bridge.guard import Reason
from bridge.merge import Service
from bridge.model import Endpoint, Entry, ServiceName, SourceName, UpstreamProtocol
from bridge.observer import SourceObserver
from bridge.operator import Drain, Drains, Freeze, Pause, Pauses
from bridge.registry import Kept, Part, Place, Registry, RestoredPart
from bridge.state import AgreedProtocol, Hold, KnownEndpoint, KnownService, KnownSource, RetainedCluster, State
from bridge.state import Drain as KeptDrain
from bridge.state import Pause as KeptPause

log = logging.getLogger(__name__)


class _Written(NamedTuple):
    """How a part was last written, and from what: parts replace what they hold, and never change it."""

    entries: frozenset[Entry]
    since: object
    kept: object
    reason: str
    known: KnownService
    holds: tuple[Hold, ...]


class Restoration(SourceObserver):
    """Takes the state to keep from the registry, and gives it back what was kept."""

    def __init__(self, registry: Registry, clock: Clock, max_age: float, pauses: Pauses, drains: Drains) -> None:
        """Restore nothing yet.

        Args:
            registry: what is known.
            clock: what time it is.
            max_age: seconds after which what was kept of a source is not used without an operator's word.
            pauses: the sources of which what is known is all that counts, whatever they say and however old it is.
            drains: what an operator drains.
        """
        self._registry = registry
        self._clock = clock
        self._max_age = max_age
        self._pauses = pauses
        self._drains = drains
        self._read: dict[SourceName, float] = {}
        self._aged: dict[SourceName, KnownSource] = {}
        self._written: dict[tuple[Place, ServiceName], _Written] = {}

    @property
    def aged(self) -> frozenset[SourceName]:
        """The sources of which something was kept that is too old to be used."""
        return frozenset(self._aged)

    def succeeded(self, source: SourceName, reading: str) -> None:
        """Take note of when a source was last read; after a complete pass, what was kept of it is of no more use."""
        self._read[source] = self._clock.wall()
        if not reading and not self._pauses.paused(source):
            self._registry.spoken(source)
            self._aged.pop(source, None)

    def ended(self, source: SourceName) -> None:
        """Keep nothing of a source that was taken out of the configuration."""
        self._read.pop(source, None)
        self._aged.pop(source, None)

    def configure(self, max_age: float) -> None:
        """Go by another age from now on; what was restored stays so."""
        self._max_age = max_age

    def current(self) -> State:
        """What is to be kept now."""
        parts: dict[SourceName, list[KnownService]] = {}
        holds: list[Hold] = []
        written: dict[tuple[Place, ServiceName], _Written] = {}
        for place, service, part in self._registry.parts():
            one = written[place, service] = self._known(place, service, part)
            parts.setdefault(place[0], []).append(one.known)
            holds += one.holds
        self._written = written
        for name, aged in self._aged.items():
            told = {(known.scope, known.service) for known in parts.get(name, ())}
            parts.setdefault(name, []).extend(old for old in aged.services if (old.scope, old.service) not in told)
        # A source that was reported in part and has never succeeded is no older than this moment.
        ages = {name: self._read.get(name, None if name in self._aged else self._clock.wall()) for name in parts}
        services = self._registry.services().values()
        return State(
            sources=tuple(KnownSource(name, tuple(known), ages[name]) for name, known in parts.items()),
            holds=tuple(holds),
            retained=tuple(RetainedCluster(name, gone.wall) for name, gone in self._registry.gone().items()),
            protocols=_protocols(services, self._registry.agreed()),
            pauses=tuple(_orders(self._pauses)),
            drains=tuple(KeptDrain(each.target, each.until, each.by) for each in self._drains.all()),
        )

    def restore(self, state: State) -> None:
        """Have the registry serve what was kept, as far as it is not too old."""
        now = self._clock.wall()
        missing = {_identity(hold): (self._moment(hold.since), hold.reason == Reason.EMPTIED) for hold in state.holds}
        self._resume_orders(state)
        sources = [source for source in state.sources if source.source in self._registry.sources]
        for source in sources:
            if source.read is not None:
                self._read[source.source] = source.read
            too_old = source.read is None or now - source.read > self._max_age
            if too_old and not self._pauses.paused(source.source):
                self._aged[source.source] = source
        young = [source for source in sources if source.source not in self._aged]
        self._registry.restore(
            _parts(young, missing, self._moment),
            agreed={agreed.service: agreed.protocol for agreed in state.protocols},
            gone={retained.service: self._moment(retained.gone) for retained in state.retained},
            blind=frozenset(hold.source for hold in state.holds if hold.reason == Reason.DOUBT),
        )
        for source in self._aged.values():
            age = None if source.read is None else round(now - source.read)
            log.warning("state.too_old", extra={"source": source.source, "age": age, "restore_max_age": self._max_age})

    def accept(self, source: SourceName) -> int:
        """Have the registry serve what was kept of a source although it is too old; returns how many endpoints."""
        aged = self._aged.pop(source, None)
        if aged is None:
            return 0
        self._registry.restore(_parts([aged], {}, self._moment), agreed={}, gone={})
        return sum(len(known.endpoints) for known in aged.services)

    def _resume_orders(self, state: State) -> None:
        """Go on with what operators have asked for."""
        everything = self._registry.sources
        freeze = next((Freeze(each.since, each.by) for each in state.pauses if each.source is None), None)
        pauses = {name: Pause(name, freeze.since, freeze.by) for name in everything} if freeze else {}
        pauses |= {each.source: Pause(each.source, each.since, each.by) for each in state.pauses if each.source}
        self._pauses.restore(pauses.values(), freeze)
        self._drains.restore(
            Drain(drain.target, drain.until, drain.by) for drain in state.drains if drain.until is not None
        )

    def _known(self, place: Place, service: ServiceName, part: Part) -> _Written:
        before = self._written.get((place, service))
        reason = self._registry.reason(*place) if part.kept else ""
        same = before and before.entries is part.entries and before.since is part.since and before.kept is part.kept
        if before and same and before.reason == reason:
            return before
        endpoints = tuple(KnownEndpoint(endpoint, since.wall) for endpoint, since, _ in part.endpoints())
        known = KnownService(place[1], service, endpoints)
        return _Written(part.entries, part.since, part.kept, reason, known, _holds(place, service, part, reason))

    def _moment(self, wall: float) -> Moment:
        """A moment of an earlier process on the clock of this one; never one to come, whatever the clocks say."""
        ago = max(0.0, self._clock.wall() - wall)
        return Moment(wall, self._clock.monotonic() - ago)


def _orders(pauses: Pauses) -> Iterator[KeptPause]:
    """Every pause, and that everything is paused."""
    if pauses.freeze:
        yield KeptPause(None, pauses.freeze.since, pauses.freeze.by, frozen="")
    for each in pauses.all():
        yield KeptPause(each.source, each.since, each.by, frozen="")


_Identity = tuple[SourceName, str, ServiceName, object, str]
_Absence = tuple[Moment, bool]
"""Since when an endpoint is missing, and whether it went when its source had nothing any more."""


def _identity(hold: Hold) -> _Identity:
    return (hold.source, hold.scope, hold.service, hold.endpoint, hold.instance)


def _holds(place: Place, service: ServiceName, part: Part, reason: str) -> tuple[Hold, ...]:
    source, scope = place
    return tuple(
        Hold(source, scope, service, kept.endpoint.key, kept.endpoint.instance, why, kept.missing.wall)
        for kept in part.kept.values()
        for why in [Reason.EMPTIED if kept.emptied else reason]
        if kept.missing
    )


def _parts(
    sources: Iterable[KnownSource], missing: Mapping[_Identity, _Absence], moment: Callable[[float], Moment]
) -> Iterable[RestoredPart]:
    for source in sources:
        for known in source.services:

            def kept(one: KnownEndpoint, source: KnownSource = source, known: KnownService = known) -> Kept:
                found: Endpoint = one.endpoint
                identity = (source.source, known.scope, known.service, found.key, found.instance)
                return Kept(found, moment(one.since), *missing.get(identity, (None, False)))

            yield RestoredPart(source.source, known.scope, known.service, tuple(map(kept, known.endpoints)))


def _protocols(
    services: Iterable[Service], before: Mapping[ServiceName, UpstreamProtocol]
) -> tuple[AgreedProtocol, ...]:
    agreed = {**before, **{service.name: service.protocol for service in services if service.protocol}}
    return tuple(AgreedProtocol(name, protocol) for name, protocol in agreed.items())
