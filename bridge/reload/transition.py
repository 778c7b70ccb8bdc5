"""From one configuration to the next while everything runs: all that can fail first, then everything in one go."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from bridge import tls
from bridge.adapter import Adapter
from bridge.audit import Action, Event
from bridge.config import Config, LogLevel, build_adapters, cluster_rules, merge_policies
from bridge.errors import ConfigError
from bridge.model import SourceName
from bridge.operator import Pauses
from bridge.readiness import Expectation, Readiness
from bridge.reconciler import Debounce, Reconciler
from bridge.registry import Options, Registry
from bridge.reload.departures import Departures
from bridge.reload.forecast import Known, Merging, foreseen
from bridge.reload.loss import Loss, Rules, contributions, excessive, of_sources, of_views, stricter
from bridge.reload.plan import Plan, plan, unchangeable
from bridge.reload.succession import Succession, placed
from bridge.resources import ResourceBuilder
from bridge.restoration import Restoration
from bridge.sources import Sources
from bridge.supervisor import Supervisor
from bridge.views import ClientViews
from xds import Client, FreshIdentity, TlsFiles

log = logging.getLogger(__name__)

CHUNK = 500
"""Services copied before other work on the event loop gets its turn: with two sources of each, three milliseconds."""


class Clients(Protocol):
    """Who is connected (`XdsServer`)."""

    def clients(self) -> Iterator[Client]:
        """Who has an open stream."""

    async def reconsider(self) -> None:
        """End the streams of clients that are to see another view."""


class Certificates(Protocol):
    """What handshakes are made with (`Credentials`)."""

    async def read(self, files: TlsFiles) -> FreshIdentity:
        """What files hold. Raises IdentityError when they cannot be used."""

    def use(self, fresh: FreshIdentity) -> None:
        """Go by it, and follow its files."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the bridge that a configuration can change."""

    registry: Registry
    pauses: Pauses
    restoration: Restoration
    readiness: Readiness
    supervisor: Supervisor
    sources: Sources
    departures: Departures
    reconciler: Reconciler
    views: ClientViews
    clients: Clients
    certificates: Certificates | None
    """None without TLS."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What parts are given of a configuration."""

    options: Callable[[Config], Options]
    set_level: Callable[[LogLevel], None]
    record: Callable[[Event], None] = lambda _: None
    """Takes what happened, for the audit trail."""


@dataclass(frozen=True, slots=True)
class Built:
    """Everything that a configuration needs anew, ready to be used."""

    config: Config
    plan: Plan
    builder: ResourceBuilder | None
    """None where templates are the same."""
    adapters: Mapping[SourceName, Adapter]
    identity: FreshIdentity | None = None
    """None without TLS."""


