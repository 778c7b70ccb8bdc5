"""Everything the sources have said, by (source, scope, service), and what it amounts to.

The one place where knowledge is kept. It changes only through a `Sink`, so an error, which reaches no sink, cannot
shrink it; and what a read lacks is let go only when the guard agrees. Touched on the event loop only.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from bridge.adapter import Sink
from bridge.clock import Clock, Moment
from bridge.diff import Diff
from bridge.guard import Reason
from bridge.merge import MergePolicy, Report, Service, merged
from bridge.model import EndpointKey, Entry, InstanceId, Scope, ServiceName, SourceName, UpstreamProtocol
from bridge.registry.dues import Dues
from bridge.registry.holding import Holding
from bridge.registry.options import BELIEVING, Options, RestoredPart
from bridge.registry.part import NOTHING, Part, identity
from bridge.registry.parts import Parts, ReportedSetAside
from bridge.registry.refusals import Refusals, RefusedService
from bridge.registry.scribe import Scribe
from bridge.registry.sink import NOBODY, Place, Said, SourceSink
from bridge.registry.source import Hold, Source, SourceStatistics


class Registry:
    """Keeps what each scope of each source last said; `drain` tells what that changed, merged by service."""

    def __init__(
        self,
        sources: Sequence[SourceName],
        policy: Callable[[ServiceName], MergePolicy],
        clock: Callable[[], float],
        options: Options = BELIEVING,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start empty.

        Args:
            sources: in the order of the configuration, which is their precedence.
            policy: the merge policy of a service.
            clock: Unix time; for people, and to tell which of two reports of one address is the later one.
            options: what becomes of what vanishes; by default it goes at once.
            monotonic: seconds, to decide by.
        """
        self._sources = {
            name: Source(name, rank, options.guard, allow_empty=name in options.allow_empty)
            for rank, name in enumerate(sources)
        }
        self._policy = policy
        self._options = options
        self._scribe = Scribe(options.record, clock)
        self._parts = Parts(self._sources, Clock(clock, monotonic), self._scribe)
        self._holding = Holding(self._parts, options.guard.release_after)
        self._refusals = Refusals(self._scribe.refused)
        self._services: dict[ServiceName, Service] = {}
        self._agreed: dict[ServiceName, UpstreamProtocol] = {}
        self._gone: dict[ServiceName, Moment] = {}
        self._dirty: dict[ServiceName, None] = {}
        self._retold: set[ServiceName] = set()
        """Services that are to be told of although nothing in them has changed."""
        self._dues = Dues(monotonic)
        self._version = 0
        self._wake = asyncio.Event()

    @property
    def sources(self) -> tuple[SourceName, ...]:
        """Who may report something, in the order of the configuration."""
        return tuple(self._sources)

    def sink(self, source: SourceName) -> Sink:
        """Where `source` puts what it reads."""
        return SourceSink(self, source)

    async def changed(self) -> None:
        """Wait until there is something that `drain` has yet to merge, and that was not waited for before.

        That is what was reported, and what a policy has to decide anew because its time has come.
        """
        while not self._wake.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._dues.wait()):
                    await self._wake.wait()
            if due := self._dues.take():
                self._dirty.update(dict.fromkeys(due))
                self._wake.set()
        self._wake.clear()

    def freeze(self, *, frozen: bool, since: float | None = None) -> None:
        """Have nothing change because of the time, from now or an earlier Unix time on, or have it do so again."""
        now = self._parts.clocks.now()
        at = now.monotonic if since is None else now.monotonic - max(0.0, now.wall - since)
        if self._dues.stop(at if frozen else None):
            self._wake.set()

    def pause(self, source: SourceName, *, paused: bool) -> None:
        """Have nothing be let go of a source while it is paused, or judge it again."""
        self._holding.judge_all()
        self._sources[source].paused = paused

    @property
    def dirty(self) -> int:
        """Number of services that `drain` has yet to merge."""
        return len(self._dirty)

    def drain(self, limit: int | None = None) -> Diff[ServiceName, Service]:
        """Judge what is missing, merge the services that were touched, and tell what is now different, oldest first.

        All that went missing since the last time is judged together: that a source tells of it bit by bit makes it no
        smaller.

        Args:
            limit: how many services to take; None takes all. A service is always taken whole.
        """
        self._holding.judge_all()
        self._wake_up()
        added: dict[ServiceName, Service] = {}
        changed: dict[ServiceName, Service] = {}
        removed: set[ServiceName] = set()
        for name in list(self._dirty)[:limit]:
            del self._dirty[name]
            self._dues.note(name, None)
            old = self._services.get(name)
            new = self._served(name, old)
            if new is None and old is not None:
                del self._services[name]
                removed.add(name)
            elif new is not None and (new != old or name in self._retold):
                told = self._services[name] = old if old is not None and new == old else new
                (added if old is None else changed)[name] = told
            self._retold.discard(name)
            self._parts.causes.merged(name, different=new != old)
        if not self._dirty:
            self._wake.clear()
        return Diff(added, changed, frozenset(removed))

    def causes(self) -> Mapping[SourceName, float]:
        """The monotonic time at which each source first said what was drained since the last call; no other source."""
        return self._parts.causes.take()

    def services(self) -> Mapping[ServiceName, Service]:
        """All services as last drained."""
        return self._services

    def set_aside(self, service: ServiceName) -> tuple[ReportedSetAside, ...]:
        """The entries of a service that cannot be served, with who reported them and why."""
        return self._parts.set_aside(service)

    def set_aside_counts(self) -> Mapping[ServiceName, Mapping[SourceName, int]]:
        """How many entries of each service cannot be served, by source, for those of which there are any."""
        return self._parts.set_aside_counts()

    def refused(self, source: SourceName) -> tuple[RefusedService, ...]:
        """The services of a source that cannot be served because of their names, and why."""
        return self._refusals.of(source)

    @property
    def version(self) -> int:
        """Grows with every change of what is known."""
        return self._version

    def parts(self) -> Iterator[tuple[Place, ServiceName, Part]]:
        """All that is known, to be kept; what is in a part is replaced when it changes."""
        return self._parts.all()

    def copies(self, services: int) -> Iterator[list[tuple[Place, ServiceName, Part]]]:
        """All that is known, for another thread: of so many services at a time, each as it is by then."""
        return self._parts.copies(services)

    def gone(self) -> Mapping[ServiceName, Moment]:
        """The services that stay although nobody names them, with when they went."""
        return self._gone

    def retained(self) -> Mapping[ServiceName, float]:
        """The services that stay although nobody names them, with the Unix time at which each goes."""
        now = self._parts.clocks.now()
        ends = now.wall - now.monotonic + self._options.retention
        return {name: gone.monotonic + ends for name, gone in self._gone.items()}

    def reason(self, source: SourceName, scope: Scope) -> str:
        """Why what is missing in a scope is held, beside what went when the source had nothing; empty for no reason."""
        found = self._sources[source]
        held = Reason.LOSS if Reason.LOSS in found.reasons else ""
        return Reason.DOUBT if found.doubted(scope) else held

    def recalled(self, source: SourceName) -> bool:
        """Whether something of a source was known from an earlier process."""
        return self._sources[source].recalled

    def agreed(self) -> Mapping[ServiceName, UpstreamProtocol]:
        """What services last agreed on that nobody has named since the start."""
        return self._agreed

    def statistics(self, source: SourceName) -> SourceStatistics:
        """Counts of what a source contributes now; kept as it changes, so asking costs nothing."""
        return self._sources[source].statistics

    def holds(self, source: SourceName) -> tuple[Hold, ...]:
        """What is held of a source, one for each reason."""
        return self._holding.holds(self._sources[source])

    def reported(self, source: SourceName, scope: Scope) -> Mapping[ServiceName, frozenset[Entry]]:
        """What a scope of a source last said, service by service."""
        place = (source, scope)
        return {name: self._parts.entries(place, name) for name in self._parts.named(place)}

    def said(self, source: SourceName) -> Said:
        """What every scope of a source last said; of services with impossible names, that it named them."""
        places = ((source, scope) for scope in self._sources[source].scopes)
        said = {place[1]: {**dict.fromkeys(self.names(place), NOTHING), **self.reported(*place)} for place in places}
        return {scope: services for scope, services in said.items() if services}

    def touch(self, services: Iterable[ServiceName]) -> None:
        """Have services merged anew, because something else than a report says something else of them."""
        self._parts.touched.update(dict.fromkeys(services))
        self._wake_up()

    def reports(self, service: ServiceName) -> Sequence[Report]:
        """What is to be merged of a service: all that sources say, or said and is kept, and what was laid over it."""
        return self._options.amend(service, list(self._parts.reports(service))) if service in self._parts else []

    def unserved(self, service: ServiceName) -> Callable[[], list[Report]]:
        """How to find what is reported of a service at this moment and not served: work for another thread."""
        return self._parts.unserved(self._services.get(service, Service(service)))

    def at(self, key: EndpointKey) -> list[ServiceName]:
        """The services of which some source reports an endpoint with this address and port."""
        return list(self._parts.at(key))

    def foreseen(self, service: ServiceName) -> Service:
        """What the next `drain` makes of a service, if nothing more is said until then."""
        old = self._services.get(service)
        return merged(service, self.reports(service), self._policy(service), old, self._dues.now())

    def names(self, place: Place) -> frozenset[ServiceName]:
        """The services of a scope of a source: what it last named, impossible names included, and what is kept."""
        return self._parts.services(place) | self._refusals.names(place)

    def put(
        self,
        place: Place,
        service: ServiceName,
        entries: frozenset[Entry],
        *,
        complete: bool = True,
        ended: Collection[InstanceId] = NOBODY,
    ) -> None:
        """Keep what a scope of a source says about a service; one with an impossible name is refused alone."""
        if self._refusals.accepts(place, service):
            self._parts.put(place, service, entries, ended, complete=complete)
            self._wake_up()

    def discard(self, place: Place, service: ServiceName, ended: Collection[InstanceId] = NOBODY) -> None:
        """Have a scope no longer name a service; the service is gone when no scope names it or keeps anything of it."""
        self._refusals.forget(place, service)
        self._parts.discard(place, service, ended)
        self._wake_up()

    def end(self, place: Place, service: ServiceName, ended: Collection[InstanceId]) -> None:
        """Let go of instances that have ended, of a service that a scope of a source no longer names."""
        self._parts.end(place, service, ended)
        self._wake_up()

    def doubt(self, source: SourceName, scope: Scope | None, reason: str, *, lost: bool = False) -> None:
        """Have absences in what a source says mean nothing while there is a reason for that; see `Sink`."""
        self._holding.doubt(self._sources[source], scope, reason, lost=lost)
        self._wake_up()

    def configure(
        self,
        sources: Sequence[SourceName],
        policy: Callable[[ServiceName], MergePolicy],
        options: Options,
        *,
        retell: bool,
    ) -> None:
        """Go by another configuration: every service is merged anew, every loss is judged anew.

        Args:
            sources: in their new order; those that there were and that are not among them come last until `forget`.
            policy: the merge policy of a service.
            options: what becomes of what vanishes.
            retell: whether `drain` tells of every service once more, as changed, whatever has changed in it.
        """
        for rank, name in enumerate([*sources, *(each for each in self._sources if each not in sources)]):
            allow_empty = name in options.allow_empty
            # Put at its end again, so that the order is the new one.
            source = self._sources.pop(name, None) or Source(name, rank, options.guard, allow_empty=allow_empty)
            source.rank = rank
            source.guard.configure(options.guard, allow_empty=allow_empty)
            self._sources[name] = source
        self._policy, self._options = policy, options
        self._holding.configure(options.guard.release_after)
        self._parts.touch_all()
        self._parts.touched.update(dict.fromkeys(self._services))
        if retell:
            self._retold.update(self._services)
        self._wake_up()
        self._wake.set()

    def suspend(self, source: SourceName) -> None:
        """Serve what a source says until it has told of everything anew: it is read in another way from here on."""
        self._holding.judge_all()
        self._parts.suspend(self._sources[source])
        self._wake_up()

    def forget(self, source: SourceName, why: str) -> None:
        """Have nothing of a source any more, because somebody says so; nobody may put anything in its sink again."""
        self._parts.forget(self._sources[source], why)
        self._holding.forget(self._sources.pop(source))
        self._refusals.forget_all(source)
        self._wake_up()

    def restore(
        self,
        parts: Iterable[RestoredPart],
        agreed: Mapping[ServiceName, UpstreamProtocol],
        gone: Mapping[ServiceName, Moment],
        blind: frozenset[SourceName] = frozenset(),
    ) -> None:
        """Serve what an earlier process knew until the sources have told of it.

        Args:
            parts: of sources that there are, unless they have told of them themselves; others are left out.
            agreed: protocols that the endpoints of a service last agreed on.
            gone: services that stay although nobody reports them, with when they went.
            blind: sources of which something is missing and was in doubt.
        """
        self._agreed.update(agreed)
        self._gone.update(gone)
        self._parts.touched.update(dict.fromkeys(gone))
        recalled: set[SourceName] = set()
        for restored in parts:
            place = (restored.source, restored.scope)
            if restored.source in self._sources and not self._parts.known(place, restored.service):
                self._parts.join(place, restored.service, Part(named=False))
                with self._parts.changing((place, restored.service)) as part:
                    part.kept = {identity(kept.endpoint): kept for kept in restored.endpoints}
                recalled.add(restored.source)
        for name in recalled:
            self._scribe.restored(name, self._sources[name].restored)
            self._holding.begin(self._sources[name], blind=name in blind)
        self._wake_up()

    def spoken(self, source: SourceName) -> None:
        """Take note that a source has told of everything it has: what is restored and was not told of is missing."""
        self._holding.spoken(self._sources[source])
        self._wake_up()

    def release(self, source: SourceName) -> int:
        """Let go of all that is held of a source, because somebody says so; returns how many endpoints that are."""
        released = self._holding.release(self._sources[source])
        self._wake_up()
        return released

    def expire(self, agreed: Callable[[SourceName], bool]) -> None:
        """Let go of what has been missing for long enough, and of services that have been gone for long enough.

        Args:
            agreed: whether every read of a source has succeeded of late.
        """
        if self._dues.stopped:
            return
        self._holding.believe(agreed)
        self._parts.touched.update(dict.fromkeys(name for name in self._gone if not self._retained(name)))
        self._wake_up()

    def _wake_up(self) -> None:
        touched, self._parts.touched = self._parts.touched, {}
        self._dirty.update(touched)
        if touched:
            self._version += 1
            self._wake.set()

    def _served(self, name: ServiceName, old: Service | None) -> Service | None:
        """What is served of a service now; None when its cluster is to go."""
        if name in self._parts:
            self._gone.pop(name, None)
            return self._merge(name, self.reports(name), old)
        if old is not None and name not in self._gone:
            self._gone[name] = self._parts.clocks.now()
            self._scribe.gone(name, self._options.retention)
        if self._retained(name):
            return self._merge(name, [], old)
        if self._gone.pop(name, None) and self._options.retention:
            self._scribe.expired(name, self._options.retention)
        return None

    def _retained(self, name: ServiceName) -> bool:
        gone = self._gone.get(name)
        return gone is not None and self._dues.now() - gone.monotonic < self._options.retention

    def _merge(self, name: ServiceName, reports: Sequence[Report], old: Service | None) -> Service:
        before = old or Service(name, protocol=self._agreed.pop(name, None))
        new = merged(name, reports, self._policy(name), before, self._dues.now())
        self._dues.note(name, new.ruling.due)
        return new
