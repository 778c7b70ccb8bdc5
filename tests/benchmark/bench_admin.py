"""What the status page and the API cost: the time of each answer, and how long a push waits while they are asked.

The bridge is a process of its own with 2,000 services of 5 endpoints and 1,000 Envoys, each of which follows one
service of a real Consul. Server and clients share the machine, so a time holds what the client does as well; the delay
of pushes is what they take longer, from the registration on, while somebody asks for one page after the other without a
pause, which no browser does, thirty pages follow what happens, and Prometheus scrapes every second.

    PYTHONPATH=tests python tests/benchmark/bench_admin.py [--services 2000] [--streams 1000] [--changes 40]
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from support.bridge import BridgeProcess
from support.consul import ConsulAgent, consul_agent
from support.endpoints_file import EndpointsFile
from support.xds_client import Transport, XdsClient
from support.xds_process import flooder, said
from xds import ENDPOINT

ANSWER, DELAY = 0.100, 0.050
"""Seconds that an answer may take, and that a push may wait for one; both p99."""

CHANGING = "control"
"""The service that every Envoy follows, in Consul."""

SETTLED = 0.7
"""Seconds from one change to the next, so that none waits for the one before: the source reads twice a second."""

FOLLOWERS = 30
"""Pages that follow what happens."""

ASKED = 20
"""Times that each path is asked for, one after the other."""

ZONES = ("a", "b", "c")
PATHS = (
    *("/", "/services", "/services?q=service-1", "/services?q=10.1&health=healthy", "/services/service-0001"),
    *("/envoys", "/events", "/config"),
    *("/api/v1/status", "/api/v1/sources", "/api/v1/services", "/api/v1/services/service-0001"),
    *("/api/v1/envoys", "/api/v1/events", "/api/v1/guard"),
)


async def main(services: int, streams: int, changes: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        catalogue = EndpointsFile(Path(folder) / "all.json")
        catalogue.replace({f"service-{number:04}": list(endpoints(number)) for number in range(services)})
        async with consul_agent() as consul:
            await touch(consul, 0)
            registry: dict[str, object] = {"name": "consul", "type": "consul", "address": consul.address}
            sources = [catalogue.source("all"), registry]
            async with BridgeProcess(Path(folder), sources) as bridge, fleet(bridge.xds_port, streams) as client:
                print(f"{services} services of 5 endpoints, {streams} Envoys; milliseconds")
                answers = {path: await ask(bridge, path) for path in PATHS}
                quiet, busy = [], []
                for number in range(1, 2 * changes, 2):  # by turns, so that what else the machine does hits both
                    quiet.append(await push(client, consul, number))
                    async with asked(bridge):
                        busy.append(await push(client, consul, number + 1))
    report(answers, quiet, busy)


def endpoints(number: int) -> Iterator[dict[str, object]]:
    """Those of one service."""
    for place in range(5):
        address = f"10.{number // 250}.{number % 250}.{place + 1}"
        yield {"address": address, "port": 8080, "zone": ZONES[place % 3], "region": "eu"}


async def touch(consul: ConsulAgent, number: int) -> None:
    """Give the service that is followed another address."""
    await consul.register(CHANGING, f"10.200.{number // 250}.{number % 250 + 1}", id=CHANGING)


@asynccontextmanager
async def fleet(port: int, count: int) -> AsyncIterator[XdsClient]:
    """Envoys that follow one service, and have it: the first one here, all others in a process of their own."""
    client = XdsClient(port, Transport(delta=True, aggregated=True), node="first")
    try:
        await client.subscribe(ENDPOINT, [CHANGING])
        await client.accept(ENDPOINT)
        async with flooder(port, "followers", count - 1) as others:
            assert await said(others) == {"answered": count - 1}
            yield client
    finally:
        await client.close()


async def push(client: XdsClient, consul: ConsulAgent, number: int) -> float:
    """Seconds from a registration until the first Envoy has it; when the others do is a matter of their process."""
    await asyncio.sleep(SETTLED)
    await touch(consul, number)
    began = time.perf_counter()
    await client.accept(ENDPOINT)
    return time.perf_counter() - began


async def ask(bridge: BridgeProcess, path: str) -> list[float]:
    """Seconds of each answer; the first one, which may have to work out what the others find, is left out."""
    found = []
    async with aiohttp.ClientSession() as session:
        for _ in range(ASKED + 1):
            began = time.perf_counter()
            async with session.get(bridge.url(path)) as answer:
                await answer.read()
                assert answer.status == 200, f"{path}: {answer.status}"
            found.append(time.perf_counter() - began)
    return found[1:]


@asynccontextmanager
async def asked(bridge: BridgeProcess) -> AsyncIterator[None]:
    """While somebody asks for one path after the other, in an order of their own."""

    async def asking(paths: Sequence[str], pause: float, begun: asyncio.Event) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                async with session.get(bridge.url(random.choice(paths))) as answer:
                    await answer.read()
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
    works = [asking(PATHS, 0, signs[0]), asking(["/metrics"], 1, signs[1]), *map(following, signs[2:])]
    tasks = [asyncio.create_task(work) for work in works]
    for sign in signs:
        await sign.wait()
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def report(answers: dict[str, list[float]], quiet: Sequence[float], busy: Sequence[float]) -> None:
    """Print all of it, with what it is held against."""
    print(f"{'':40}{'p50':>10}{'p99':>10}")
    for path, times in answers.items():
        row(path, times)
    row("push to the first Envoy, nobody asks", quiet)
    row("the same, while everything is asked", busy)
    slowest = max(answers, key=lambda path: quantile(answers[path], 99))
    verdict(f"the slowest answer, p99 ({slowest})", quantile(answers[slowest], 99), ANSWER)
    for percent in (50, 99):
        verdict(f"a push waits longer, p{percent}", quantile(busy, percent) - quantile(quiet, percent), DELAY)
    print(f"pushes while asked to pushes without, p50: {quantile(busy, 50) / quantile(quiet, 50):.2f}×")


def row(name: str, times: Sequence[float]) -> None:
    """A line of the table."""
    print(f"{name:40}" + "".join(f"{1000 * quantile(times, percent):>10.1f}" for percent in (50, 99)))


def verdict(name: str, value: float, target: float) -> None:
    """A line that judges."""
    met = "met" if value <= target else "MISSED"
    print(f"{name}: {1000 * value:.1f} ms, {value / target:.2f}× of {1000 * target:.0f} ms ({met})")


def quantile(values: Sequence[float], percent: int) -> float:
    """A percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=2000)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=40)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.services, arguments.streams, arguments.changes))
