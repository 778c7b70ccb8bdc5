"""Reads each source once, with the parts that the daemon reads it with, and keeps what came and what it cost."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from bridge.adapter import Adapter
from bridge.config import SourceConfig
from bridge.errors import Cause
from bridge.merge import MergePolicy, Service, union
from bridge.model import ServiceName, SourceName
from bridge.observer import SourceObserver
from bridge.poll import Poll
from bridge.registry import RefusedService, Registry, ReportedSetAside, SourceStatistics
from bridge.supervisor import SourceStatus, Supervisor

LINGER = 2.0
"""Seconds that the other reads of a source get after one of them failed, so that the report tells of them too."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source answered."""

    source: SourceConfig
    complete: bool
    """Whether a full pass succeeded in time."""
    errors: tuple[str, ...]
    seconds: float
    requests: Mapping[tuple[str, str], int]
    """API calls made, by operation and status or error code."""
    statistics: SourceStatistics
    set_aside: Sequence[tuple[str, ReportedSetAside]]
    """Entries that cannot be served, each with the name of its service."""
    refused: Sequence[RefusedService] = ()
    """Services that cannot be served at all, because of their names."""
    polls: Sequence[Poll] = ()
    """What its reads that poll cost, where they do."""
    missing: tuple[str, ...] = ()
    """The permissions that it lacks, as far as could be found out: what was denied may hide more."""
    services: frozenset[ServiceName] = frozenset()
    """Those of which it has an endpoint."""

    @property
    def findings(self) -> tuple[str, ...]:
        """What is wrong, for the operator; empty when the source would be served."""
        if self.errors:
            return self.errors
        if not self.complete:
            return (f"not read completely within {self.seconds:.1f} s",)
        if not self.source.allow_empty and not any(self.statistics.endpoints.values()):
            waits = "no endpoint found; the bridge waits for one unless the source says `allow_empty: true`"
            searched = self.source.searched()
            return (f"{waits}; {searched}" if searched else waits,)
        return ()


class Reads(NamedTuple):
    """What all sources answered, and what that amounts to."""

    readings: Sequence[Reading]
    services: Mapping[ServiceName, Service]


async def read_once(
    sources: Sequence[SourceConfig], adapters: Mapping[SourceName, Adapter], timeout: float
) -> Sequence[Reading]:
    """Run the adapter of every source until its first full pass is done, it fails, or `timeout` seconds are over."""
    return (await read_merged(sources, adapters, timeout, lambda _: union)).readings


async def read_merged(
    sources: Sequence[SourceConfig],
    adapters: Mapping[SourceName, Adapter],
    timeout: float,
    policy: Callable[[ServiceName], MergePolicy],
) -> Reads:
    """The same, and the services that the sources amount to by a merge policy for each."""
    names = [source.name for source in sources]
    registry = Registry(names, policy, clock=time.time)
    passes = {name: _Pass() for name in names}
    supervisor = Supervisor([_Recorder(passes)], _ticks, kept=lambda _: 0)
    async with asyncio.TaskGroup() as tasks:
        for source in sources:
            sink = registry.sink(source.name)
            work = supervisor.run(source.name, adapters[source.name], sink, allow_empty=source.allow_empty)
            current = passes[source.name]
            tasks.create_task(
                _limited(tasks.create_task(work), current, partial(supervisor.status, source.name), timeout)
            )
    registry.drain()
    readings = [_reading(source, passes[source.name], registry) for source in sources]
    return Reads(readings, registry.services())


@dataclass(slots=True)
class _Pass:
    """How far the read of one source got."""

    complete: bool = False
    errors: list[str] = field(default_factory=list)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    seconds: float = 0.0
    status: SourceStatus | None = None
    """How reading it went, until it was ended."""


@dataclass(frozen=True, slots=True)
class _Recorder(SourceObserver):
    """Hears from the supervisor how the reads go, and ends a pass that is complete or has failed."""

    passes: Mapping[SourceName, _Pass]

    def succeeded(self, source: SourceName, reading: str) -> None:
        if not reading:
            self.passes[source].complete = True
            self.passes[source].over.set()

    def failed(self, source: SourceName, reading: str, error: str, cause: Cause = Cause.ERROR) -> None:
        self._failed(source, reading, error)

    def crashed(self, source: SourceName, reading: str) -> None:
        self._failed(source, reading, f"a bug in the adapter{f' while reading {reading}' if reading else ''}")

    def requested(self, source: SourceName, operation: str, code: str, duration: float) -> None:
        current = self.passes[source]
        if not current.over.is_set():  # what follows is the watching that the daemon would do, cut short
            current.requests[operation, code] += 1

    def _failed(self, source: SourceName, reading: str, error: str) -> None:
        current = self.passes[source]
        if error not in current.errors:
            current.errors.append(error)
        if reading:
            asyncio.get_running_loop().call_later(LINGER, current.over.set)
        else:
            current.over.set()


async def _limited(
    work: "asyncio.Task[None]", current: _Pass, status: Callable[[], SourceStatus], timeout: float
) -> None:
    start = time.monotonic()
    try:
        async with asyncio.timeout(timeout):
            await current.over.wait()
    except TimeoutError:
        pass
    finally:
        current.seconds = time.monotonic() - start
        current.status = status()
        work.cancel()


async def _ticks(interval: float) -> AsyncIterator[None]:
    while True:
        yield
        await asyncio.sleep(interval)


def _reading(source: SourceConfig, current: _Pass, registry: Registry) -> Reading:
    status = current.status or SourceStatus(source.name)
    return Reading(
        source=source,
        complete=current.complete,
        errors=tuple(current.errors),
        seconds=current.seconds,
        requests=current.requests,
        statistics=registry.statistics(source.name),
        set_aside=[
            (service, each)
            for service in sorted(registry.services())
            for each in registry.set_aside(service)
            if each.source == source.name
        ],
        refused=registry.refused(source.name),
        polls=[each.poll for each in status.readings if each.poll],
        missing=tuple(dict.fromkeys(each for failure in status.failures for each in failure.missing)),
        services=frozenset(
            name
            for name, service in registry.services().items()
            if any(origin.source == source.name for served in service.endpoints for origin in served.origins)
        ),
    )