class Transition:
    """Knows the configuration in use, and the way to another one."""

    def __init__(self, config: Config, parts: Parts, terms: Terms, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with a configuration of which all parts have been built, and whose sources are read.

        Args:
            config: it.
            parts: what to change.
            terms: how parts are told of a configuration.
            clock: monotonic seconds.
        """
        self.config = config
        self._parts = parts
        self._terms = terms
        self._clock = clock
        self._succession = Succession()

    async def build(self, config: Config) -> Built:
        """Do all that can fail, and change nothing.

        Raises:
            ConfigError: a key differs that needs a restart, or something cannot be built or used.
        """
        if keys := unchangeable(self.config, config):
            raise ConfigError(f"{', '.join(keys)}: only a restart can change this; nothing was changed")
        found = plan(self._parts.sources.configs(), config.sources)
        new = _templates(config)
        builder = ResourceBuilder(*new) if new != _templates(self.config) else None
        identity = await self._identity(config)
        adapters = build_adapters([*found.added, *found.changed])
        return Built(config, found, builder, adapters, identity)

    async def weigh(self, built: Built) -> Callable[[], list[Loss]]:
        """What would be lost and is too much to be taken for meant; work for a thread, on what is known now."""
        parts, old, new = self._parts, self.config, built.config
        wanted = [source.name for source in new.sources]
        going = parts.departures.agreed_to_leave(()) - frozenset(wanted)  # whatever comes, as was accepted
        waiting = parts.departures.agreed_to_leave(wanted) - going - frozenset(wanted)
        stay = [*placed(wanted, waiting, parts.registry.sources, {}), *built.plan.renamed]
        removed = [name for name in built.plan.removed if name not in {*stay, *going}]
        was = Merging([each for each in parts.registry.sources if each not in going], merge_policies(old.services))
        will = Merging(stay, merge_policies(new.services), built.plan.renamed)
        amend, limits = self._terms.options(new).amend, stricter(old.guard, new.guard)
        before, after = _rules(old), _rules(new)
        merging = bool(removed) or _merging(old) != _merging(new)
        known = await copied(parts.registry) if merging else []
        services, clients = dict(parts.registry.services()), list(parts.clients.clients())

        def losses() -> list[Loss]:
            gone = of_sources(contributions(known), removed, stay)
            forecast = foreseen(services, known, was, will, amend)
            views = of_views(forecast, before, after, clients) if merging or before != after else ()
            return excessive(gone, views, limits)

        return losses

    async def perform(self, built: Built, by: str) -> str:
        """Bring a configuration into use; returns when what it changes is published, and what that is.

        Args:
            built: the configuration.
            by: who asked for it.
        """
        parts, found, old = self._parts, built.plan, self.config
        await parts.sources.stop(source.name for source in found.changed)
        await parts.reconciler.idle()
        self._swap(built)
        self._exchange(found, built)
        done = self._tell(old, found, by)
        if parts.readiness.ready:
            await parts.views.published()
        if _rules(old) != _rules(self.config):
            await parts.clients.reconsider()
        return done

    def hasten(self) -> None:
        """Have nobody be on the way out without end: whoever is waits for `startup_grace` from now on at most."""
        grace = self.config.startup_grace
        for name in self._parts.departures.hasten(self._clock() + grace):
            log.info("source.removal_hastened", extra={"source": name, "within": grace})

    async def depart(self) -> None:
        """Have the sources go whose time has come; while everything is paused, it comes for nobody."""
        parts = self._parts
        if parts.pauses.everything:
            return
        due = parts.departures.due([source.name for source in self.config.sources], self._clock())
        if not due:
            return
        await parts.sources.stop(due)
        for name in due:
            parts.registry.forget(name, "its source was taken out of the configuration")
            parts.supervisor.forget(name)
            log.info("source.removed", extra={"source": name})

    async def _identity(self, config: Config) -> FreshIdentity | None:
        """What the files of the certificates hold now, whether they are others or not."""
        certificates, settings = self._parts.certificates, config.xds.tls
        if certificates is None or settings is None:
            return None
        with tls.explained():
            return await certificates.read(tls.files(settings))

    def _swap(self, built: Built) -> None:
        """Tell every part of what it goes by from now on; no other work comes in between."""
        parts, config = self._parts, built.config
        names = [source.name for source in config.sources]
        self._succession.begin(names, built.plan, merge_policies(self.config.services))
        parts.registry.configure(
            self._succession.order(names, parts.registry.sources),
            self._succession.policies(merge_policies(config.services)),
            self._terms.options(config),
            retell=_shown(self.config) != _shown(config),
        )
        parts.views.configure(built.builder, config.views, required=config.views_required)
        parts.readiness.configure(
            [Expectation(source.name, source.required, source.allow_empty) for source in config.sources]
        )
        parts.restoration.configure(config.restore_max_age)
        parts.reconciler.configure(Debounce(config.xds.debounce.quiet, config.xds.debounce.max))
        if parts.certificates and built.identity:
            parts.certificates.use(built.identity)
        if config.log.level is not self.config.log.level:
            self._terms.set_level(config.log.level)
        self.config = config

    def _exchange(self, found: Plan, built: Built) -> None:
        """Have the sources read that are new, and those go that are no longer wanted."""
        parts, config = self._parts, built.config
        for source in found.changed:
            parts.registry.suspend(source.name)
            parts.pauses.restart(source.name)
        for source in found.added:
            parts.pauses.started(source.name)  # at once: while everything is paused, nobody may come in between
        for source in (*found.added, *found.changed):
            parts.sources.start(source, built.adapters[source.name])
        for source in config.sources:
            parts.sources.note(source)
            parts.departures.stay(source.name)
        awaited = [source.name for source in (*found.added, *found.changed)]
        for name in found.removed:
            if name in found.renamed:
                parts.departures.leave(name, [found.renamed[name]], None)
            elif name not in parts.departures.agreed_to_leave(source.name for source in config.sources):
                parts.departures.leave(name, awaited, self._clock() + config.startup_grace)

    def _tell(self, old: Config, found: Plan, by: str) -> str:
        fields: dict[str, list[str]] = {
            "added": [source.name for source in found.added],
            "changed": [source.name for source in found.changed],
            "removed": list(found.removed),
        }
        sections = _differences(old, self.config)
        log.info("config.reloaded", extra={**fields, "sections": sections, "by": by})
        told = fields | {"other keys": [key for key in sections if key != "sources"]}
        what = "; ".join(f"{kind} {', '.join(names)}" for kind, names in told.items() if names)
        done = f"the configuration was reloaded ({what or 'it is as it was'})"
        if found.added and self._parts.pauses.freeze:
            done += "; everything is paused, so what is added is not served before `xds-bridge resume`"
        self._terms.record(Event(time.time(), Action.OPERATED, f"{done}, asked for by {by}"))
        return done


async def copied(registry: Registry) -> list[Known]:
    """Everything that is known, for another thread, each service as it is when it is its turn."""
    found: list[Known] = []
    for some in registry.copies(CHUNK):
        found += some
        await asyncio.sleep(0)
    return found


def _shown(config: Config) -> object:
    """What of a configuration is in the resources of services that do not change."""
    return _templates(config), _rules(config)


def _rules(config: Config) -> Rules:
    return Rules(config.views, config.views_required)


def _merging(config: Config) -> object:
    """What of a configuration decides which endpoints of those that are known are served."""
    return [source.name for source in config.sources], [(rule.match, rule.merge) for rule in config.services]


def _templates(config: Config) -> tuple[Mapping[str, object], list[tuple[str, Mapping[str, object]]]]:
    return config.cluster_defaults, cluster_rules(config.services)


def _differences(old: Config, new: Config) -> list[str]:
    return [key for key in Config.model_fields if getattr(old, key) != getattr(new, key)]
