"""A cluster that only Envoy knows to be bad is refused, by one client again and again: nothing else suffers."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.envoy_content import BAD_TEMPLATE, Bad
from support.file_traffic import PATIENCE, FileTraffic, file_traffic
from support.transports import Transport
from support.waiting import eventually
from support.xds_client import Transport as RawTransport
from support.xds_client import XdsClient, connected
from xds import CLUSTER

OTHERS = ["one", "other", "third", "refused"]


@dataclass
class Stubborn:
    """A client that rejects every response with a certain cluster in it, for as long as it is stubborn."""

    client: XdsClient
    stubborn: bool = True
    seen: Counter[tuple[str, frozenset[str]]] = field(default_factory=Counter)
    """What came, by its version and its names."""

    @property
    def most(self) -> int:
        """How often the same was sent at the most."""
        return max(self.seen.values())

    async def run(self) -> None:
        await self.client.subscribe(CLUSTER)
        while True:
            update = await self.client.receive(CLUSTER, timeout=10 * PATIENCE)
            self.seen[update.version, frozenset(update.names | update.removed)] += 1
            refused = self.stubborn and "refused" in update.names
            await (self.client.nack(update) if refused else self.client.ack(update))


@asynccontextmanager
async def stubborn_client(port: int, transport: Transport) -> AsyncIterator[Stubborn]:
    raw = RawTransport(delta=transport is Transport.DELTA_ADS, aggregated=True)
    async with connected(port, raw, node="stubborn") as client:
        stubborn = Stubborn(client)
        running = asyncio.create_task(stubborn.run())
        try:
            yield stubborn
            assert not running.done()
        finally:
            running.cancel()
            await asyncio.wait({running})


async def rejecting(world: FileTraffic, clients: int) -> None:
    """Wait until so many clients reject clusters."""

    async def counted() -> bool:
        return (await world.bridge.metrics())['xds_bridge_xds_rejecting_clients{type="cluster"}'] == clients

    await eventually(counted, timeout=PATIENCE, what=f"{clients} reject")


async def has_timeout(world: FileTraffic, timeout: str) -> bool:
    return (await world.envoy.cluster_configs("active"))["refused"].get("connect_timeout") == timeout


@pytest.mark.parametrize("transport", [Transport.SOTW_ADS, Transport.DELTA_ADS])
async def test_nothing_is_sent_in_a_loop_to_those_who_refuse_and_everything_else_goes_on(
    tmp_path: Path, transport: Transport
) -> None:
    # A complete response with the last suspect in it, after all others were accepted, is the first one once more.
    bound = 1 if transport is Transport.DELTA_ADS else 2
    async with (
        file_traffic(tmp_path, transport) as world,
        stubborn_client(world.bridge.xds_port, transport) as client,
    ):
        for name in OTHERS:
            world.file.set(name, [world.backends.addresses["a"]])
        await world.until_stat("cluster_manager.active_clusters", 2 + len(OTHERS))
        await rejecting(world, 1)
        before = await world.history()

        bad = {"match": "refused", "cluster": BAD_TEMPLATE[Bad.UNREAD]}
        assert (await world.bridge.reload(services=[bad]))["ok"]
        await rejecting(world, 2)
        await world.load.more(100)
        assert await world.history() == before
        await world.converges("a", "b", "c")
        assert client.most <= bound

        client.stubborn = False
        mended = {"match": "refused", "cluster": {"connect_timeout": "7s"}}
        assert (await world.bridge.reload(services=[mended]))["ok"]
        await eventually(lambda: has_timeout(world, "7s"), timeout=PATIENCE, what="Envoy has the mended cluster")
        await rejecting(world, 0)
        await world.backends.start("d")
        await world.converges("a", "b", "c", "d")
        assert await world.stat("cluster_manager.cluster_removed") == 0
        assert client.most <= bound
