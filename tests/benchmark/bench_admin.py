"""What the status page and the API cost: the time of each answer, and how long a push waits while they are asked.

The bridge is a process of its own with 10,000 endpoints, in 2,000 services and then in a single one, and 1,000 Envoys,
each of which follows one service of a real Consul. An answer is judged by the processor time that the bridge takes for
it, in all its threads, since server and clients share the machine, and others perhaps too; the time until a client has
it stands beside. The delay of pushes is what they take longer, from the registration on, while somebody asks for one
thing after the other without a pause, which no browser does, thirty pages follow what happens, and Prometheus scrapes
every second. All is measured in several rounds, of which the quietest counts, but for the first answer after a start.

    PYTHONPATH=tests python tests/benchmark/bench_admin.py [--streams 1000] [--changes 10]
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmark import synthetic
from benchmark.budget import Budget, judged, quantile
from benchmark.question import CHANGING, FOLLOWER, LARGE, MANY, World
from benchmark.server import register
from support.bridge import BridgeProcess
from support.consul import ConsulAgent, consul_agent
from support.ports import free_port
from support.xds_client import Transport, XdsClient
from support.xds_process import flooder, said
from xds import ENDPOINT

ANSWER, DELAY = 100.0, 50.0
"""Milliseconds that the bridge may take for an answer, and that a push may wait for it; both p99."""

ROUNDS = 5
"""Times that everything is measured in each world."""

ASKED = 10
"""Times that each path is asked for in a round, one after the other."""

SETTLED = 0.7
"""Seconds from one change to the next, so that none waits for the one before: the source reads twice a second."""

FOLLOWERS = 30
"""Pages that follow what happens."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Milliseconds of one answer."""

    taken: float
    """Until the client had all of it."""
    computed: float
    """That the bridge computed meanwhile, in all its threads."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to one question."""

    first: Answer
    """Which may have to work out what the others find; the first question of all, what many others share."""
    rounds: Sequence[Sequence[Answer]]

    @property
    def taken(self) -> list[float]:
        """The times of all but the first."""
        return [each.taken for answers in self.rounds for each in answers]

    @property
    def computed(self) -> float:
        """The p99 of the quietest round."""
        return quietest([[each.computed for each in answers] for answers in self.rounds], 99)


@dataclass(frozen=True, slots=True)
class Pushes:
    """Milliseconds until the first Envoy has a change, round by round."""

    quiet: Sequence[list[float]]
    busy: Sequence[list[float]]
    """While everything is asked."""


async def main(worlds: Sequence[World], streams: int, changes: int) -> int:
    """Measure and print; 1 if a budget is missed."""
    budgets: list[Budget] = []
    for world in worlds:
        print(f"{world}, {streams:,} Envoys; milliseconds, {ROUNDS} rounds")
        answers, pushes = await measure(world, streams, changes)
        report(answers, pushes)
        budgets += held(world, answers, pushes)
    return judged(budgets)


async def measure(world: World, streams: int, changes: int) -> tuple[dict[str, Answers], Pushes]:
    """Ask a bridge of its own."""
    with tempfile.TemporaryDirectory() as folder:
        register(Path(folder))
        async with consul_agent() as consul:
            await touch(consul, 0)
            sources: list[dict[str, object]] = [
                {"name": "memory", "type": synthetic.TYPE, "touch_port": free_port(), **size(world)},
                {"name": "consul", "type": "consul", "address": consul.address},
            ]
            bridge = BridgeProcess(Path(folder), sources)
            bridge.environment = {"PYTHONPATH": os.pathsep.join([folder, *sys.path])}
            async with bridge, fleet(bridge.xds_port, streams) as client:
                answers = await ask(bridge, world.paths)
                return answers, await pushed(bridge, client, consul, world.paths, changes)


def size(world: World) -> dict[str, object]:
    """What the source in memory is to have."""
    return {"clusters": world.services, "endpoints": world.endpoints}


async def touch(consul: ConsulAgent, number: int) -> None:
    """Give the service that is followed another address."""
    await consul.register(CHANGING, f"10.200.{number // 250}.{number % 250 + 1}", id=CHANGING)


@asynccontextmanager
async def fleet(port: int, count: int) -> AsyncIterator[XdsClient]:
    """Envoys that follow one service, and have it: the first one here, all others in a process of their own."""
    client = XdsClient(port, Transport(delta=True, aggregated=True), node=FOLLOWER)
    try:
        await client.subscribe(ENDPOINT, [CHANGING])
        await client.accept(ENDPOINT)
        async with flooder(port, "followers", count - 1) as others:
            assert await said(others) == {"answered": count - 1}
            yield client
    finally:
        await client.close()


