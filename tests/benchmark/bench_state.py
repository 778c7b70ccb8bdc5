"""What it costs to keep what is known: processor time, and how long the event loop is held up at most.

The baseline is the plainest way: the same values turned to lists and given to `json.dumps`, on the event loop.

    PYTHONPATH=tests python tests/benchmark/bench_state.py [--services 1000] [--endpoints 10] [--rounds 15]
"""

import argparse
import asyncio
import dataclasses
import itertools
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmark.budget import Budget, judged
from bridge.state import KnownEndpoint, KnownService, State, Store
from support.kept_state import large

MOST_CPU = 0.5
"""Seconds of processor time for a write, at most."""
MOST_LAG = 0.05
"""Seconds for which the event loop may be held up."""


@dataclass(frozen=True)
class Cost:
    """Of one write, in seconds."""

    cpu: float
    lag: float


async def main(services: int, endpoints: int, rounds: int) -> int:
    """Measure and print; 1 if a budget is exceeded."""
    state = large(services, endpoints)
    print(f"{services} services with {endpoints} endpoints each; median ms of {rounds} writes")
    print(f"{'':>24}{'CPU':>9}{'ratio':>7}{'loop held up':>14}{'at most':>9}")
    baseline = await measured(itertools.repeat(state, rounds), on_the_loop)
    with TemporaryDirectory() as directory, ThreadPoolExecutor(1) as executor:
        store, loop = Store(Path(directory)), asyncio.get_running_loop()
        store.open()

        async def write(what: State) -> None:
            assert await loop.run_in_executor(executor, store.save, what)

        all_new = await measured((fresh(state, number) for number in range(rounds)), write)
        one_new = await measured((touched(state, number) for number in range(rounds)), write)
        load = await measured(itertools.repeat(state, rounds), lambda _: loop.run_in_executor(executor, store.load))
        size = (Path(directory) / "state.json").stat().st_size
    for name, costs in (("json.dumps on the loop", baseline), ("all is new", all_new), ("one service is new", one_new)):
        row(name, costs, baseline)
    row("read at the start", load, baseline)
    print(f"the file has {size / 1e6:.2f} MB")
    cost = median(all_new)
    return judged(
        [
            Budget("a write when all is new, CPU", 1000 * cost.cpu, 1000 * MOST_CPU, "ms"),
            Budget("the event loop held up by it", 1000 * cost.lag, 1000 * MOST_LAG, "ms"),
        ]
    )


async def measured(states: Iterator[State], write: Callable[[State], Awaitable[object]]) -> list[Cost]:
    """The cost of each write, with a timer that looks how late it is."""
    costs = []
    for state in states:
        turns: list[float] = []
        ticking = asyncio.create_task(tick(turns))
        await asyncio.sleep(0.01)
        begin = time.process_time()
        await write(state)
        cpu = time.process_time() - begin
        await asyncio.sleep(0.01)
        ticking.cancel()
        costs.append(Cost(cpu, max(after - before for before, after in itertools.pairwise(turns)) - TICK))
    return costs


TICK = 0.001


async def tick(turns: list[float]) -> None:
    """Note the time, a thousand times a second."""
    while True:
        turns.append(time.perf_counter())
        await asyncio.sleep(TICK)


async def on_the_loop(state: State) -> None:
    """The plainest way."""
    json.dumps(
        [
            [source.source, source.read, service.scope, service.service, [plain(known) for known in service.endpoints]]
            for source in state.sources
            for service in source.services
        ]
    )


def plain(known: KnownEndpoint) -> list[object]:
    """All that is known of an endpoint."""
    at, place = known.endpoint, known.endpoint.locality
    where = [at.address, at.port, place.region, place.zone, place.sub_zone]
    protocol = at.protocol and at.protocol.value
    return [*where, at.health.value, at.weight, at.metadata, at.instance, protocol, known.since]


def fresh(state: State, number: int) -> State:
    """The same, with nothing in it that was there before."""
    [source] = state.sources
    services = tuple(
        KnownService(
            service.scope,
            service.service,
            tuple(KnownEndpoint(known.endpoint, known.since + number) for known in service.endpoints),
        )
        for service in source.services
    )
    return State(sources=(dataclasses.replace(source, services=services),))


def touched(state: State, number: int) -> State:
    """The same, with one service that is new."""
    [source] = state.sources
    [one] = fresh(State(sources=(dataclasses.replace(source, services=source.services[:1]),)), number).sources
    return State(sources=(dataclasses.replace(source, services=(*one.services, *source.services[1:])),))


def median(costs: list[Cost]) -> Cost:
    """Of each by itself."""
    return Cost(statistics.median(each.cpu for each in costs), statistics.median(each.lag for each in costs))


def row(name: str, costs: list[Cost], baseline: list[Cost]) -> None:
    """Print one way."""
    middle = median(costs)
    ratio, most = middle.cpu / median(baseline).cpu, max(each.lag for each in costs)
    print(f"{name:>24}{middle.cpu * 1e3:>9.1f}{ratio:>7.2f}{middle.lag * 1e3:>14.1f}{most * 1e3:>9.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--endpoints", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.services, arguments.endpoints, arguments.rounds)))
