"""Faults of those who ask the bridges: Envoys that freeze or come back, clients that refuse everything, storms."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from soak.fault import Fault, fault, nothing
from soak.script import SUBJECTS
from soak.stage import ONE, Stage
from support.xds_client import TRANSPORTS, Transport, connected
from xds import CLUSTER, ENDPOINT

STORM = 40
"""Clients that come at once."""

NEXT = 24 * 3600.0
"""Seconds that a client waits for something more to reject."""

ADS = [transport for transport in TRANSPORTS if transport.aggregated]


def faults() -> Iterator[Fault]:
    """All of them."""
    for name in SUBJECTS:
        touches = frozenset({name})
        yield fault(f"Envoy {name} frozen", partial(_freeze, name), partial(_thaw, name), touches=touches,
                    blinds=touches)  # fmt: skip
    yield fault("Envoy's connection cut", _cut, nothing, touches=frozenset({"sotw"}), weight=3)
    yield fault("storm of clients", _storm, nothing, touches=frozenset({ONE}), weight=4)
    for transport in ADS:
        rejecting = Rejecting(transport)
        name = f"client that rejects everything by {transport}"
        yield fault(name, rejecting.start, rejecting.stop, touches=frozenset({ONE, name}), weight=2)


async def _freeze(name: str, stage: Stage) -> None:
    await stage.subjects[name].freeze()


async def _thaw(name: str, stage: Stage) -> None:
    stage.subjects[name].thaw()


async def _cut(stage: Stage) -> None:
    await stage.cable.cut()


async def _storm(stage: Stage) -> None:
    """Clients connect, are answered, and hang up."""
    port = stage.bridges[ONE].xds_port
    await asyncio.gather(*(_ask(port, ADS[number % len(ADS)], f"storm-{number}") for number in range(STORM)))


async def _ask(port: int, transport: Transport, node: str) -> None:
    async with connected(port, transport, node=node) as client:
        await client.subscribe(CLUSTER)
        update = await client.accept(CLUSTER)
        await client.subscribe(ENDPOINT, update.names)
        await client.accept(ENDPOINT)


@dataclass
class Rejecting:
    """A client that rejects whatever it is sent."""

    transport: Transport
    _running: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self, stage: Stage) -> None:
        rejected = asyncio.Event()
        self._running.append(asyncio.create_task(self._reject(stage.bridges[ONE].xds_port, rejected)))
        await asyncio.wait({asyncio.create_task(rejected.wait()), *self._running}, return_when=asyncio.FIRST_COMPLETED)

    async def stop(self, _: Stage) -> None:
        """Hang up; what ended it before that fails the soak."""
        task = self._running.pop()
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()

    async def _reject(self, port: int, rejected: asyncio.Event) -> None:
        async with connected(port, self.transport, node="rejecting") as client:
            await client.subscribe(CLUSTER)
            while True:
                await client.nack(await client.receive(CLUSTER, timeout=NEXT))
                rejected.set()
