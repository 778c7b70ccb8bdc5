"""The connections of this process to one Consul agent, shared by every source that names it.

An agent resets the 201st connection from one address and still counts those of a client that died until their blocking
queries end (https://developer.hashicorp.com/consul/docs/reference/agent/configuration-file/general#limits), so
connections are what a client must be thrifty with.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import aiohttp

CONNECTIONS = 20
"""The most connections at one agent for short reads and for the blocking queries of all sources that aggregate."""

SHORT_READS = 4
"""The fewest of them that stay for short reads, however many sources there are."""

WATCHES_OF_SOURCE = 3
"""What one source keeps open whatever the number of services: see `aggregate`."""


class Agent:
    """One session, and the limits that hold over all sources at this agent."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._sources = 0
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._kept = 0
        self._watches: dict[object, int] = {}
        self._blocking = 0

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session; there is one while a source has joined."""
        assert self._session is not None, "a request outside of Agent.joined"  # noqa: S101 (a bug of ours, not an input)
        return self._session

    @property
    def blocking(self) -> int:
        """How many blocking queries are open now."""
        return self._blocking

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Be one of the sources at this agent; the last one to leave closes every connection."""
        async with AsyncExitStack() as stack:
            self._sources += 1
            stack.push_async_callback(self._left)
            for _ in range(self._keep(stack)):
                await self._slots.acquire()
                stack.callback(self._slots.release)
            if self._session is None:
                self._session = _session()
            yield

    def _keep(self, stack: AsyncExitStack) -> int:
        kept = max(0, min(WATCHES_OF_SOURCE, CONNECTIONS - SHORT_READS - self._kept))
        self._kept += kept
        stack.callback(self._unkeep, kept)
        return kept

    def _unkeep(self, kept: int) -> None:
        self._kept -= kept

    async def _left(self) -> None:
        self._sources -= 1
        if not self._sources and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    @asynccontextmanager
    async def short_read(self) -> AsyncIterator[None]:
        """Wait for one of the connections that are left for reads which return at once."""
        async with self._slots:
            yield

    @contextmanager
    def blocking_query(self) -> Iterator[None]:
        """Count a query that stays open; whoever opens one has reserved it or is one of the three of its source."""
        self._blocking += 1
        try:
            yield
        finally:
            self._blocking -= 1

    def reserve_watches(self, owner: object, count: int, limit: int) -> bool:
        """Set aside `count` blocking queries for `owner`, in place of those it had, if all stay within `limit`."""
        others = sum(watches for reserved_by, watches in self._watches.items() if reserved_by is not owner)
        if others + count > limit:
            return False
        self._watches[owner] = count
        return True

    def release_watches(self, owner: object) -> None:
        """Give back what `reserve_watches` set aside."""
        self._watches.pop(owner, None)


def _session() -> aiohttp.ClientSession:
    # No limit of the pool's own: it would make watches queue unseen behind watches. No cookies, no proxies from the
    # environment, no credentials from ~/.netrc. What is idle is given back soon: the limit counts it.
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=5),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )
