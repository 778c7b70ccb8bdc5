"""Following any number of services with three blocking queries instead of one for each.

Every check of the datacenter, its nodes and its catalog together show that something changed, if not always what; what
is named is read at once, and a sweep over all services finds the rest.
"""

import asyncio
import math
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import TypeVar

from adapters.consul.book import Book
from adapters.consul.client import Client, Reply, next_index
from adapters.consul.outage import Outage
from adapters.consul.pace import TokenBucket
from adapters.consul.payload import Check, Node
from adapters.consul.transport import ConsulError
from bridge.adapter import AdapterContext

T = TypeVar("T")

WAKES = 2.0
"""The most wake-ups a second of each of the three queries: an answer holds every check of the datacenter."""

_SWEEP_EVERY = 5.0
"""Seconds between sweeps, however often the catalog wakes."""

_ROTATION = 60.0
"""Seconds in which each service is read at least once, whatever was or was not seen to change."""

CheckKey = tuple[str, str]
CheckState = tuple[str, str, str, tuple[str, ...]]


def check_states(checks: Collection[Check]) -> dict[CheckKey, CheckState]:
    """What matters of each check; its output does not, and changes all the time."""
    return {
        (check.node, check.check_id): (check.status, check.service_name, check.service_id, check.service_tags)
        for check in checks
    }


def changed_checks(old: Mapping[CheckKey, CheckState], new: Mapping[CheckKey, CheckState]) -> tuple[set[str], set[str]]:
    """The services whose checks differ, and the nodes whose own checks do."""
    services: set[str] = set()
    nodes: set[str] = set()
    for key in old.keys() | new.keys():
        if old.get(key) == new.get(key):
            continue
        for state in filter(None, (old.get(key), new.get(key))):
            if state[1]:
                services.add(state[1])
            else:
                nodes.add(key[0])
    return services, nodes


def changed_nodes(old: Collection[Node], new: Collection[Node]) -> set[str]:
    """The names of nodes that came, went, or are described otherwise."""
    before = {node.node: node for node in old}
    after = {node.node: node for node in new}
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


class Aggregate:
    """Reads services when something says that they have changed."""

    def __init__(self, client: Client, book: Book, outage: Outage, context: AdapterContext) -> None:
        self._client = client
        self._book = book
        self._outage = outage
        self._context = context
        self._checks: dict[CheckKey, CheckState] | None = None
        self._nodes: tuple[Node, ...] | None = None
        self._sweep = asyncio.Event()
        self._wanted: set[str] = set()
        self._running: set[str] = set()
        self._wake = asyncio.Event()

    def read(self, names: Collection[str]) -> None:
        """Read these services soon; one that is being read is read once more after that."""
        self._wanted |= set(names) & self._book.names
        self._wake.set()

    def sweep(self) -> None:
        """Read every service, soon and not too often."""
        self._sweep.set()

    async def run(self) -> None:
        """Follow the datacenter until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._context.supervise("checks", self._watch_checks))
            tasks.create_task(self._context.supervise("nodes", self._watch_nodes))
            tasks.create_task(self._sweeper())
            tasks.create_task(self._rotation())
            while True:
                await self._wake.wait()
                self._wake.clear()
                for name in self._wanted - self._running:
                    self._wanted.discard(name)
                    self._running.add(name)
                    tasks.create_task(self._read(name))

    async def _read(self, name: str) -> None:
        label = f"service {name!r}"
        try:
            await self._context.supervise(label, partial(self._attempt, name, label))
        finally:
            self._running.discard(name)
            if name in self._wanted:
                self._wake.set()

    async def _attempt(self, name: str, label: str) -> None:
        while name in self._book.names:
            self._wanted.discard(name)
            try:
                reply = await self._client.instances(name)
            except ConsulError as error:
                if not await self._outage.waited_out(error):
                    raise
                continue
            await self._book.take(name, reply, doubtful=self._outage.recent)
            break
        self._context.succeeded(label)

    async def _watch_checks(self) -> None:
        await self._watch("checks", self._client.checks, self._on_checks)

    async def _watch_nodes(self) -> None:
        await self._watch("nodes", self._client.nodes, self._on_nodes)

    async def _watch(
        self, label: str, read: Callable[[int | None], Awaitable[Reply[T]]], apply: Callable[[T], None]
    ) -> None:
        pace = TokenBucket(rate=WAKES, burst=2)
        index: int | None = None
        while True:
            await pace.take()
            try:
                reply = await read(index)
            except ConsulError as error:
                if not await self._outage.waited_out(error):
                    raise
                index = None
                continue
            if reply.index != index:
                apply(reply.value)
            index = next_index(reply, index)
            self._context.succeeded(label)

    def _on_checks(self, checks: tuple[Check, ...]) -> None:
        states = check_states(checks)
        if self._checks is None:
            self.sweep()  # what changed before there was anything to compare with
        else:
            services, nodes = changed_checks(self._checks, states)
            self.read(services | self._book.on_nodes(nodes))
        self._checks = states

    def _on_nodes(self, nodes: tuple[Node, ...]) -> None:
        if self._nodes is None:
            self.sweep()
        else:
            self.read(self._book.on_nodes(changed_nodes(self._nodes, nodes)))
        self._nodes = nodes

    async def _sweeper(self) -> None:
        pace = TokenBucket(rate=1 / _SWEEP_EVERY, burst=1, filled=False)
        while True:
            await self._sweep.wait()
            await pace.take()
            self._sweep.clear()
            self.read(self._book.names)

    async def _rotation(self) -> None:
        last = ""
        async for _ in self._context.ticks(1.0):
            names = sorted(self._book.names)
            if names:
                start = bisect_right(names, last) % len(names)
                turn = names[start : start + math.ceil(len(names) / _ROTATION)]
                self.read(turn)
                last = turn[-1]
