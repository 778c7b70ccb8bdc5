"""What is known of one datacenter, and the rules by which an answer may change it.

Nothing here decides when to ask. An addition is believed at once; a removal needs an answer that is complete, newer
than what is known, from servers with a leader, and, for a whole service, a second look at whether we can still see.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from adapters.consul.client import Reply, readable
from adapters.consul.mapping import CANARY, Mapper, Targets, selected
from adapters.consul.pace import TokenBucket
from adapters.consul.payload import Catalog, HealthEntry
from adapters.consul.sight import Looks, Sight
from bridge.adapter import Sink
from bridge.errors import Cause, SourceError
from bridge.model import Scope

T = TypeVar("T")

Instances = tuple[HealthEntry, ...]

CONFIRM_AFTER = 1.0
"""Seconds that must lie between two agreeing reads before a loss that looks like lost data is believed."""


@dataclass(slots=True)
class Known:
    """What was last believed of one Consul service."""

    index: int = 0
    """Of the last reply that was believed whole; 0 while there is none."""
    targets: Targets | None = None
    """None until something was reported."""
    nodes: frozenset[str] = frozenset()
    filtered: bool = False
    """Whether the token already hid something when we first looked."""

    @property
    def populated(self) -> bool:
        """Whether there is anything to lose."""
        return any((self.targets or {}).values())


@dataclass(slots=True)
class Memory:
    """All that is known; outlives a run of the adapter, so that a retry continues where it stood."""

    datacenter: str = ""
    """What scopes are named after; found out once, or they would change their names."""
    services: dict[str, Known] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    """The services to follow, by the last catalog that was believed."""
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    catalog_index: int = 0
    catalog_filtered: bool = False
    canary_seen: bool = False
    held: set[str] = field(default_factory=set)
    """Services that vanished all at once: that they did is in doubt until they are reported again."""
    blind: bool = False
    """Whether we doubt that we can see anything at all."""
    unreadable: set[str] = field(default_factory=set)


class Context(Protocol):
    """What the book needs of the adapter's context."""

    @property
    def sink(self) -> Sink:
        """Where believed replies go."""

    @property
    def allow_empty(self) -> bool:
        """Whether a catalog without any service is to be believed."""

    def noticed(self, event: str, **fields: object) -> None:
        """Tell the operator."""

    def succeeded(self, name: str = "") -> None:
        """Say that a read succeeded."""


class Reads(Looks, Protocol):
    """What the book asks for itself, to make sure; see `Client`."""

    async def instances(self, name: str, *, consistent: bool = False) -> Reply[Instances]:
        """The instances of a service."""


