"""What a pass over EC2 costs the event loop: how late its timers are meanwhile, beside the same when nothing is read.

EC2 is a server in a process of its own, which answers with instances as large as real ones.

    PYTHONPATH=tests python tests/benchmark/bench_aws.py [--instances 2000] [--passes 5]
"""

import argparse
import asyncio
import multiprocessing
import multiprocessing.connection
import os
import statistics
import time
from typing import Self

from adapters.ec2 import Config, Ec2Adapter
from bridge import memory
from bridge.scheduler import Scheduler
from support.aws import CREDENTIALS, REGION, canned_aws
from support.context import SOURCE, RunningAdapter, running
from support.ec2 import CannedFleet, Shown
from support.waiting import eventually

SAMPLE = 0.001
"""Seconds between two looks at how late the loop is."""

# Real EC2 sends some 3.6 KB for an instance, most of which nobody here reads.
PADDING = "".join(
    f"<blockDeviceMapping><item><deviceName>/dev/sd{number}</deviceName><ebs><volumeId>vol-{number:017}</volumeId>"
    f"<status>attached</status><attachTime>2026-11-26T00:00:00.000Z</attachTime>"
    f"<deleteOnTermination>true</deleteOnTermination></ebs></item></blockDeviceMapping>"
    for number in range(10)
)


def serve(instances: int, port: multiprocessing.connection.Connection) -> None:
    """Be EC2 until the process is ended."""

    async def run() -> None:
        fleet = CannedFleet()
        fleet.show(*(shown(number) for number in range(instances)))
        async with canned_aws() as aws:
            fleet.serve(aws)
            port.send(aws.url)
            await asyncio.Event().wait()

    asyncio.run(run())


def shown(number: int) -> Shown:
    """One of the instances."""
    tags = {"xds-service": f"service-{number % 50}:8080", **{f"tag-{each}": "x" * 30 for each in range(8)}}
    return Shown(
        f"i-{number:017}", tags=tags, private=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", more=PADDING
    )


class Lag:
    """How late the loop runs its timers, sampled for as long as the block lasts."""

    def __init__(self) -> None:
        self.samples: list[float] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._sample())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _sample(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + SAMPLE
            await asyncio.sleep(SAMPLE)
            self.samples.append((loop.time() - due) * 1000)

    def __str__(self) -> str:
        cuts = statistics.quantiles(self.samples, n=100)
        return f"p50 {cuts[49]:6.2f}   p99 {cuts[98]:6.2f}   max {max(self.samples):6.2f}   ms late"


async def main(url: str, instances: int, passes: int) -> None:
    """Measure and print."""
    memory.settle()  # as the daemon does
    async with Lag() as idle:
        await asyncio.sleep(3)
    print(f"nothing is read           {idle}")
    keys = {"region": REGION, "endpoint_url": url, "interval": "100ms", "api_budget": 100}
    adapter = Ec2Adapter(Config.model_validate(keys))
    with Scheduler() as scheduler:
        async with running(adapter, scheduler.ticks) as source:
            async with Lag() as first:
                await eventually(lambda: done(source) >= 1, timeout=60)
            print(f"{instances} are read at first   {first}")
            before, began, spent = (
                (done(source), source.observer.count("requested")),
                time.monotonic(),
                time.process_time(),
            )
            async with Lag() as busy:
                await eventually(lambda: done(source) >= before[0] + passes, timeout=600)
            wall, cpu = time.monotonic() - began, time.process_time() - spent
            calls = source.observer.count("requested") - before[1]
    print(f"and again and again       {busy}")
    print(f"a pass: {calls / passes:.0f} calls, {wall / passes:.2f} s, {cpu / passes:.2f} s of CPU")
    await asyncio.sleep(0)


def done(source: RunningAdapter) -> int:
    """How many passes are complete."""
    return source.observer.events.count(("succeeded", SOURCE, ""))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--instances", type=int, default=2000)
    parser.add_argument("--passes", type=int, default=5)
    arguments = parser.parse_args()
    os.environ.update(CREDENTIALS, AWS_EC2_METADATA_DISABLED="true")
    mine, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(arguments.instances, theirs), daemon=True)
    server.start()
    try:
        asyncio.run(main(mine.recv(), arguments.instances, arguments.passes))
    finally:
        server.terminate()
        server.join()
