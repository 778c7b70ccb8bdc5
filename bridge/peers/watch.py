"""Looks at every peer again and again. Nothing that a peer does or leaves undone reaches anything but its status."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from bridge.clock import Clock
from bridge.config import AdminConfig
from bridge.peers.client import PeerClient, PeerError
from bridge.peers.comparison import Drift, Finding, Look, differing_views, fingerprints, judge
from bridge.peers.peer import Peer, PeerStatus
from bridge.supervisor import Ticks
from xds import Snapshot

INTERVAL = 2.0
"""Seconds between two looks at a peer, at most; there are two looks while something may differ."""

LEAST = 0.1
"""And at least."""


class Served(Protocol):
    """What this replica serves (`ClientViews`)."""

    def snapshots(self) -> Mapping[str, Snapshot]:
        """What each view shows, by its name, the default view first; nothing before Envoys are answered."""


class Peers:
    """The other replicas.

    Args:
        config: their admin servers (`peers`), and how long something may differ.
        served: what to compare them with.
        ticks: says when to look.
        clock: the times.
    """

    def __init__(self, config: AdminConfig, served: Served, ticks: Ticks, clock: Clock) -> None:
        self.instance = secrets.token_hex(8)
        """Of this process, by which it knows itself."""
        self._served = served
        self._ticks = ticks
        self._clock = clock
        self._interval = min(INTERVAL, max(LEAST, config.peer_patience / 2))
        self._peers = [Peer(url, config.peer_patience, clock) for url in config.peers]
        self._executor = ThreadPoolExecutor(1, "peers")

    def statuses(self) -> Sequence[PeerStatus]:
        """How each compares now, in the order of the configuration."""
        return [peer.status for peer in self._peers]

    async def run(self) -> None:
        """Look at all of them until cancelled, at each by itself."""
        try:
            async with PeerClient(self._executor, len(self._peers)) as client, asyncio.TaskGroup() as group:
                for peer in self._peers:
                    group.create_task(self._watch(client, peer), name=f"peer {peer.url}")
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)

    async def _watch(self, client: PeerClient, peer: Peer) -> None:
        async for _ in self._ticks(self._interval):
            try:
                await self._look(client, peer)
            except PeerError as error:
                peer.failed(str(error))

    async def _look(self, client: PeerClient, peer: Peer) -> None:
        told = await client.versions(peer.url)
        here = self._served.snapshots()
        if told.instance == self.instance:
            peer.is_this_one()
        elif not told.views or not here:
            peer.waits()
        elif not (views := differing_views(here, told.views)):
            peer.agrees()
        else:
            view, before = peer.turn(views)
            there = await client.fingerprints(peer.url, view)
            await self._compare(peer, view, before, there)

    async def _compare(self, peer: Peer, view: str, before: Drift | None, there: frozenset[str]) -> None:
        snapshot, at = self._served.snapshots().get(view), self._clock.monotonic()
        if snapshot is None:  # its last Envoy has gone meanwhile
            return

        def work() -> Finding:
            return judge(before, Look(view, at, fingerprints(snapshot), there), peer.patience)

        peer.differs(await asyncio.get_running_loop().run_in_executor(self._executor, work))
