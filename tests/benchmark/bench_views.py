"""What views cost: one endpoint changes while Envoys of many regions are there, and a new view is filled.

The baseline is a builder and a cache by themselves, as if there were no views.

    PYTHONPATH=tests python tests/benchmark/bench_views.py [--services 1000] [--endpoints 10] [--changes 300]
"""

import argparse
import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator

from bridge.config import ViewRule
from bridge.merge import Service
from bridge.model import Locality
from bridge.resources import ResourceBuilder
from bridge.views import ClientViews
from support.builders import appeared, changed, endpoint, service
from support.waiting import eventually
from xds import Client, Node, Snapshot, SnapshotCache
from xds import Locality as NodeLocality

VIEWS = (0, 1, 8, 64)
REGIONS = [f"region-{number}" for number in range(max(VIEWS))]


def made(number: int, endpoints: int, weight: int = 1) -> Service:
    """A service with an endpoint in each of the first regions, of which one has a certain weight."""
    addresses = (f"10.{number >> 8}.{number & 255}.{n}" for n in range(endpoints))
    at = [
        endpoint(address, locality=Locality(REGIONS[n % len(REGIONS)]), weight=weight if n == 0 else 1)
        for n, address in enumerate(addresses)
    ]
    return service(f"service-{number:05}", at)


async def main(services: int, endpoints: int, changes: int) -> None:
    """Measure and print."""
    state = [made(number, endpoints) for number in range(services)]
    steps = [made(number % services, endpoints, 2 + number % 100) for number in range(changes)]
    print(f"{services} services with {endpoints} endpoints each; µs of CPU for a change of one endpoint, by views")
    baseline = await without_views(state, steps)
    print(f"{'none':>10}{baseline:>10.0f}")
    for views in VIEWS:
        each = await with_views(views, state, steps)
        print(f"{f'1 + {views}':>10}{each:>10.0f}   ratio {each / baseline:.2f}")
    await fill(state)


async def without_views(state: list[Service], steps: list[Service]) -> float:
    """µs for each step."""
    builder, cache = ResourceBuilder({}, []), SnapshotCache()
    snapshot = builder.apply(Snapshot(), appeared(*state))
    cache.set(snapshot)
    begin = time.process_time()
    for step in steps:
        snapshot = builder.apply(snapshot, changed(step))
        await asyncio.sleep(0)
        cache.set(snapshot)
    return (time.process_time() - begin) / len(steps) * 1e6


async def with_views(count: int, state: list[Service], steps: list[Service]) -> float:
    """µs for each step, while that many regions have their views besides the default one."""
    async with collected(state) as views:
        held = [views.view(client(region)) for region in REGIONS[:count]]
        await eventually(lambda: all(cache.snapshot for cache in held), timeout=60)
        begin = time.process_time()
        for step in steps:
            await views.stage(changed(step))
            views.publish()
        return (time.process_time() - begin) / len(steps) * 1e6


async def fill(state: list[Service]) -> None:
    """Print how long a view takes to be filled, and how long the event loop is held up at most."""
    async with collected(state) as views:
        cache, turns = views.view(client(REGIONS[0])), [time.process_time()]
        while cache.snapshot is None:
            await asyncio.sleep(0)
            turns.append(time.process_time())
        longest = max(after - before for before, after in itertools.pairwise(turns))
        spent = turns[-1] - turns[0]
        print(f"a new view is filled in {spent * 1e3:.1f} ms of CPU, at most {longest * 1e3:.1f} ms at a time")


@contextlib.asynccontextmanager
async def collected(state: list[Service]) -> AsyncIterator[ClientViews]:
    """Views in which a state is published."""
    views = ClientViews(ResourceBuilder({}, []), [ViewRule(locality_failover=True)], required=False)
    filling = asyncio.create_task(views.run())
    await views.stage(appeared(*state))
    views.publish()
    yield views
    filling.cancel()


def client(region: str) -> Client:
    """An Envoy of a region."""
    return Client(Node("envoy", locality=NodeLocality(region=region)), "benchmark")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--endpoints", type=int, default=10)
    parser.add_argument("--changes", type=int, default=300)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.services, arguments.endpoints, arguments.changes))
