"""The composition root: builds every part from the configuration, runs them together, and ends them in order."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from prometheus_client import CollectorRegistry

from bridge import memory, shutdown, tls
from bridge.absent import Absentees
from bridge.adapter import Adapter
from bridge.admin import AdminServer, ListedSource, Upkeep, View
from bridge.audit import Trail
from bridge.audit_file import AuditFile
from bridge.chronicle import SourceChronicle, StreamChronicle
from bridge.clock import Clock
from bridge.config import Config, TlsConfig, XdsConfig, build_adapters, cluster_rules, merge_policies
from bridge.event_log import EventLog
from bridge.guard import GuardRules
from bridge.history import History
from bridge.inquiry import Inquiry
from bridge.log import set_level
from bridge.metrics import Metrics
from bridge.model import SourceName
from bridge.notify import Condition, Herald, ServiceManager
from bridge.operator import AuditLog, Drains, Hand, Pauses
from bridge.peers import Peers
from bridge.readiness import Expectation, Readiness
from bridge.reconciler import Debounce, Reconciler
from bridge.redaction import redacted_rejection
from bridge.registry import Options, Registry
from bridge.reload import Departures, Parts, Reloader, ReloadOutcome, Terms, Transition
from bridge.resources import ResourceBuilder
from bridge.rest import Handshakes, RestOptions, RestServer
from bridge.restoration import Restoration
from bridge.scheduler import Scheduler
from bridge.sources import Sources
from bridge.state import Keeper, Pace, Store
from bridge.stream_log import StreamLog
from bridge.supervisor import Supervisor
from bridge.views import ClientViews
from xds import Credentials, IdentityObserver, Limits, Observers, ServerOptions, StreamObserver, XdsServer

log = logging.getLogger(__name__)

STREAMS_END = 1.0
"""Seconds that open streams get to end when the bridge stops."""

EXPIRY = 1.0
"""Seconds between two looks at what was held or retained for long enough."""

KEEPING = 3.0
"""Seconds that an operator waits at most until what was done is written."""

LAST_STATE = 1.5
"""Seconds that the last state may take to be written when the bridge stops."""

TURN = 0.0005
"""Seconds after which a thread that works something out, such as a page, gives way to the event loop when that waits.
With Python's 5 ms, which the loop waits after each of its system calls, a push beside a page takes 60 ms longer."""


async def serve(config: Config, reread: Callable[[], Config]) -> None:
    """Run the bridge until SIGTERM or SIGINT, then end the streams and return within five seconds.

    A second signal ends the process at once, as if nobody had asked for the first. SIGHUP has the configuration read
    again; one that is blocked so far, because there was nobody to take it, is taken then.

    Args:
        config: what to begin with.
        reread: reads the file anew; called in a thread. Raises ConfigError.

    Raises:
        ConfigError: a cluster template, a source's options, a certificate or the state directory cannot work.
        OSError: a port cannot be listened on, or another bridge uses the state directory.
    """
    stop = asyncio.Event()
    with shutdown.on_signal(stop):
        bridge = Bridge(config, reread)
        memory.settle()
        sys.setswitchinterval(TURN)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, bridge.ask_for_reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        await bridge.run(stop)


