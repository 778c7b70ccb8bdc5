"""The one loop: registry changes, settled for a moment, become the next that Envoys are served."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bridge.change_log import ChangeLog, EndpointChanges
from bridge.diff import Diff, between
from bridge.history import History
from bridge.merge import Ruling, Service
from bridge.model import Endpoint, EndpointKey, ServiceName, SourceName
from bridge.registry import Registry

CHUNK = 200
"""Services merged, and encoded for a view, before other work on the event loop gets its turn."""


@dataclass(frozen=True, slots=True)
class Debounce:
    """How long a change may wait for its neighbours; the first after a quiet time never waits."""

    quiet: float
    """Seconds without a further change after which the collected ones are published."""
    limit: float
    """Seconds after which they are published although changes go on."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published together, for metrics."""

    endpoints_added: int
    endpoints_changed: int
    endpoints_removed: int
    waited: float
    """Seconds from the first change to its publication."""
    generation: int
    """Number of the generations that carry the change to Envoys, one for each view that it concerns."""
    causes: Mapping[SourceName, float] = field(default_factory=dict)
    """For each source that changed something: seconds from the first of its reports to the publication."""


class Views(Protocol):
    """What Envoys are served from."""

    async def stage(self, diff: Diff[ServiceName, Service]) -> None:
        """Take in a part of the next publication; nobody sees it before `publish`. Others get their turn meanwhile."""

    def publish(self) -> int | None:
        """Show what was staged; the number of the generations that this made, None if it made none."""


class PublicationObserver(Protocol):
    """Is told about every publication."""

    def published(self, publication: Publication) -> None:
        """Envoys are being served something new."""


class FirstAnswer(Protocol):
    """Holds the first publication back."""

    async def wait(self) -> None:
        """Return when Envoys may be answered."""


class Reconciler:
    """Waits for changes, lets bursts settle, merges what changed, and has it encoded and published."""

    def __init__(
        self,
        registry: Registry,
        views: Views,
        debounce: Debounce,
        observer: PublicationObserver,
        history: History,
    ) -> None:
        self._registry = registry
        self._views = views
        self._debounce = debounce
        self._observer = observer
        self.history = history
        self._change_log = ChangeLog()
        self._idle = asyncio.Event()
        self._idle.set()
        self._published: dict[ServiceName, Service] = {}
        self._answering = 0.0
        """The loop's time since which Envoys are answered: what was said before did not wait for us."""
        self.publications = 0
        """How often all that waited was brought out."""

    async def run(self, first_answer: FirstAnswer) -> None:
        """Publish for the first time when `first_answer` allows it, then every change; ends by cancellation only."""
        loop = asyncio.get_running_loop()
        await first_answer.wait()
        self._answering = loop.time()
        published = await self._publish(self._answering)
        while True:
            await self._registry.changed()
            first_change = loop.time()
            if first_change - published < self._debounce.quiet:
                await self._settle(first_change + self._debounce.limit)
            published = await self._publish(first_change)

    def configure(self, debounce: Debounce) -> None:
        """Wait for other times from the next change on."""
        self._debounce = debounce

    @property
    def waiting(self) -> bool:
        """Whether there is a change that Envoys may be served and are not."""
        return not self._idle.is_set() or bool(self._answering and self._registry.dirty)

    async def idle(self) -> None:
        """Return when nothing is half published; it stays so until the caller awaits something else."""
        while not self._idle.is_set():
            await self._idle.wait()

    async def _settle(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        while (remaining := deadline - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(self._debounce.quiet, remaining)):
                    await self._registry.changed()
            except TimeoutError:
                return

    async def _publish(self, first_change: float) -> float:
        """Serve what the registry knows now; returns the loop's time."""
        loop = asyncio.get_running_loop()
        changes: dict[ServiceName, EndpointChanges] = {}
        before: dict[ServiceName, Service | None] = {}
        self._idle.clear()
        rulings: dict[ServiceName, Ruling] = {}
        for _ in range(0, self._registry.dirty, CHUNK):
            diff = self._registry.drain(CHUNK)
            rulings.update(self._new_rulings(diff))
            for name in (*diff.added, *diff.changed, *diff.removed):
                before.setdefault(name, self._published.get(name))
            told = self._endpoint_changes(diff)
            self.history.tell(told, self._published)
            self._collect(changes, told, before)
            await self._views.stage(diff)
        generation = self._views.publish()
        now, causes = loop.time(), self._registry.causes()
        self._idle.set()
        self.publications += 1
        self.history.published()
        if rulings:
            self._change_log.tell_rulings(rulings)
        if generation is not None:
            waits = {source: now - max(said, self._answering) for source, said in causes.items()}
            self._tell(changes, now - first_change, generation, waits)
        return loop.time()

    def _new_rulings(self, diff: Diff[ServiceName, Service]) -> dict[ServiceName, Ruling]:
        """The rulings by which requests go to other sources than before, or, for a new service, than they should."""
        changed = {
            name: service.ruling
            for name, service in diff.changed.items()
            if name in self._published and service.ruling.heard != self._published[name].ruling.heard
        }
        return changed | {name: each.ruling for name, each in diff.added.items() if each.ruling.diverted}

    def _endpoint_changes(self, diff: Diff[ServiceName, Service]) -> dict[ServiceName, EndpointChanges]:
        new = {**diff.added, **diff.changed}
        changes = {
            name: between(_endpoints(self._published.pop(name, None)), _endpoints(new.get(name)))
            for name in (*new, *diff.removed)
        }
        self._published.update(new)
        return {name: change for name, change in changes.items() if change}

    def _collect(
        self,
        changes: dict[ServiceName, EndpointChanges],
        told: Mapping[ServiceName, EndpointChanges],
        before: Mapping[ServiceName, Service | None],
    ) -> None:
        """Add what a part of a publication changes to what the parts before it do."""
        twice = changes.keys() & told.keys()  # it changed again while others had their turn
        changes.update(told)
        for name in twice:
            if both := between(_endpoints(before[name]), _endpoints(self._published.get(name))):
                changes[name] = both
            else:
                del changes[name]

    def _tell(
        self,
        changes: Mapping[ServiceName, EndpointChanges],
        waited: float,
        generation: int,
        causes: Mapping[SourceName, float],
    ) -> None:
        self._change_log.tell(changes)
        self._observer.published(
            Publication(
                endpoints_added=sum(len(diff.added) for diff in changes.values()),
                endpoints_changed=sum(len(diff.changed) for diff in changes.values()),
                endpoints_removed=sum(len(diff.removed) for diff in changes.values()),
                waited=waited,
                generation=generation,
                causes=causes,
            )
        )


def _endpoints(service: Service | None) -> dict[EndpointKey, Endpoint]:
    return {served.endpoint.key: served.endpoint for served in service.endpoints} if service else {}
