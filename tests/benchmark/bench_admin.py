"""What the status page and the API cost: the time of each answer, and how long a push waits while they are asked.

The bridge is a process of its own with 2,000 services of 5 endpoints and 1,000 Envoys, each of which follows one
service. Server and clients share the machine, so a time holds what the client does as well; the delay of pushes is
what they take longer while somebody asks for one page after the other without a pause, which no browser does.

    PYTHONPATH=tests python tests/benchmark/bench_admin.py [--services 2000] [--streams 1000] [--changes 40]
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from support.bridge import BridgeProcess
from support.endpoints_file import EndpointsFile
from support.xds_client import Transport, XdsClient
from xds import ENDPOINT

ANSWER, DELAY = 0.100, 0.050
"""Seconds that an answer may take, median, and that a push may wait for one, p99."""

CHANGING = "changing"
"""The service that every Envoy follows, in a small file of its own."""

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
        catalogue, changing = EndpointsFile(Path(folder) / "all.json"), EndpointsFile(Path(folder) / "one.json")
        catalogue.replace({f"service-{number:04}": list(endpoints(number)) for number in range(services)})
        touch(changing, 0)
        sources = [catalogue.source("all"), changing.source("one")]
        async with BridgeProcess(Path(folder), sources) as bridge, fleet(bridge.xds_port, streams) as clients:
            print(f"{services} services of 5 endpoints, {streams} Envoys; milliseconds")
            quiet = [await push(clients, changing, number) for number in range(1, changes + 1)]
            answers = {path: await ask(bridge, path) for path in PATHS}
            asking = asyncio.create_task(keep_asking(bridge))
            busy = [await push(clients, changing, changes + number) for number in range(1, changes + 1)]
            asking.cancel()
    report(answers, quiet, busy)


def endpoints(number: int) -> Iterator[dict[str, object]]:
    """Those of one service."""
    for place in range(5):
        address = f"10.{number // 250}.{number % 250}.{place + 1}"
        yield {"address": address, "port": 8080, "zone": ZONES[place % 3], "region": "eu"}


def touch(changing: EndpointsFile, number: int) -> None:
    """Give the service that is followed another address."""
    changing.replace({CHANGING: [{"address": f"10.200.{number // 250}.{number % 250 + 1}", "port": 80}]})


@asynccontextmanager
async def fleet(port: int, count: int) -> AsyncIterator[Sequence[XdsClient]]:
    """Envoys that follow one service, and have it."""
    clients = [XdsClient(port, Transport(delta=True, aggregated=True), node=f"envoy-{n}") for n in range(count)]
    try:
        for start in range(0, count, 50):
            batch = clients[start : start + 50]
            await asyncio.gather(*(client.subscribe(ENDPOINT, [CHANGING]) for client in batch))
            await asyncio.gather(*(client.accept(ENDPOINT) for client in batch))
        yield clients
    finally:
        await asyncio.gather(*(client.close() for client in clients))


async def push(clients: Sequence[XdsClient], changing: EndpointsFile, number: int) -> float:
    """Seconds from a change of the file until the first Envoy has it; all accept it.

    When the others have it is a matter of the clients here, which share one process.
    """
    touch(changing, number)
    began = time.perf_counter()

    async def taken(client: XdsClient) -> float:
        await client.accept(ENDPOINT)
        return time.perf_counter() - began

    return min(await asyncio.gather(*map(taken, clients)))


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


async def keep_asking(bridge: BridgeProcess) -> None:
    """Ask for one path after the other until cancelled."""
    async with aiohttp.ClientSession() as session:
        while True:
            for path in PATHS:
                async with session.get(bridge.url(path)) as answer:
                    await answer.read()


def report(answers: dict[str, list[float]], quiet: Sequence[float], busy: Sequence[float]) -> None:
    """Print all of it, with what it is held against."""
    print(f"{'':40}{'p50':>10}{'p99':>10}")
    for path, times in answers.items():
        row(path, times)
    row("push to the first Envoy, nobody asks", quiet)
    row("the same, while everything is asked", busy)
    slowest = max(answers, key=lambda path: quantile(answers[path], 50))
    verdict(f"the slowest answer, p50 ({slowest})", quantile(answers[slowest], 50), ANSWER)
    verdict("a push waits longer, p99", quantile(busy, 99) - quantile(quiet, 99), DELAY)
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