class Bridge:
    """All parts, built and connected; nothing runs and no port is open before `run`."""

    def __init__(self, config: Config, reread: Callable[[], Config]) -> None:
        """Build everything.

        Args:
            config: what to begin with.
            reread: reads the file anew, for a reload; called in a thread.

        Raises:
            ConfigError: a cluster template or a source's options cannot work.
        """
        self._config = config
        adapters = build_adapters(config.sources)
        self._trail = _logged_trail()
        self._drains = Drains(time.time, time.monotonic)
        policies, options = merge_policies(config.services), _options(config, self._trail, self._drains)
        self._registry = Registry(list(adapters), policies, time.time, options)
        self._pauses = Pauses(self._registry, time.time, self._caught_up)
        self._restoration = Restoration(
            self._registry, Clock(time.time, time.monotonic), config.restore_max_age, self._pauses, self._drains
        )
        self._hand = Hand(self._registry, self._pauses, self._drains, self._restoration, AuditLog(self._trail.record))
        self._readiness = Readiness(
            [Expectation(source.name, source.required, source.allow_empty) for source in config.sources],
            self._endpoints,
            config.startup_grace,
            self._registry.recalled,
            lambda source: self._pauses.paused(source) is not None,
        )
        self._metrics = Metrics(CollectorRegistry())
        self._scheduler = Scheduler()
        self._departures = Departures(self._found)
        self._supervisor = self._new_supervisor()
        self._sources = self._new_sources(adapters)
        self._keeper = self._new_keeper(config.state_directory)
        self._views = ClientViews(_builder(config), config.views, required=config.views_required)
        self._reconciler = Reconciler(self._registry, self._views, _debounce(config), self._metrics, History(time.time))
        self._memory = memory.Reclaimer(memory.find_trim())
        self._absentees = Absentees(time.time)
        self._handshakes = Handshakes() if config.xds.rest and config.xds.tls else None
        self._credentials = self._new_credentials(config.xds.tls)
        self._xds = XdsServer(self._views, _server_options(config.xds), self._observer, credentials=self._credentials)
        self._rest = self._new_rest(config.xds)
        self._herald = self._new_herald()
        self._transition = Transition(config, self._parts(), self._terms())
        self._reloader = Reloader(reread, self._transition, [self._metrics.reload, self._herald])
        self._peers = Peers(config.admin, self._views, self._scheduler.ticks, Clock(time.time, time.monotonic))
        self._admin = AdminServer(config.admin, self._view(), self._hand, self.reload, self._on_disk)

    async def reload(self, by: str, *, accept_loss: bool) -> ReloadOutcome:
        """Read the configuration again and go by it, unless that is impossible or would take too much.

        Args:
            by: who asks, for the audit trail.
            accept_loss: go by it whatever it takes.
        """
        return await asyncio.shield(self._reloader.ask(by, accept_loss=accept_loss))

    def ask_for_reload(self) -> None:
        """Have the configuration read again by a signal; the log and the metrics tell what came of it."""
        self._reloader.ask(signal.SIGHUP.name)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set.

        The doors open first, so that a port in use is found at once and Envoys are held instead of refused. They close
        first too, so that Envoys turn to another replica while the rest of this one winds down.
        """
        async with self._kept():
            await self._serve(stop)
        log.info("bridge.stopped")

    async def _serve(self, stop: asyncio.Event) -> None:
        with self._scheduler:
            async with self._doors() as doors, asyncio.TaskGroup() as group:
                tasks = [group.create_task(work, name=name) for name, work in self._work()]
                await stop.wait()
                log.info("bridge.stopping")
                self._herald.stopping()
                await doors.aclose()
                for task in tasks:
                    task.cancel()

    def _work(self) -> Iterator[tuple[str, Coroutine[None, None, None]]]:
        """Everything that runs for as long as the bridge does. Whichever fails ends the process: that is a bug."""
        yield "xds", self._xds.run()
        yield "reconciler", self._reconciler.run(self._readiness)
        yield "expiry", self._expire()
        if self._keeper:
            yield "state", self._keeper.run()
        yield "views", self._views.run()
        yield "loop lag", self._metrics.observe_loop()
        yield "memory", self._memory.run()
        yield "sources", self._sources.run()
        yield "reload", self._reloader.run()
        yield "service manager", self._herald.run()
        if self._config.admin.peers:
            yield "peers", self._peers.run()

    async def _on_disk(self) -> str:
        """Wait until the state that is kept is that of now; returns why it is not, if it is to be."""
        return await self._keeper.kept(KEEPING) if self._keeper else ""

    def _new_sources(self, adapters: Mapping[SourceName, Adapter]) -> Sources:
        sources = Sources(self._supervisor, self._pauses.sink)
        for source in self._config.sources:
            sources.start(source, adapters[source.name])
        return sources

    def _new_supervisor(self) -> Supervisor:
        observers = [self._metrics.sources, self._pauses, self._restoration, self._readiness, self._departures]
        return Supervisor([*observers, SourceChronicle(self._trail.record)], self._scheduler.ticks, self._endpoints)

    def _new_herald(self) -> Herald:
        manager = ServiceManager(os.environ, os.getpid())
        return Herald(manager, self._condition, self._reconciler, self._scheduler.ticks)

    def _new_keeper(self, directory: Path | None) -> Keeper | None:
        return Keeper(Store(directory), self._restoration.current, self._metrics.state, Pace()) if directory else None

    @contextlib.asynccontextmanager
    async def _kept(self) -> AsyncIterator[None]:
        """Begin with what was kept, have the trail on disk, and keep the last state at the end."""
        if self._keeper is None or self._config.state_directory is None:
            yield
            return
        with self._herald.taking_longer():
            state = await self._keeper.open()
        try:
            async with AuditFile(self._config.state_directory, self._metrics.state.event_lost) as file:
                leave = self._trail.follow(file.write)
                if state is not None:
                    self._restoration.restore(state)
                yield
                leave()
        finally:
            await self._keeper.close(LAST_STATE)

    @contextlib.asynccontextmanager
    async def _doors(self) -> AsyncIterator[contextlib.AsyncExitStack]:
        async with contextlib.AsyncExitStack() as stack:
            admin_port = await self._admin.start()
            self._admin.prepare()
            stack.push_async_callback(self._admin.stop)
            with tls.explained():
                xds_port = await self._xds.start()
            stack.push_async_callback(self._xds.stop, STREAMS_END)
            ports = {"xds_port": xds_port, "admin_port": admin_port}
            if self._rest:
                ports["rest_port"] = await self._rest.start()
                stack.push_async_callback(self._rest.stop)
            log.info("bridge.started", extra=ports)
            if self._config.xds.open_to_strangers:
                log.warning(
                    "xds.exposed", extra={"listen": str(self._config.xds.listen), "missing": "xds.tls.client_ca"}
                )
            yield stack

    def _new_credentials(self, config: TlsConfig | None) -> Credentials | None:
        observers: list[IdentityObserver] = [self._metrics.tls, tls.TlsLog()]
        observers += [self._handshakes] if self._handshakes else []
        return Credentials(tls.files(config), observers) if config else None

    @cached_property
    def _observer(self) -> StreamObserver:
        record = self._trail.record
        return Observers(self._metrics.streams, StreamLog(), StreamChronicle(record), self._memory, self._absentees)

    def _new_rest(self, config: XdsConfig) -> RestServer | None:
        if config.rest is None:
            return None
        options = RestOptions(listen=config.rest.listen, handshakes=self._handshakes, allowed_sans=config.allowed_sans)
        return RestServer(options, self._views, self._observer)

    def _view(self) -> View:
        return View(
            sources=self._listed,
            knowledge=self._registry,
            history=self._reconciler.history,
            readiness=self._readiness,
            reading=self._supervisor,
            streams=self._xds,
            serving=self._views,
            metrics=self._metrics,
            operation=self._hand,
            reloads=self._reloader,
            replicas=self._peers,
            rules=lambda: self._transition.config,
            trail=self._trail,
            inquiry=Inquiry(self._sources.adapters),
            upkeep=self._upkeep,
            absent=self._absentees.absent,
        )

    def _upkeep(self) -> Upkeep:
        return Upkeep(self._keeper.error if self._keeper else "", *tls.standing(self._credentials))

    def _parts(self) -> Parts:
        return Parts(
            registry=self._registry,
            pauses=self._pauses,
            restoration=self._restoration,
            readiness=self._readiness,
            supervisor=self._supervisor,
            sources=self._sources,
            departures=self._departures,
            reconciler=self._reconciler,
            views=self._views,
            clients=self._xds,
            certificates=self._credentials,
        )

    def _terms(self) -> Terms:
        return Terms(lambda config: _options(config, self._trail, self._drains), set_level, self._trail.record)

    def _listed(self) -> Sequence[ListedSource]:
        """The sources in the order of the configuration, then those on their way out."""
        running = self._sources.configs()
        present = [ListedSource(each.name, each.type, each.required) for each in self._transition.config.sources]
        # One whose reading is being ended is no longer among those that run.
        leaving = [running[name] for name in sorted(self._departures.leaving) if name in running]
        return present + [ListedSource(each.name, each.type, required=False, leaving=True) for each in leaving]

    async def _expire(self) -> None:
        """Let go of what was held, retained or drained for long enough, and have what changed written down."""
        kept: object = (0, (), None, ())
        async for _ in self._scheduler.ticks(EXPIRY):
            self._hand.expire()
            self._pauses.look_again()
            self._registry.expire(self._agrees)
            self._readiness.look_again()
            now = (self._registry.version, self._pauses.all(), self._pauses.freeze, self._drains.all())
            if self._keeper and now != kept:
                kept = now
                self._keeper.changed()

    def _found(self, source: SourceName) -> bool:
        """Whether a source that was read shows something, or may show nothing."""
        running = self._sources.configs().get(source)
        return bool(self._registry.statistics(source).endpoints) or (running is not None and running.allow_empty)

    def _condition(self) -> Condition:
        names = self._registry.sources
        each, reload = [self._registry.statistics(name) for name in names], self._reloader.report.last_reload
        return Condition(
            waiting=tuple(sorted(self._readiness.waiting())),
            sources=len(names),
            failing=tuple(sorted(name for name in names if self._supervisor.status(name).failures)),
            endpoints=sum(statistics.served for statistics in each),
            services=len(self._registry.services()),
            streams=sum(1 for _ in self._xds.clients()),
            held=sum(statistics.held for statistics in each),
            paused=bool(self._pauses.all()),
            refused=reload.error if reload and not reload.ok else "",
        )

    def _agrees(self, source: SourceName) -> bool:
        """Whether a source says without a doubt what is missing of it."""
        return not self._supervisor.status(source).failures and not self._pauses.paused(source)

    def _caught_up(self, source: SourceName) -> None:
        """Catch up on that a source has told of everything it has, while it was paused."""
        self._restoration.succeeded(source, "")
        self._readiness.succeeded(source, "")
        self._departures.succeeded(source, "")

    def _endpoints(self, source: SourceName) -> int:
        return self._registry.statistics(source).served


def _logged_trail() -> Trail:
    trail = Trail()
    trail.follow(EventLog().tell)
    return trail


def _builder(config: Config) -> ResourceBuilder:
    return ResourceBuilder(config.cluster_defaults, cluster_rules(config.services))


def _debounce(config: Config) -> Debounce:
    return Debounce(config.xds.debounce.quiet, config.xds.debounce.max)


def _server_options(config: XdsConfig) -> ServerOptions:
    return ServerOptions(
        host=config.listen.host,
        port=config.listen.port,
        socket=str(config.socket or ""),
        limits=Limits(**config.limits.model_dump()),  # the keys are called as the limits are
        allowed_sans=config.allowed_sans,
        status_names=config.csds_allowed_sans,
        withhold=redacted_rejection,
    )


def _options(config: Config, trail: Trail, drains: Drains) -> Options:
    guard = config.guard
    return Options(
        guard=GuardRules(guard.max_loss, guard.min_endpoints, guard.release_after),
        allow_empty=frozenset(source.name for source in config.sources if source.allow_empty),
        retention=config.cluster_retention,
        amend=drains.amend,
        record=trail.record,
    )
