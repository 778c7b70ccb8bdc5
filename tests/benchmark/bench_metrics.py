"""What a scrape costs: with series for each service, and with none, which is the baseline.

PYTHONPATH=tests python tests/benchmark/bench_metrics.py [--services 2000] [--endpoints 5] [--rounds 15]
"""

import argparse
import asyncio
import itertools
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from benchmark.budget import Budget, judged
from bridge import memory
from bridge.config import PerService
from bridge.metrics import Metrics, Sample
from support.builders import endpoint, service

MOST_LAG = 0.05
"""Seconds for which the event loop may be held up."""


@dataclass(frozen=True)
class Cost:
    """Of one scrape."""

    taken: float
    """Seconds until the text was there."""
    lag: float
    """Seconds for which the event loop was held up at most."""
    size: int
    """Bytes."""


async def main(services: int, endpoints: int, rounds: int) -> int:
    """Measure and print; 1 if the budget is exceeded."""
    numbers = itertools.count()
    made = tuple(
        service(
            f"service-{number}",
            [endpoint(f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}") for n in _next(numbers, endpoints)],
        )
        for number in range(services)
    )
    print(f"{services} services with {endpoints} endpoints each; medians of {rounds} scrapes")
    print(f"{'metrics.per_service':>20}{'ms':>8}{'KiB':>8}{'loop held up, ms':>18}{'most':>7}")
    memory.settle()  # as the bridge does: otherwise collections of garbage are what is measured
    worst = 0.0
    for mode in (PerService.OFF, PerService.ON):
        metrics = Metrics(CollectorRegistry())
        sample = Sample(made, {}, (), (), ready=True, per_service=mode)
        costs = [await scraped(metrics, sample) for _ in range(rounds + 1)][1:]  # the first reads files, once
        taken = statistics.median(cost.taken for cost in costs)
        lag = statistics.median(cost.lag for cost in costs)
        worst, most = max(worst, lag), max(cost.lag for cost in costs)
        print(f"{mode:>20}{taken * 1000:>8.0f}{costs[0].size / 1024:>8.0f}{lag * 1000:>18.1f}{most * 1000:>7.1f}")
    return judged([Budget("the event loop held up, median", 1000 * worst, 1000 * MOST_LAG, "ms")])


def _next(numbers: "itertools.count[int]", count: int) -> list[int]:
    return list(itertools.islice(numbers, count))


async def scraped(metrics: Metrics, sample: Sample) -> Cost:
    """One rendering in a thread, as the admin server has it done."""
    loop, longest = asyncio.get_running_loop(), 0.0
    with ThreadPoolExecutor(1) as executor:
        begin = time.perf_counter()
        rendering = loop.run_in_executor(executor, metrics.render, sample)
        while not rendering.done():
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - before - 0.001)
        return Cost(time.perf_counter() - begin, longest, len(await rendering))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=2000)
    parser.add_argument("--endpoints", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.services, arguments.endpoints, arguments.rounds)))
