"""Sources that an operator has paused: they are read on, and nothing of that is served until they are resumed."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bridge.adapter import Sink
from bridge.model import Entry, InstanceId, Scope, ServiceName, SourceName
from bridge.observer import SourceObserver
from bridge.operator.shadow import Shadow
from bridge.registry import NOBODY, Registry, SourceSink
from bridge.sources import RevocableSink

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pause:
    """That a source is paused."""

    source: SourceName
    since: float
    """Unix time."""
    by: str
    """Who asked for it, for people."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """That everything is paused: sources that come later, too."""

    since: float
    """Unix time."""
    by: str
    """Who asked for it, for people."""


class Pauses(SourceObserver):
    """Leads what sources say to the registry, or past it. Touched on the event loop only.

    The health of endpoints is a part of what sources say, so it is frozen too.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Callable[[], float],
        caught_up: Callable[[SourceName], None],
    ) -> None:
        """Pause nothing.

        Args:
            registry: where what sources say goes.
            clock: Unix time.
            caught_up: is called when a source is resumed that has told of everything it has while it was paused: what
                that means to others, it means from then on.
        """
        self._registry = registry
        self._clock = clock
        self._caught_up = caught_up
        self._pauses: dict[SourceName, Pause] = {}
        self._shadows: dict[SourceName, Shadow] = {}
        self.freeze: Freeze | None = None
        """That sources which come are paused as well; None when they are heard."""

    def sink(self, source: SourceName) -> RevocableSink:
        """Where a source puts what it reads, whether it is paused or not."""
        return _Switch(self, source)

    def sink_now(self, source: SourceName) -> Sink:
        """Where that goes at the moment."""
        shadow = self._shadows.get(source)
        return SourceSink(shadow, source) if shadow else self._registry.sink(source)

    def succeeded(self, source: SourceName, reading: str) -> None:
        """Take note that a source has told of everything it has, if it is paused."""
        if not reading and source in self._shadows:
            self._shadows[source].spoken = True

    def restart(self, source: SourceName) -> None:
        """Keep nothing of what a paused source has said: it is read in another way from now on."""
        if source in self._shadows:
            self._shadows[source] = Shadow({})

    def started(self, source: SourceName) -> None:
        """Pause a source that comes while everything is paused."""
        if self.freeze and source not in self._pauses:
            self._begin(Pause(source, self.freeze.since, self.freeze.by))
            log.info("source.paused", extra={"source": source, "by": self.freeze.by, "since": self.freeze.since})
        self.look_again()

    def ended(self, source: SourceName) -> None:
        """Forget a source that was taken out of the configuration."""
        self._pauses.pop(source, None)
        self._shadows.pop(source, None)

    def pause(self, source: SourceName, by: str) -> None:
        """From now on, keep what a source says apart."""
        self._begin(Pause(source, self._clock(), by))
        log.info("source.paused", extra={"source": source, "by": by})
        self.look_again()

    def pause_those_to_come(self, by: str) -> bool:
        """From now on, pause sources that come, until one is resumed; returns whether that is a change."""
        if self.freeze:
            return False
        self.freeze = Freeze(self._clock(), by)
        self.look_again()
        return True

    def resume(self, source: SourceName, by: str) -> Pause:
        """Serve what a source says, beginning with all that it has said meanwhile; returns the pause that this ends.

        All of that is one change to the guard: nothing is merged in between.
        """
        pause, shadow = self._pauses.pop(source), self._shadows.pop(source)
        self.freeze = None
        self._registry.pause(source, paused=False)
        shadow.tell(self._registry.sink(source))
        if shadow.spoken:
            self._caught_up(source)
        log.info("source.resumed", extra={"source": source, "by": by, "paused_by": pause.by, "since": pause.since})
        self.look_again()
        return pause

    def restore(self, pauses: Iterable[Pause], freeze: Freeze | None = None) -> None:
        """Go on with the pauses of an earlier process, before a source is read; of sources that are gone, with none."""
        self.freeze = freeze
        for pause in pauses:
            if pause.source in self._registry.sources:
                self._begin(pause)
                log.info("source.paused", extra={"source": pause.source, "by": pause.by, "since": pause.since})
        since = max((pause.since for pause in self._pauses.values()), default=None)
        self._registry.freeze(frozen=self.everything, since=since)

    def look_again(self) -> None:
        """Have time change nothing that is served while everything is paused; called when sources come and go."""
        self._registry.freeze(frozen=self.everything)

    def paused(self, source: SourceName) -> Pause | None:
        """The pause of a source; None when it is heard."""
        return self._pauses.get(source)

    def all(self) -> tuple[Pause, ...]:
        """Every pause, in the order of the sources."""
        return tuple(self._pauses[source] for source in self._registry.sources if source in self._pauses)

    @property
    def everything(self) -> bool:
        """Whether every source is paused, so that nothing that is served changes."""
        return len(self._pauses) == len(self._registry.sources)

    def reported(self, source: SourceName) -> int:
        """How many endpoints a paused source reports, whatever is served of it."""
        return self._shadows[source].endpoints

    def _begin(self, pause: Pause) -> None:
        self._pauses[pause.source] = pause
        self._shadows[pause.source] = Shadow(self._registry.said(pause.source))
        self._registry.pause(pause.source, paused=True)


@dataclass(slots=True)
class _Switch:
    """The sink that an adapter holds for as long as it runs; see `Sink`."""

    pauses: Pauses
    source: SourceName
    _revoked: bool = False
    _told: bool = False

    def revoke(self) -> None:
        self._revoked = True

    def replace(
        self,
        scope: Scope,
        services: Mapping[ServiceName, frozenset[Entry]],
        *,
        complete: bool = True,
        removed: frozenset[InstanceId] = NOBODY,
    ) -> None:
        self._now().replace(scope, services, complete=complete, removed=removed)

    def update(self, scope: Scope, service: ServiceName, entries: frozenset[Entry]) -> None:
        self._now().update(scope, service, entries)

    def remove(self, scope: Scope, service: ServiceName) -> None:
        self._now().remove(scope, service)

    def doubt(self, scope: Scope | None, reason: str, *, lost: bool = False) -> None:
        self._now().doubt(scope, reason, lost=lost)

    def _now(self) -> Sink:
        if not self._revoked:
            return self.pauses.sink_now(self.source)
        if not self._told:
            self._told = True
            log.warning("source.unheard", extra={"source": self.source})
        return SourceSink(Shadow({}), self.source)
