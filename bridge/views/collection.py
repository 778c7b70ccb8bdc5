"""The views in use: a cache for each, all of them fed with the same changes and published under the same numbers."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple
from weakref import WeakKeyDictionary, WeakValueDictionary

from bridge.config import EdsConfig, ViewRule
from bridge.diff import Diff
from bridge.merge import Service
from bridge.model import ServiceName
from bridge.resources import PLAIN, EdsServer, Flavour, ResourceBuilder
from bridge.views.choice import chosen, everybody, introduction, selected
from xds import CLUSTER, TYPES, Client, Reason, Refused, Snapshot, SnapshotCache

CHUNK = 50
"""Services made for one view before other work on the event loop gets its turn: a few milliseconds."""

REGIONS = 64
"""Views for regions; when there are so many, only regions with endpoints get another: an Envoy can make up any name."""

KEPT = 32
"""Views kept although nobody has a stream: for Envoys that ask again and again, or reconnect."""


class _Key(NamedTuple):
    """What tells one view from another; the default view has none."""

    rule: int
    region: str

    def __str__(self) -> str:
        return f"views[{self.rule}]{f' in {self.region}' if self.region else ''}"


class ShownView(NamedTuple):
    """A view in use, and all that it shows now."""

    name: str
    rule: int | None
    """The position of its rule; None for the view of clients that no rule is for."""
    region: str
    """Of its clients, where that makes a difference."""
    snapshot: Snapshot


@dataclass(slots=True)
class _View:
    """What a cache is to show."""

    flavour: Flavour
    globs: tuple[str, ...] | None = None
    """Of the services to be seen; None for all of them."""
    complete: bool = False
    """Whether every service went through it since it was opened; before that it is shown to nobody."""
    staged: Snapshot = Snapshot()  # noqa: RUF009 (immutable)
    shown: Snapshot | None = None
    """What was staged when it was shown last; None before the first time."""
    changed: dict[str, set[str]] = field(default_factory=dict)
    """By type, the names of which something else is staged than is shown. Found out while it is staged, so that showing
    it, which is done for all views in one go, costs nothing by name."""

    def note(self, diff: Diff[ServiceName, Service]) -> None:
        """Keep `changed` after a change was staged, of which each resource has the name of its service."""
        if self.shown is None:
            return
        for kind in TYPES:
            differing = self.changed.setdefault(kind.url, set())
            shown, staged = self.shown.resources(kind.url), self.staged.resources(kind.url)
            for name in (*diff.added, *diff.changed, *diff.removed):
                if shown.get(name) == staged.get(name):
                    differing.discard(name)
                else:
                    differing.add(name)

    def show(self, cache: SnapshotCache, number: int) -> bool:
        """Have what is staged served; whether that is a new generation."""
        changed, self.changed = self.changed, {}
        new = cache.set(self.staged, number, changed)
        self.shown = self.staged
        return new

    def selected(self, diff: Diff[ServiceName, Service]) -> Diff[ServiceName, Service]:
        """What of a change is to be seen; of what is gone, the builder knows what was there."""
        if self.globs is None:
            return diff
        added = {name: service for name, service in diff.added.items() if selected(self.globs, name)}
        changed = {name: service for name, service in diff.changed.items() if selected(self.globs, name)}
        known = self.staged.resources(CLUSTER.url)
        hidden = frozenset(name for name in diff.changed if name in known and name not in changed)
        return Diff(added, changed, diff.removed | hidden)


class ClientViews:
    """Chooses what each client sees (`xds.Views`), and has everything published to all of them.

    A view is there for as long as a stream has its cache, which is all that holds most of them; the default view and
    those asked for last are there in any case. Touched on the event loop only.

    Args:
        builder: makes the resources, which views of the same flavour share.
        rules: the first that matches a client is the one that counts.
        required: whether a client that none matches is refused; otherwise it sees everything.
    """

    def __init__(self, builder: ResourceBuilder, rules: Sequence[ViewRule], *, required: bool) -> None:
        self._builder = builder
        self._rules = rules
        self._required = required
        self._services: dict[ServiceName, Service] = {}
        """All services, with what is staged and not yet published."""
        self._regions: frozenset[str] | None = None
        """Where there are endpoints; None when it has to be found out again."""
        self._number = 0
        self._staging = False
        self._opened = asyncio.Event()
        self._published = asyncio.Event()
        self._watchers: dict[Callable[[int], None], None] = {}
        self._caches: WeakValueDictionary[_Key, SnapshotCache] = WeakValueDictionary()
        self._recent: OrderedDict[_Key, SnapshotCache] = OrderedDict()
        self._default = SnapshotCache(name="default")
        self._views: WeakKeyDictionary[SnapshotCache, _View] = WeakKeyDictionary()
        self._views[self._default] = _View(PLAIN, complete=True)

    @property
    def ready(self) -> bool:
        """Whether there was a publication."""
        return self._default.ready

    @property
    def snapshot(self) -> Snapshot | None:
        """What the default view shows; None before the first publication."""
        return self._default.snapshot

    def snapshots(self) -> Mapping[str, Snapshot]:
        """What each view in use shows, by its name, the default view first; nothing before the first publication."""
        caches = [self._default, *self._caches.values()]
        return {cache.name: cache.snapshot for cache in caches if cache.snapshot is not None}

    def shown(self) -> Sequence[ShownView]:
        """Every view in use, the default view first, unless no client can have it; nothing before there is anything."""
        default: list[tuple[SnapshotCache, _Key | None]] = [(self._default, None)] if self._default_is_seen() else []
        keyed = [*default, *((cache, key) for key, cache in self._caches.items())]
        return [
            ShownView(cache.name, key.rule if key else None, key.region if key else "", cache.snapshot)
            for cache, key in keyed
            if cache.snapshot is not None
        ]

    def ruled(self, rule: int | None, region: str) -> SnapshotCache:
        """The view of a rule, by its position, for clients of a region; without a rule, the default view."""
        return self._default if rule is None else self._view(self._key(rule, region))

    def view(self, client: Client) -> SnapshotCache:
        """What a client sees; a view that was not in use is filled soon.

        Raises:
            Refused: no rule matches, and one has to.
        """
        rule = chosen(self._rules, client)
        if rule is not None:
            return self._view(self._key(rule, client.node.locality.region))
        if self._required:
            raise Refused(Reason.NO_VIEW, f"no view is configured for this client: {introduction(client)}")
        return self._default

    def watch(self, notify: Callable[[int], None]) -> Callable[[], None]:
        """Call `notify` with the number of each publication, and when a new view is filled; returns what ends it."""
        self._watchers[notify] = None
        return lambda: self._watchers.pop(notify, None)

    async def stage(self, diff: Diff[ServiceName, Service]) -> None:
        """Take in a part of the next publication; nobody sees it before `publish`."""
        self._staging, self._regions = True, None
        self._services |= diff.added
        self._services |= diff.changed
        for name in diff.removed:
            self._services.pop(name, None)
        default, *others = list(self._views.values())  # one opened from here on is filled from the services
        before = default.staged
        await self._add(default, diff)
        for view in others:
            if view.globs is None and view.staged is before:
                view.staged = default.staged  # and stays the same, unless the flavour makes a difference
            await self._add(view, diff)

    def publish(self) -> int | None:
        """Show what was staged; the number of the generations that this made, None if it made none."""
        self._staging = False
        number = self._show()
        self._published.set()
        return number

    def configure(self, builder: ResourceBuilder | None, rules: Sequence[ViewRule], *, required: bool) -> None:
        """Go by another configuration, while nothing is staged; it shows when every service was staged as changed.

        A rule that is for the same Envoys as one before takes over its views, so that their streams go on. Streams of
        other clients have to be reconsidered (`XdsServer.reconsider`) after `published`.

        Args:
            builder: makes the resources from now on; None if it is the same one.
            rules: as at the beginning.
            required: as at the beginning.
        """
        moved = {
            _Key(old, region): _Key(new, region)
            for old, region in list(self._caches)
            for new, rule in enumerate(rules)
            if rule.match == self._rules[old].match
        }
        self._recent = OrderedDict((moved[key], cache) for key, cache in self._recent.items() if key in moved)
        caches = {moved[key]: cache for key, cache in self._caches.items() if key in moved}
        self._caches = WeakValueDictionary(caches)
        self._builder, self._rules, self._required = builder or self._builder, rules, required
        for key, cache in self._caches.items():
            cache.name, view = str(key), self._views[cache]
            view.flavour, view.globs = self._shape(key)
        self._staging = True  # so that nothing is shown that is half of the old and half of the new
        self._published.clear()

    async def published(self) -> None:
        """Return when what `configure` has changed is shown."""
        await self._published.wait()

    async def run(self) -> None:
        """Fill the views that clients open, until cancelled. Without it none but the default view is ever filled."""
        while True:
            await self._opened.wait()
            self._opened.clear()
            for view in list(self._views.values()):
                await self._fill(view)
            if self._number and not self._staging:
                self._show()

    def _default_is_seen(self) -> bool:
        return not self._required and not any(everybody(rule.match) for rule in self._rules)

    def _key(self, rule: int, region: str) -> _Key:
        """Of the view for a rule and a region, which counts only where it may make a difference."""
        key, anywhere = _Key(rule, region), _Key(rule, "")
        if key in self._caches:
            return key
        if not self._rules[rule].locality_failover:
            return anywhere
        crowded = sum(bool(known.region) for known in self._caches) >= REGIONS
        return anywhere if crowded and region not in self._inhabited() else key

    def _inhabited(self) -> frozenset[str]:
        if self._regions is None:
            endpoints = (served.endpoint for service in self._services.values() for served in service.endpoints)
            self._regions = frozenset(endpoint.locality.region for endpoint in endpoints)
        return self._regions

    def _view(self, key: _Key) -> SnapshotCache:
        cache = self._caches.get(key)
        if cache is None:
            cache = self._caches[key] = SnapshotCache(name=str(key))
            flavour, globs = self._shape(key)
            # Without globs, most of it is what everybody sees.
            staged = self._views[self._default].staged if globs is None else Snapshot()
            self._views[cache] = _View(flavour, globs, staged=staged)
            self._opened.set()
        self._recent[key] = cache
        self._recent.move_to_end(key)
        if len(self._recent) > KEPT:
            self._recent.popitem(last=False)
        return cache

    def _shape(self, key: _Key) -> tuple[Flavour, tuple[str, ...] | None]:
        """How the view of a key is made, and the globs of what it shows."""
        rule = self._rules[key.rule]
        flavour = Flavour(eds=_server(rule.eds), region=key.region if rule.locality_failover else "")
        return flavour, rule.services if rule.selective else None

    async def _fill(self, view: _View) -> None:
        """Add all services to a new view. Changes staged meanwhile reach it too, so each is added in its last state."""
        if view.complete:
            return
        for names in _chunks(self._services):
            known = {name: self._services[name] for name in names if name in self._services}
            await self._add(view, Diff(added=known))
        view.complete = True

    async def _add(self, view: _View, diff: Diff[ServiceName, Service]) -> None:
        """Stage a change in one view, what is gone first of all."""
        for part in _parts(diff):
            view.staged = self._builder.apply(view.staged, view.selected(part), view.flavour)
            view.note(part)
            await asyncio.sleep(0)

    def _show(self) -> int | None:
        number = self._number + 1
        complete = [(cache, view) for cache, view in self._views.items() if view.complete]
        made = [view.show(cache, number) for cache, view in complete]
        if not any(made):
            return None
        self._number = number
        for notify in list(self._watchers):
            notify(number)
        return number


def _server(eds: EdsConfig | None) -> EdsServer | None:
    return EdsServer(eds.cluster, eds.api_type, eds.refresh_delay) if eds else None


def _parts(diff: Diff[ServiceName, Service]) -> Iterator[Diff[ServiceName, Service]]:
    services = {**diff.added, **diff.changed}
    if len(services) <= CHUNK:
        yield diff
        return
    yield Diff(removed=diff.removed)
    for names in _chunks(services):
        yield Diff(changed={name: services[name] for name in names})


def _chunks(names: Iterable[ServiceName]) -> Iterator[Sequence[ServiceName]]:
    remaining = iter(list(names))
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk
