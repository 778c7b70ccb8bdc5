"""The bridge as an adapter sees it, kept in memory: what it reported, noticed and failed at."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar, cast

from bridge.adapter import Adapter
from bridge.errors import SourceError
from bridge.model import Endpoint, Entry, InstanceId, Scope, ServiceName, SetAside, SourceName
from bridge.poll import Poll

T = TypeVar("T")

RETRY_AFTER = 0.05

NOTHING: frozenset[Entry] = frozenset()


class RecordingSink:
    """Applies what is reported as the interface says, and remembers what was ever taken away."""

    def __init__(self) -> None:
        self.state: dict[Scope, dict[ServiceName, frozenset[Entry]]] = {}
        self.calls: list[tuple[str, Scope]] = []
        self.lost: list[str] = []
        """Every address and port of an endpoint that was reported once and then was not, in order."""
        self.doubts: list[tuple[Scope | None, str]] = []
        self._said: dict[Scope, dict[ServiceName, frozenset[Entry]]] = {}
        self.removed: set[InstanceId] = set()
        """Every instance that was reported as ended."""

    def replace(
        self,
        scope: Scope,
        services: Mapping[ServiceName, frozenset[Entry]],
        *,
        complete: bool = True,
        removed: frozenset[InstanceId] = frozenset(),
    ) -> None:
        self.calls.append(("replace" if complete else "add", scope))
        self.removed |= removed
        known = self.state.get(scope, {})
        if complete:
            self._set(scope, dict(services))
            return
        merged = dict(known)
        for service, entries in services.items():
            merged[service] = _added(known.get(service, frozenset()), entries)
        gone = {name: frozenset(e for e in entries if e.instance not in removed) for name, entries in merged.items()}
        self._set(scope, gone)

    def update(self, scope: Scope, service: ServiceName, entries: frozenset[Entry]) -> None:
        self.calls.append(("update", scope))
        self._set(scope, {**self.state.get(scope, {}), service: entries})

    def remove(self, scope: Scope, service: ServiceName) -> None:
        self.calls.append(("remove", scope))
        self._set(scope, {name: kept for name, kept in self.state.get(scope, {}).items() if name != service})

    def doubt(self, scope: Scope | None, reason: str, *, lost: bool = False) -> None:
        self.doubts.append((scope, reason))
        for doubted in self._said if scope is None else [scope]:
            self._set(doubted, self._said.get(doubted, {}))

    def _set(self, scope: Scope, services: dict[ServiceName, frozenset[Entry]]) -> None:
        known = self.state.get(scope, {})
        self._said[scope] = services
        before = _addresses(known)
        if {scope, None} & {doubted for doubted, reason in dict(self.doubts).items() if reason}:
            services = {**services, **{name: _added(known[name], services.get(name, NOTHING)) for name in known}}
        self.state[scope] = services
        self.lost += sorted(before - _addresses(services))

    @property
    def services(self) -> dict[str, dict[str, Endpoint]]:
        """Every service with its endpoints by `address:port`, whatever the scope."""
        found: dict[str, dict[str, Endpoint]] = {}
        for services in self.state.values():
            for name, entries in services.items():
                endpoints = found.setdefault(name, {})
                endpoints.update({str(entry.key): entry for entry in entries if isinstance(entry, Endpoint)})
        return found

    @property
    def set_aside(self) -> dict[str, list[SetAside]]:
        """What was set aside, by service."""
        found: dict[str, list[SetAside]] = defaultdict(list)
        for services in self.state.values():
            for name, entries in services.items():
                found[name] += [entry for entry in entries if isinstance(entry, SetAside)]
        return found

    def addresses(self, service: str) -> set[str]:
        """The endpoints of a service as `address:port`; empty when there is no such service."""
        return set(self.services.get(service, {}))


def _added(known: frozenset[Entry], entries: frozenset[Entry]) -> frozenset[Entry]:
    keys = {entry.key for entry in entries if isinstance(entry, Endpoint)}
    return entries | {entry for entry in known if not (isinstance(entry, Endpoint) and entry.key in keys)}


def _addresses(services: Mapping[ServiceName, frozenset[Entry]]) -> set[str]:
    return {str(entry.key) for entries in services.values() for entry in entries if isinstance(entry, Endpoint)}


class RecordingContext:
    """An `AdapterContext` that retries fast and remembers everything.

    Args:
        process: what sources of one process share; give several contexts the same dictionary.
        patient: retry no sooner than a failure says.
    """

    def __init__(
        self,
        source: str = "source",
        *,
        allow_empty: bool = False,
        process: dict[str, object] | None = None,
        patient: bool = False,
    ) -> None:
        self.source = SourceName(source)
        self.allow_empty = allow_empty
        self.sink = RecordingSink()
        self.notices: list[tuple[str, dict[str, object]]] = []
        self.failures: dict[str, list[SourceError]] = defaultdict(list)
        self.successes: Counter[str] = Counter()
        self.requests: Counter[tuple[str, str]] = Counter()
        self.polls: dict[str, Poll] = {}
        self._process = {} if process is None else process
        self._patient = patient

    @property
    def spoken(self) -> bool:
        """Whether the source said that everything was read once."""
        return self.successes[""] > 0

    @property
    def messages(self) -> str:
        """Everything that ever failed, for a look at its wording."""
        return "\n".join(f"{name}: {error}" for name, errors in self.failures.items() for error in errors)

    async def ticks(self, interval: float) -> AsyncIterator[None]:
        while True:
            yield
            await asyncio.sleep(interval)

    async def supervise(self, name: str, work: Callable[[], Awaitable[None]], *, vital: bool = True) -> None:
        while True:
            try:
                await work()
            except SourceError as error:
                self.failures[name].append(error)
                await asyncio.sleep((self._patient and error.retry_after) or RETRY_AFTER)
            else:
                return

    def succeeded(self, name: str = "") -> None:
        self.successes[name] += 1

    def requested(self, operation: str, code: str, duration: float) -> None:
        assert duration >= 0
        self.requests[operation, code] += 1

    def polled(self, name: str, poll: Poll) -> None:
        self.polls[name] = poll

    def noticed(self, event: str, **fields: object) -> None:
        self.notices.append((event, fields))

    def shared(self, key: str, make: Callable[[], T]) -> T:
        if key not in self._process:
            self._process[key] = make()
        return cast("T", self._process[key])


@asynccontextmanager
async def running(adapter: Adapter, context: RecordingContext) -> AsyncIterator[RecordingContext]:
    """Run an adapter as the supervisor does; it must end soon after it was cancelled, whatever it waits for."""
    task = asyncio.create_task(context.supervise("run", lambda: adapter.run(context)))
    try:
        yield context
        assert not task.done(), f"the adapter ended: {task}"
    finally:
        task.cancel()
        async with asyncio.timeout(10):
            await asyncio.wait({task})
        if not task.cancelled():
            task.result()
