"""Every open stream: told of changes, looked after, and shown."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager

from xds.message import DeltaRequest, Request
from xds.node import Client
from xds.observer import StreamContents, StreamStatus
from xds.session import Session
from xds.standing import Presence, Receiver
from xds.surroundings import Surroundings

_SLICE = 500
"""Streams woken or looked after at a time; between two slices everybody else has a turn on the event loop."""

_CHECK_INTERVAL = 1.0

AnySession = Session[Request] | Session[DeltaRequest]


class Audience:
    """The open sessions of a server, whichever door they came in by.

    Args:
        shared: what its sessions share.
        patience: seconds after which a client that does not read is given up.
    """

    def __init__(self, shared: Surroundings, patience: float) -> None:
        self._shared = shared
        self._patience = patience
        self._numbers = itertools.count(1)
        self._sessions: dict[int, AnySession] = {}
        self._changed = asyncio.Event()
        self._generation = 0
        self._since = 0.0
        self._unwatch: Callable[[], None] = shared.views.watch(self._notice)

    def next_number(self) -> int:
        """A number for a session that no other one has or had."""
        return next(self._numbers)

    @contextmanager
    def holding(self, session: AnySession) -> Iterator[None]:
        """Have a session told of changes for as long as the block lasts."""
        self._sessions[session.id] = session
        try:
            with session:
                yield
        finally:
            del self._sessions[session.id]

    async def run(self) -> None:
        """Tell the sessions of changes and look after them, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._rouse_on_changes())
            tasks.create_task(self._check_regularly())

    def dismiss(self) -> None:
        """Follow no changes any more, and end every session."""
        self._unwatch()
        for session in list(self._sessions.values()):
            session.end()

    def streams(self) -> Iterator[StreamStatus]:
        """Every open stream, oldest first; looked at one by one as they are asked for."""
        return (session.status(self._shared.clock()) for session in list(self._sessions.values()))

    def contents(self, node: str) -> Sequence[StreamContents]:
        """The open streams of the clients with this node id, by the names of resources, oldest first."""
        now = self._shared.clock()
        return [each.contents(now) for each in self._sessions.values() if each.node and each.node.id == node]

    def receivers(self, name: str) -> Iterator[Receiver]:
        """The same, with how far each client is with what is called so."""
        return (session.receiver(name) for session in list(self._sessions.values()))

    def clients(self) -> Iterator[Client]:
        """Who is there and said so, by open streams; without those that say too much of themselves to be kept."""
        return (session.introduced for session in self._sessions.values() if session.introduced)

    async def reconsider(self) -> None:
        """End the streams of clients that are to see another view than when they came."""
        async for session in self._by_turns():
            session.reconsider()

    def presences(self) -> Iterator[Presence]:
        """Who is there, by open streams, oldest first; looked at one by one as they are asked for."""
        for session in list(self._sessions.values()):
            if presence := session.presence(self._shared.clock()):
                yield presence

    def heard_from(self, peer: str, since: float) -> bool:
        """Whether a request has come by a connection since then, on a stream that is open."""
        return any(session.peer == peer and session.heard > since for session in self._sessions.values())

    def _notice(self, generation: int) -> None:
        self._generation, self._since = generation, self._shared.clock()
        self._shared.propagation.begin(generation, self._since)
        self._changed.set()

    async def _rouse_on_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._rouse(self._generation)

    async def _rouse(self, generation: int) -> None:
        since = self._since
        async for session in self._by_turns():
            session.rouse(generation, since)
        for number, latency in self._shared.propagation.told_all(generation, self._shared.clock()):
            self._shared.observer.settled(number, latency)

    async def _check_regularly(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_INTERVAL)
            await self._check()

    async def _check(self) -> None:
        async for session in self._by_turns():
            session.check(self._shared.clock(), self._patience)

    async def _by_turns(self) -> AsyncIterator[AnySession]:
        """The sessions that are there when it is their turn."""
        for count, session in enumerate(list(self._sessions.values()), 1):
            if session.id in self._sessions:
                yield session
            if count % _SLICE == 0:
                await asyncio.sleep(0)
