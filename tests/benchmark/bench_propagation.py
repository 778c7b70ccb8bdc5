"""From a registration in Consul to the first request that the new endpoint serves through Envoy.

The baseline is Consul's own wake-up, measured beside it for the same changes: how long a bare blocking query on the
service takes to return. What the bridge and Envoy add is the rest.

    PYTHONPATH=tests python tests/benchmark/bench_propagation.py [--changes 200] [--mode per_service|aggregate]
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from benchmark.budget import Budget, judged, quantile
from support.backends import Backends, backends
from support.bridge import BridgeProcess
from support.consul import ConsulAgent, consul_agent
from support.envoy import envoy
from support.transports import Bootstrap, Transport

MOST = {"per_service": 100.0, "aggregate": 6000.0}
"""Milliseconds at most, p99, from Consul's own wake-up until a new port serves, by the source's mode."""

GAP = 0.2
"""Seconds between two changes: apart enough that neither the debounce nor the pacing of wake-ups gathers them."""


async def main(changes: int, mode: str) -> list[Budget]:
    """Measure and print, for State of the World and for Delta; what is held against the budgets."""
    budgets = []
    print(f"{changes} changes of the port of the one instance of a service, mode {mode}; milliseconds")
    print(f"{'':12}{'p50':>10}{'p99':>10}{'max':>10}")
    for transport in (Transport.SOTW_ADS, Transport.DELTA_ADS):
        wakes, served = await measure(transport, changes, mode)
        added = [after - wake for wake, after in zip(wakes, served, strict=True)]
        row("Consul", wakes)
        row(transport, served)
        row("over Consul", added)
        print(f"{'ratio':12}{quantile(served, 50) / quantile(wakes, 50):>10.2f}", end="")
        print(f"{quantile(served, 99) / quantile(wakes, 99):>10.2f}")
        budgets.append(Budget(f"{mode}, {transport}: over Consul, p99", 1000 * quantile(added, 99), MOST[mode], "ms"))
    return budgets


async def measure(transport: Transport, changes: int, mode: str) -> tuple[list[float], list[float]]:
    """Seconds from each registration to Consul's own wake-up, and to the first request served by the new endpoint."""
    with tempfile.TemporaryDirectory() as folder:
        async with backends("a", "b") as running, consul_agent() as consul:
            await register(consul, running, "a")
            source: dict[str, object] = {"name": "dc1", "type": "consul", "address": consul.address, "mode": mode}
            async with BridgeProcess(Path(folder), [source]) as bridge:
                bootstrap = Bootstrap(transport, [bridge.xds_port], "web")
                async with envoy(bootstrap.config, Path(folder)), aiohttp.ClientSession() as session:
                    results = [
                        await change(consul, running, session, bootstrap.url, "ba"[number % 2])
                        for number in range(changes)
                    ]
    return [wake for wake, _ in results], [served for _, served in results]


async def change(
    consul: ConsulAgent, running: Backends, session: aiohttp.ClientSession, url: str, name: str
) -> tuple[float, float]:
    """Move the instance to the other backend."""
    async with session.get(f"{consul.address}/v1/health/service/web") as response:
        index = response.headers["X-Consul-Index"]
    async with asyncio.TaskGroup() as group:
        wake = group.create_task(woken(consul, session, index))
        served = group.create_task(answered(session, url, name))
        await asyncio.sleep(GAP)
        started = time.perf_counter()
        await register(consul, running, name)
    return wake.result() - started, served.result() - started


async def woken(consul: ConsulAgent, session: aiohttp.ClientSession, index: str) -> float:
    """When a blocking query returns."""
    async with session.get(f"{consul.address}/v1/health/service/web?index={index}&wait=60s") as response:
        await response.read()
    return time.perf_counter()


async def answered(session: aiohttp.ClientSession, url: str, name: str) -> float:
    """When the backend `name` first answers through Envoy."""
    while True:
        async with session.get(url) as response:
            if await response.text() == name:
                return time.perf_counter()


async def register(consul: ConsulAgent, running: Backends, name: str) -> None:
    """Register the one instance of `web` at a backend."""
    key = running.addresses[name]
    await consul.register("web", key.address, id="web-1", port=key.port)


def row(name: str, seconds: Sequence[float]) -> None:
    """Print the quantiles of a measurement."""
    values = "".join(f"{1000 * value:>10.1f}" for value in (quantile(seconds, 50), quantile(seconds, 99), max(seconds)))
    print(f"{name:12}{values}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=200, help="in each mode; a fifth of it in aggregate mode")
    parser.add_argument("--mode", choices=MOST, help="one of the modes alone")
    options = parser.parse_args()
    found: list[Budget] = []
    for chosen in [options.mode] if options.mode else MOST:
        found += asyncio.run(main(options.changes if chosen == "per_service" else options.changes // 5, chosen))
    sys.exit(judged(found))
