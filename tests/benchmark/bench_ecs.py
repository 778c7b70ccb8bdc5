"""What a pass over ECS costs beside the calls themselves: CPU, and the longest that the event loop is held up.

PYTHONPATH=tests python tests/benchmark/bench_ecs.py [--tasks 10000]
"""

import argparse
import asyncio
import time

from adapters.ecs.cluster import ClusterReader
from adapters.ecs.config import Config
from bridge.registry import Registry
from support.context import SOURCE, new_registry
from support.ecs import CLUSTER, definition, definition_arn, task, task_arn
from support.ecs_reads import MemoryReads

SERVICES = 500


class Context:
    """Hands everything to a registry."""

    def __init__(self, registry: Registry) -> None:
        self.sink = registry.sink(SOURCE)

    def noticed(self, event: str, **fields: object) -> None:
        print(event, fields)


class Watch:
    """Knows for how long the loop was not to be had."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, time.perf_counter() - began - 0.001)


def fleet(tasks: int) -> MemoryReads:
    """Fargate tasks of many services."""
    reads = MemoryReads()
    for number in range(SERVICES):
        name = f"s{number:03}:1"
        reads.definitions[definition_arn(name)] = definition(name)
    for number in range(tasks):
        address = f"10.{number // 10_000}.{number // 100 % 100}.{number % 100 + 1}"
        name = f"t{number:05}"
        reads.running[task_arn(name)] = task(name, f"s{number % SERVICES:03}:1", address=address)
    return reads


async def main(tasks: int) -> None:
    """Read everything, read it again, and read it with one task that is to stop."""
    reads, reader, context, watch = fleet(tasks), ClusterReader(Config(), CLUSTER), Context(new_registry()), Watch()
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch.run())
        for name in ("first pass", "nothing new", "one task is to stop"):
            if name == "one task is to stop":
                stopping = task("t00007", "s007:1", address="10.0.0.8", desiredStatus="STOPPED")
                reads.running[task_arn("t00007")] = stopping
            await asyncio.sleep(0.01)
            watch.longest, began = 0.0, time.process_time()
            errors = await reader.describe(reads, context, 0.0)
            errors += await reader.resolve(reads, 0.0)
            await reader.report(context.sink, 0.0, complete=not errors)
            await asyncio.sleep(0.01)
            spent = time.process_time() - began
            print(f"{name:<20} {spent:6.2f} s of CPU, loop held up for {1000 * watch.longest:5.1f} ms at the longest")
        watching.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=10_000)
    asyncio.run(main(parser.parse_args().tasks))