class Book:
    """Applies replies to what is known, and tells the sink what became of it."""

    def __init__(self, memory: Memory, mapper: Mapper, client: Reads, context: Context) -> None:
        self._memory = memory
        self._mapper = mapper
        self._client = client
        self._context = context
        self._sight = Sight(client)
        self._selective = bool(mapper.config.tags or mapper.config.filter)
        self._awaited: set[str] | None = None

    @property
    def names(self) -> frozenset[str]:
        """The Consul services to follow."""
        return self._memory.names

    @property
    def resumed(self) -> bool:
        """Whether something was known before this run, and may have been lost since."""
        return bool(self._memory.services)

    @property
    def missing(self) -> set[str]:
        """Services that are known but that the catalog no longer names."""
        return self._memory.services.keys() - self._memory.names

    @property
    def spoken(self) -> bool:
        """Whether every service of the first catalog was reported, or has left it since."""
        return self._awaited is not None and not self._awaited

    @property
    def catalog_index(self) -> int:
        """The index to wait on for another catalog."""
        return self._memory.catalog_index

    def follows(self, name: str) -> bool:
        """Whether there is something to wait for: the service was reported, and is not gone."""
        return name in self._memory.services

    def on_nodes(self, nodes: Collection[str]) -> set[str]:
        """The services with an instance on one of these nodes."""
        return {name for name, known in self._memory.services.items() if not known.nodes.isdisjoint(nodes)}

    async def take_catalog(self, reply: Reply[Catalog], *, doubtful: bool = False) -> tuple[set[str], bool]:
        """Follow the names of a catalog; services that it lacks are `missing`, and not yet gone.

        Args:
            reply: what Consul said.
            doubtful: it is one of the first after a failure, so even an equal index may count other changes.

        Returns:
            The services that the catalog says have changed, and whether it is older than the one before.

        Raises:
            SourceError: the names were added, but the reply is not to be believed further.
        """
        memory = self._memory
        if reply.known_leader is False and reply.index == memory.catalog_index:
            message = "the catalog was read but the servers have no leader; what is known may be old"
            raise SourceError(message, cause=Cause.PARTIAL)
        if reply.index == memory.catalog_index and not doubtful:
            unseen = memory.names - selected(reply.value, self._mapper.config)
            more = self._follow_more(reply)
            if unseen and memory.canary_seen and CANARY not in reply.value:
                await self._sight.catalog(canary=True)
            return more, False
        older = reply.index < memory.catalog_index
        if older:
            reply = await self._client.services(consistent=True)
            older = reply.index < memory.catalog_index
        names = self._readable(selected(reply.value, self._mapper.config))
        reason = _distrust(reply, filtered_before=memory.catalog_filtered or not memory.catalog_index)
        if reason:
            self._follow(memory.names | names)
            raise SourceError(f"the catalog was read but {reason}; nothing is removed", cause=Cause.PARTIAL)
        self._follow(names)
        return self._remember(names, reply), older

    async def begin(self) -> None:
        """Wait until each service of the catalog just taken is reported; the source has spoken then.

        Raises:
            SourceError: it cannot be told whether we can see anything.
        """
        if not self._memory.canary_seen and not (await self._client.nodes(consistent=True)).value:
            self._memory.blind = True
            self._context.sink.doubt(
                None, f"neither the service {CANARY!r} nor any node can be seen: has the token lost its rights?"
            )
        reported = {name for name, known in self._memory.services.items() if known.targets is not None}
        self._awaited = set(self._memory.names) - reported
        if not self._memory.names and not reported:
            self._context.sink.replace(Scope(self._mapper.datacenter), {})
        if not self._awaited:
            self._context.succeeded()

    async def take(self, name: str, reply: Reply[Instances], *, doubtful: bool = False) -> None:
        """Apply a reply about one service.

        Args:
            name: the Consul service.
            reply: what Consul said.
            doubtful: it is one of the first after a failure, so what it lacks may be lost data, and even an equal
                index may count other changes.

        Raises:
            SourceError: what it adds was applied, but what it lacks cannot be believed yet.
        """
        if name not in self._memory.services and name not in self._memory.names:
            return  # it was found gone while this answer was on its way
        known = self._memory.services.setdefault(name, Known())
        if reply.index == known.index and (not doubtful or self._targets(name, reply.value) == known.targets):
            return  # the wait was over, or the token lost its rights: either way the content says nothing
        if reply.index <= known.index:
            doubtful = True
            reply = await self._settled(name)
        if known.populated and not self._mapper.matching(name, reply.value):
            await self.depart({name}, doubtful=doubtful)
        else:
            self._report(name, reply)

    async def depart(self, names: Collection[str], *, doubtful: bool) -> None:
        """Find out whether services whose instances have all vanished are gone, and report those that are.

        Args:
            names: known services that the catalog, or an answer of their own, no longer shows.
            doubtful: data may have been lost, as after a restart: every answer is confirmed by a second one.

        Raises:
            SourceError: it cannot be told now; nothing was removed.
        """
        if not names:
            return
        listed = await self._believable_names()
        if self._emptied(listed, doubtful=doubtful):
            self._hold()
            return
        await self._verify_all(names, listed, doubtful=doubtful)

    def _remember(self, names: frozenset[str], reply: Reply[Catalog]) -> set[str]:
        memory = self._memory
        tags = {name: reply.value[name] for name in names}
        changed = {name for name in names if memory.tags.get(name) != tags[name]}
        memory.tags = tags
        memory.canary_seen |= CANARY in reply.value
        memory.catalog_filtered |= reply.filtered
        memory.catalog_index = reply.index
        return changed

    def _follow(self, names: frozenset[str]) -> None:
        self._memory.names = names
        if self._awaited:
            self._awaited &= names
            if not self._awaited:
                self._context.succeeded()

    def _follow_more(self, reply: Reply[Catalog]) -> set[str]:
        """Take from a catalog under the index we know what the token did not see before; what it lacks says nothing."""
        more = self._readable(selected(reply.value, self._mapper.config)) - self._memory.names
        self._follow(self._memory.names | more)
        return set(more)

    def _readable(self, names: frozenset[str]) -> frozenset[str]:
        unreadable = {name for name in names if not readable(name)}
        for name in sorted(unreadable - self._memory.unreadable):
            self._context.noticed("consul.service_unreadable", service=name)
        self._memory.unreadable |= unreadable
        return names - unreadable

    async def _settled(self, name: str) -> Reply[Instances]:
        """The reply whose instances two reads agree on, with time in between; what they add is applied meanwhile."""
        pace = TokenBucket(rate=1 / CONFIRM_AFTER, burst=1)
        before: Reply[Instances] | None = None
        while True:
            await pace.take()
            reply = await self._client.instances(name, consistent=True)
            known = self._memory.services.get(name)
            if known is None or reply.index > known.index:
                return reply  # it was an old answer of one server, not old data
            if before is not None and _identities(before) == _identities(reply) and reply.known_leader is not False:
                return reply
            before = reply
            self._add(name, reply)

    def _add(self, name: str, reply: Reply[Instances]) -> None:
        matching = self._mapper.matching(name, reply.value)
        if matching:
            self._context.sink.replace(self._scope(name), self._mapper.targets(name, matching), complete=False)

    def _report(self, name: str, reply: Reply[Instances]) -> None:
        known = self._memory.services.setdefault(name, Known())
        first = known.targets is None
        reason = _distrust(reply, filtered_before=known.filtered or first)
        targets = self._targets(name, reply.value)
        self._context.sink.replace(self._scope(name), targets, complete=not reason)
        known.nodes = frozenset(entry.node.node for entry in reply.value) | (known.nodes if reason else frozenset())
        known.targets = {**(known.targets or {}), **targets} if reason else targets
        known.filtered |= reply.filtered and not reason
        if reply.value:
            self._see(name)
        self._spoke(name)
        if reason:
            raise SourceError(f"service {name!r} was read but {reason}; nothing is removed", cause=Cause.PARTIAL)
        # A listed service without an instance may be one that the token cannot see: look again after the next wait.
        known.index = reply.index if reply.value else 0

    def _see(self, name: str) -> None:
        """Trust our eyes again, there where they see something."""
        if self._memory.blind:
            self._memory.blind = False
            self._context.sink.doubt(None, "")
        if name in self._memory.held:
            self._memory.held.discard(name)
            self._context.sink.doubt(self._scope(name), "")

    def _spoke(self, name: str) -> None:
        if self._awaited and name in self._awaited:
            self._awaited.discard(name)
            if not self._awaited:
                self._context.succeeded()

    def _targets(self, name: str, instances: Instances) -> Targets:
        matching = self._mapper.matching(name, instances)
        if matching:
            return self._mapper.targets(name, matching)
        if self._selective:
            return {}  # with `tags` or `filter`, a service is one that has an instance of that kind
        known = self._memory.services.get(name)
        return dict.fromkeys((known and known.targets) or (self._mapper.service_name(name),), frozenset())

    def _scope(self, name: str) -> Scope:
        return Scope(f"{self._mapper.datacenter}/{name}")

    async def _believable_names(self) -> frozenset[str]:
        """The services of a catalog read by someone who can still see.

        Raises:
            SourceError: the token or the servers are not in a state in which an absence means anything.
        """
        memory = self._memory
        reply = await self._sight.catalog(canary=memory.canary_seen)
        reason = _distrust(reply, filtered_before=memory.catalog_filtered)
        if reason:
            raise SourceError(f"services have vanished but {reason}; nothing is removed", cause=Cause.PARTIAL)
        return self._readable(selected(reply.value, self._mapper.config))

    def _emptied(self, listed: frozenset[str], *, doubtful: bool) -> bool:
        """Whether everything is gone at once, which is how a catalog looks that was lost."""
        lost = self._at_stake()
        return not self._context.allow_empty and bool(lost) and not lost & listed and (doubtful or len(lost) > 1)

    def _at_stake(self) -> set[str]:
        services = self._memory.services
        return {name for name, known in services.items() if known.populated}

    def _hold(self) -> None:
        lost = self._at_stake()
        self._memory.held |= lost
        for name in lost:
            reason = "the catalog lost all services at once, as when its data was lost"
            self._context.sink.doubt(self._scope(name), reason, lost=True)
            self._context.sink.replace(self._scope(name), {})
            del self._memory.services[name]
        self._context.noticed("consul.catalog_emptied", datacenter=self._mapper.datacenter, services=len(lost))

    async def _verify_all(self, names: Collection[str], listed: frozenset[str], *, doubtful: bool) -> None:
        failures: list[SourceError] = []

        async def verify(name: str) -> None:
            try:
                await self._verify(name, listed, doubtful=doubtful)
            except SourceError as error:
                failures.append(error)

        async with asyncio.TaskGroup() as tasks:
            for name in sorted(names):
                tasks.create_task(verify(name))
        if failures:
            raise failures[0]

    async def _verify(self, name: str, listed: frozenset[str], *, doubtful: bool) -> None:
        reply = await (self._settled(name) if doubtful else self._client.instances(name, consistent=True))
        known = self._memory.services.get(name)
        if known is None:
            return  # somebody else found out in the meantime
        if name in listed or self._mapper.matching(name, reply.value):
            self._report(name, reply)
            return
        reason = _distrust(reply, filtered_before=known.filtered)
        if reason:
            raise SourceError(f"service {name!r} has vanished but {reason}; nothing is removed", cause=Cause.PARTIAL)
        self._context.sink.replace(self._scope(name), {})
        del self._memory.services[name]


def _identities(reply: Reply[Instances]) -> frozenset[tuple[str, str]]:
    """Who there is, in whatever state: a check that flaps must not put a removal off for ever."""
    return frozenset((entry.node.node, entry.service.id) for entry in reply.value)


def _distrust(reply: Reply[T], *, filtered_before: bool) -> str:
    """Why the reply may lack something that exists; empty when there is no reason to think so."""
    if reply.known_leader is False:
        return "the servers have no leader"
    if reply.filtered and not filtered_before:
        return "the token's rights have left something out"
    return ""