async def ask(bridge: BridgeProcess, paths: Sequence[str]) -> dict[str, Answers]:
    """The answers to each question: the first ones, in this order, and then in rounds."""
    rounds: dict[str, list[list[Answer]]] = {path: [] for path in paths}
    async with aiohttp.ClientSession() as session:
        first = {path: await answer(session, bridge, path) for path in paths}
        for _ in range(ROUNDS):
            for path, found in rounds.items():
                found.append([await answer(session, bridge, path) for _ in range(ASKED)])
    return {path: Answers(first[path], rounds[path]) for path in paths}


async def answer(session: aiohttp.ClientSession, bridge: BridgeProcess, path: str) -> Answer:
    """Ask once."""
    began, before = time.perf_counter(), computed(bridge)
    async with session.get(bridge.url(path)) as response:
        await response.read()
        assert response.status == 200, f"{path}: {response.status}"
    return Answer(1000 * (time.perf_counter() - began), 1000 * (computed(bridge) - before))


def computed(bridge: BridgeProcess) -> float:
    """Seconds of processor time that a bridge has used: its clock has the number of clock_getcpuclockid(3)."""
    return time.clock_gettime(~bridge.process.pid << 3 | 2)


async def pushed(
    bridge: BridgeProcess, client: XdsClient, consul: ConsulAgent, paths: Sequence[str], changes: int
) -> Pushes:
    """The times of so many changes a round without, and as many with somebody who asks."""
    pushes = Pushes(*([[] for _ in range(ROUNDS)] for _ in range(2)))
    numbers = iter(range(1, 2 * ROUNDS * changes + 1))
    for quiet, busy in zip(pushes.quiet, pushes.busy, strict=True):
        for _ in range(changes):  # by turns, so that what else the machine does hits both
            quiet.append(await push(client, consul, next(numbers)))
            async with asked(bridge, paths):
                busy.append(await push(client, consul, next(numbers)))
    return pushes


async def push(client: XdsClient, consul: ConsulAgent, number: int) -> float:
    """Milliseconds from a registration until the first Envoy has it; when all others do is up to their process."""
    await asyncio.sleep(SETTLED)
    await touch(consul, number)
    began = time.perf_counter()
    await client.accept(ENDPOINT)
    return 1000 * (time.perf_counter() - began)


@asynccontextmanager
async def asked(bridge: BridgeProcess, paths: Sequence[str]) -> AsyncIterator[None]:
    """While somebody asks for one path after the other, in an order of their own."""

    async def asking(paths: Sequence[str], pause: float, begun: asyncio.Event) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                async with session.get(bridge.url(random.choice(paths))) as response:
                    await response.read()
                begun.set()
                await asyncio.sleep(pause)

    async def following(begun: asyncio.Event) -> None:
        accept = {"Accept": "text/event-stream"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(bridge.url("/api/v1/events"), headers=accept) as told,
        ):
            async for _ in told.content:
                begun.set()

    signs = [asyncio.Event() for _ in range(FOLLOWERS + 2)]
    works = [asking(paths, 0, signs[0]), asking(["/metrics"], 1, signs[1]), *map(following, signs[2:])]
    tasks = [asyncio.create_task(work) for work in works]
    for sign in signs:
        await sign.wait()
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def report(answers: dict[str, Answers], pushes: Pushes) -> None:
    """Print all of it."""
    print(f"{'':75}{'p50':>8}{'p99':>8}{'computed':>10}{'first':>8}{'computed':>10}")
    for path, found in answers.items():
        first = f"{found.first.taken:>8.1f}{found.first.computed:>10.1f}"
        row(path, found.taken, f"{found.computed:>10.1f}{first}")
    quiet, busy = ([each for times in rounds for each in times] for rounds in (pushes.quiet, pushes.busy))
    row("push to the first Envoy, nobody asks", quiet)
    row("the same, while everything is asked", busy)
    print(f"pushes while asked to pushes without, p50: {quantile(busy, 50) / quantile(quiet, 50):.2f}×")


def row(name: str, times: Sequence[float], rest: str = "") -> None:
    """A line of the table."""
    print(f"{name:75}{quantile(times, 50):>8.1f}{quantile(times, 99):>8.1f}{rest}", flush=True)


def held(world: World, answers: dict[str, Answers], pushes: Pushes) -> Iterator[Budget]:
    """What is held against the budgets."""
    costliest = max(answers, key=lambda path: answers[path].computed)
    yield Budget(f"{world}: the costliest answer, p99 ({costliest})", answers[costliest].computed, ANSWER, "ms")
    first = max(answers, key=lambda path: answers[path].first.computed)
    yield Budget(f"{world}: the costliest first answer ({first})", answers[first].first.computed, ANSWER, "ms")
    for percent in (50, 99):
        delay = quietest(pushes.busy, percent) - quietest(pushes.quiet, percent)
        yield Budget(f"{world}: a push waits longer, p{percent}", delay, DELAY, "ms")


def quietest(rounds: Sequence[Sequence[float]], percent: int) -> float:
    """A percentile of the round in which it is the lowest."""
    return min(quantile(times, percent) for times in rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=10, help="in each round, and as many while everything is asked")
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main((MANY, LARGE), arguments.streams, arguments.changes)))
