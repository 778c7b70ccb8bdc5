"""What is asked when: the catalog always, and the services one by one or all together, as their number allows."""

import asyncio
from functools import partial

from adapters.consul.agent import Agent
from adapters.consul.aggregate import Aggregate
from adapters.consul.book import Book
from adapters.consul.client import Client, next_index
from adapters.consul.config import Config, Mode
from adapters.consul.outage import Outage
from adapters.consul.pace import TokenBucket
from adapters.consul.transport import ConsulError
from bridge.adapter import AdapterContext
from bridge.errors import SourceError

CATALOG = "catalog"
"""The name under which the watch of the catalog fails and succeeds."""

_RETURN_AT = 0.75
"""The share of `max_watches` below which `auto` goes back to one query per service."""

_WAKES = 10.0
"""The most wake-ups a second of the watch of one service."""


class Follower:
    """Follows one datacenter: starts and stops the watches of services as the catalog changes."""

    def __init__(self, config: Config, agent: Agent, client: Client, book: Book, context: AdapterContext) -> None:
        self._config = config
        self._agent = agent
        self._client = client
        self._book = book
        self._context = context
        self._outage = Outage(client, agent, failing=book.resumed)
        self._aggregate = Aggregate(client, book, self._outage, context)
        self._aggregating: asyncio.Task[None] | None = None
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._limited = False
        self._begun = False

    async def run(self) -> None:
        """Report everything, then every change, until cancelled.

        Raises:
            SourceError: the catalog could not be read at the start; later failures are supervised one by one.
        """
        await self._book.take_catalog(await self._client.services())
        await self._book.begin()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._arrange(tasks)
                await self._context.supervise(CATALOG, partial(self._watch_catalog, tasks))
        finally:
            self._agent.release_watches(self)

    async def _watch_catalog(self, tasks: asyncio.TaskGroup) -> None:
        pace = TokenBucket(rate=2, burst=5)
        index = None if self._outage.recent else self._book.catalog_index
        if index is not None and not self._begun:
            self._context.succeeded(CATALOG)  # it has just been read; the wait for another one may take minutes
        self._begun = True
        while True:
            await pace.take()
            try:
                index = await self._next_catalog(tasks, index)
            except SourceError:
                self._outage.catalog_failed()
                raise

    async def _next_catalog(self, tasks: asyncio.TaskGroup, index: int | None) -> int | None:
        reply = await self._client.services(index)
        woken = reply.index != self._book.catalog_index
        doubtful = self._outage.recent
        self._outage.catalog_answered()
        try:
            changed, older = await self._book.take_catalog(reply, doubtful=doubtful)
        finally:
            self._arrange(tasks)
        if self._aggregating:
            self._aggregate.read(changed)
            if woken:
                self._aggregate.sweep()
        await self._book.depart(self._book.missing, doubtful=doubtful or older)
        self._context.succeeded(CATALOG)
        if self._book.spoken:
            self._context.succeeded()
        return next_index(reply, index)

    def _arrange(self, tasks: asyncio.TaskGroup) -> None:
        """Have the right watches running for the names that are to be followed."""
        for name in self._watches.keys() - self._book.names:
            self._watches.pop(name).cancel()
        if self._per_service():
            self._stop_aggregating()
            for name in sorted(self._book.names - self._watches.keys()):
                self._start_watch(tasks, name)
        elif self._aggregating is None:
            self._stop_watches()
            self._aggregating = tasks.create_task(self._aggregate.run())
            self._aggregate.read(self._book.names)

    def _per_service(self) -> bool:
        """Whether every service gets a watch; reserves their connections if so."""
        count, limit = len(self._book.names), self._config.max_watches
        if self._config.mode is Mode.AGGREGATE or self._limited:
            return False
        if self._aggregating is not None and count > limit * _RETURN_AT:
            return False
        if self._agent.reserve_watches(self, count, limit):
            return True
        if self._config.mode is Mode.PER_SERVICE and self._aggregating is None:
            self._context.noticed("consul.watches_exhausted", services=count, max_watches=limit)
        return False

    def _stop_aggregating(self) -> None:
        if self._aggregating is not None:
            self._aggregating.cancel()
            self._aggregating = None
            self._aggregate = Aggregate(self._client, self._book, self._outage, self._context)

    def _stop_watches(self) -> None:
        """Let each watch end when its query returns: the agent would go on counting the one of a cancelled watch."""
        self._agent.release_watches(self)
        self._watches.clear()

    def _start_watch(self, tasks: asyncio.TaskGroup, name: str) -> None:
        label = f"service {name!r}"
        watch = tasks.create_task(self._context.supervise(label, partial(self._watch, tasks, name, label)))
        watch.add_done_callback(partial(self._ended, name))
        self._watches[name] = watch

    def _ended(self, name: str, watch: asyncio.Task[None]) -> None:
        if self._watches.get(name) is watch:
            del self._watches[name]

    async def _watch(self, tasks: asyncio.TaskGroup, name: str, label: str) -> None:
        pace = TokenBucket(rate=_WAKES, burst=_WAKES)
        index: int | None = None
        while self._watches.get(name) is asyncio.current_task():
            await pace.take()
            try:
                reply = await self._client.instances(name, index)
            except ConsulError as error:
                if not await self._outage.waited_out(error):
                    self._check_limit(tasks, name, error)
                    raise
                index = None
                continue
            await self._book.take(name, reply, doubtful=self._outage.recent)
            self._context.succeeded(label)
            if not self._book.follows(name):
                return  # it is gone; should the catalog name it again, it is watched again
            index = next_index(reply, index)

    def _check_limit(self, tasks: asyncio.TaskGroup, name: str, error: ConsulError) -> None:
        if self._limited or not self._outage.over_limit(name, error):
            return
        self._limited = True
        self._context.noticed(
            "consul.connections_limited", address=self._config.address, watches=len(self._watches), detail=str(error)
        )
        self._arrange(tasks)
