"""Runs adapters as the bridge does, under the real Supervisor, into memory or into a real Registry."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from bridge.adapter import Adapter, Sink
from bridge.errors import Cause
from bridge.merge import union
from bridge.model import Endpoint, Entry, Health, InstanceId, Scope, ServiceName, SourceName
from bridge.observer import SourceObserver
from bridge.registry import Registry
from bridge.supervisor import Backoff, Supervisor, Ticks

SOURCE = SourceName("under-test")

QUICK = Backoff(first=0.02, limit=0.1)
"""The back-off of a test against a real service, which should not wait for what it does not test."""


class MemorySink:
    """Keeps what was reported, scope by scope, and how."""

    def __init__(self) -> None:
        self.scopes: dict[Scope, dict[ServiceName, frozenset[Entry]]] = {}
        self.calls: list[str] = []
        """Which methods were called, oldest first."""
        self.doubts: dict[Scope | None, str] = {}

    def replace(
        self,
        scope: Scope,
        services: Mapping[ServiceName, frozenset[Entry]],
        *,
        complete: bool = True,
        removed: frozenset[InstanceId] = frozenset(),
    ) -> None:
        """Keep a complete read; partial ones are what a real Registry is for."""
        assert complete
        assert not removed
        self.calls.append("replace")
        self.scopes[scope] = dict(services)

    def update(self, scope: Scope, service: ServiceName, entries: frozenset[Entry]) -> None:
        """Keep one service."""
        self.calls.append("update")
        self.scopes.setdefault(scope, {})[service] = entries

    def remove(self, scope: Scope, service: ServiceName) -> None:
        """Forget one service."""
        self.calls.append("remove")
        self.scopes.get(scope, {}).pop(service, None)

    @property
    def services(self) -> dict[ServiceName, frozenset[Entry]]:
        """Every service of all scopes."""
        return {name: entries for scope in self.scopes.values() for name, entries in scope.items()}

    def doubt(self, scope: Scope | None, reason: str, *, lost: bool = False) -> None:
        """Keep the latest doubt about a scope."""
        self.doubts[scope] = reason


@dataclass
class RecordingObserver(SourceObserver):
    """Keeps what the supervisor told."""

    events: list[tuple[str, ...]] = field(default_factory=list)

    def started(self, source: SourceName) -> None:
        self.events.append(("started", source))

    def ended(self, source: SourceName) -> None:
        self.events.append(("ended", source))

    def succeeded(self, source: SourceName, reading: str) -> None:
        self.events.append(("succeeded", source, reading))

    def failed(self, source: SourceName, reading: str, error: str, cause: Cause = Cause.ERROR) -> None:
        self.events.append(("failed", source, reading, error))

    def crashed(self, source: SourceName, reading: str) -> None:
        self.events.append(("crashed", source, reading))

    def recovered(self, source: SourceName) -> None:
        self.events.append(("recovered", source))

    def requested(self, source: SourceName, operation: str, code: str, duration: float) -> None:
        self.events.append(("requested", source, operation, code, str(duration)))

    def count(self, event: str) -> int:
        """How often something was told."""
        return sum(1 for told in self.events if told[0] == event)


@dataclass(frozen=True)
class RunningAdapter:
    """An adapter that reads its source into a Registry of its own."""

    task: "asyncio.Task[None]"
    supervisor: Supervisor
    registry: Registry
    observer: RecordingObserver
    _first: "_FirstPass"

    @property
    def first_pass(self) -> Mapping[str, frozenset[tuple[str, int]]] | None:
        """Address and port of all that was known the moment the first complete pass was said to be done."""
        return self._first.known

    @property
    def synced(self) -> bool:
        """Whether the first complete pass is done."""
        return ("succeeded", SOURCE, "") in self.observer.events

    @property
    def failing(self) -> tuple[str, ...]:
        """The errors of what fails now."""
        return tuple(failure.error for failure in self.supervisor.status(SOURCE).failures)

    def services(self) -> dict[str, frozenset[Endpoint]]:
        """What would be served now."""
        return _served(self.registry)

    def addresses(self) -> dict[str, frozenset[tuple[str, int]]]:
        """Address and port of what would be served now, by service."""
        return _addresses(self.registry)

    def healths(self, service: str) -> dict[tuple[str, int], Health]:
        """Health of each endpoint of a service."""
        found = self.services().get(service, frozenset())
        return {(endpoint.address, endpoint.port): endpoint.health for endpoint in found}

    def set_aside(self, service: str) -> tuple[str, ...]:
        """The reasons for which entries of a service are set aside."""
        return tuple(each.entry.reason for each in self.registry.set_aside(ServiceName(service)))


class _FirstPass(SourceObserver):
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.known: Mapping[str, frozenset[tuple[str, int]]] | None = None

    def succeeded(self, source: SourceName, reading: str) -> None:
        if not reading and self.known is None:
            self.known = _addresses(self._registry)


def _served(registry: Registry) -> dict[str, frozenset[Endpoint]]:
    registry.drain()
    return {
        str(name): frozenset(served.endpoint for served in service.endpoints)
        for name, service in registry.services().items()
    }


def _addresses(registry: Registry) -> dict[str, frozenset[tuple[str, int]]]:
    return {
        name: frozenset((endpoint.address, endpoint.port) for endpoint in endpoints)
        for name, endpoints in _served(registry).items()
    }


def new_registry() -> Registry:
    """A Registry of the one source under test; its clock stands still."""
    return Registry([SOURCE], policy=lambda _service: union, clock=lambda: 0.0)


@contextlib.asynccontextmanager
async def running(
    adapter: Adapter, ticks: Ticks, *, allow_empty: bool = True, registry: Registry | None = None
) -> AsyncIterator[RunningAdapter]:
    """Run an adapter until the end of the block, into a new Registry unless one is given."""
    registry, observer = registry or new_registry(), RecordingObserver()
    first = _FirstPass(registry)
    supervisor = Supervisor([first, observer], ticks, kept=counting(registry), backoff=QUICK)
    work = supervisor.run(SOURCE, adapter, registry.sink(SOURCE), allow_empty=allow_empty)
    task = asyncio.create_task(work)
    try:
        yield RunningAdapter(task, supervisor, registry, observer, first)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def into(sink: Sink, adapter: Adapter, ticks: Ticks) -> AsyncIterator[Supervisor]:
    """Run an adapter into a sink of the test's own until the end of the block."""
    supervisor = Supervisor([], ticks, kept=lambda _source: 0, backoff=QUICK)
    task = asyncio.create_task(supervisor.run(SOURCE, adapter, sink))
    try:
        yield supervisor
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def counting(registry: Registry) -> Callable[[SourceName], int]:
    """How many endpoints of a source a registry knows."""
    return lambda source: sum(registry.statistics(source).endpoints.values())
