"""What reading AWS over and over costs: how late the event loop's timers are meanwhile, calls, and CPU.

AWS is a server in a process of its own, which answers as much as the real one; everything else is the bridge's own,
from the SDK to the registry. Lateness is that of a timer due at any moment, so a stall of 100 ms counts for all 100.

    PYTHONPATH=tests python tests/benchmark/bench_aws.py [--passes 5]
"""

import argparse
import asyncio
import multiprocessing
import multiprocessing.connection
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, Self

from adapters.ec2 import Config as Ec2Config
from adapters.ec2 import Ec2Adapter
from adapters.ecs import Config as EcsConfig
from adapters.ecs import EcsAdapter
from benchmark.budget import Budget, judged
from bridge import memory
from bridge.adapter import Adapter
from bridge.reconciler import CHUNK
from bridge.registry import Registry
from bridge.scheduler import Scheduler
from bridge.supervisor import Supervisor
from support.aws import CREDENTIALS, REGION, CannedAws, canned_aws
from support.aws_fleets import fargate_tasks, instances, tasks_on_hosts
from support.context import SOURCE, RecordingObserver, counting, new_registry
from support.ecs import CLUSTER
from support.waiting import eventually

SAMPLE = 0.001
"""Seconds between two looks at how late the loop is."""

IDLE_SAMPLES = 2000
"""Samples of a loop on which nothing happens: some two seconds of it."""

TARGET = 50.0
"""Milliseconds that a timer may be late, 99 times of 100."""


def ecs(keys: Mapping[str, object]) -> Adapter:
    """A source that reads the tasks of a cluster."""
    return EcsAdapter(EcsConfig.model_validate({"clusters": [CLUSTER], **keys}))


def ec2(keys: Mapping[str, object]) -> Adapter:
    """A source that reads instances."""
    return Ec2Adapter(Ec2Config.model_validate(keys))


class Serve(Protocol):
    """Lets a server answer with a fleet."""

    def __call__(self, aws: CannedAws, *, full: bool) -> object: ...


@dataclass(frozen=True)
class Fleet:
    """What is read, by whom, and with how many calls at most."""

    serve: Serve
    source: Callable[[Mapping[str, object]], Adapter]
    calls: int


FLEETS = {
    "500 services, 2,000 tasks, 100 hosts": Fleet(tasks_on_hosts, ecs, 40),
    "500 services, 10,000 Fargate tasks": Fleet(fargate_tasks, ecs, 201),
    "2,000 EC2 instances": Fleet(instances, ec2, 20),
}


def serve(name: str, port: multiprocessing.connection.Connection) -> None:
    """Be AWS with one of the fleets until the process is ended."""

    async def run() -> None:
        async with canned_aws() as aws:
            FLEETS[name].serve(aws, full=True)
            port.send(aws.url)
            await asyncio.Event().wait()

    asyncio.run(run())


class Lag:
    """How late the loop runs its timers, sampled for as long as the block lasts."""

    def __init__(self) -> None:
        self._samples: list[float] = []

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
            late = loop.time() - due
            while late >= 0:
                self._samples.append(late * 1000)
                late -= SAMPLE

    @property
    def samples(self) -> int:
        """How many there are."""
        return len(self._samples)

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return statistics.quantiles(self._samples, n=100)[98]

    def __str__(self) -> str:
        return (
            f"p50 {statistics.median(self._samples):5.1f}  p99 {self.p99:5.1f}  max {max(self._samples):5.1f} ms late"
        )


async def main(name: str, url: str, passes: int) -> list[Budget]:
    """Measure one fleet and print; what is held against the budgets."""
    fleet = FLEETS[name]
    memory.settle()  # as the daemon does
    print(name)
    async with Lag() as idle:
        await eventually(lambda: idle.samples >= IDLE_SAMPLES, timeout=60)
    print(f"  nothing is read      {idle}")
    source = fleet.source({"region": REGION, "endpoint_url": url, "interval": "100ms", "api_budget": 100})
    with Scheduler() as scheduler:
        async with reading(source, scheduler) as observer:
            async with Lag() as first:
                await eventually(lambda: done(observer) >= 1, timeout=120)
            print(f"  everything is new    {first}")
            began, spent = time.monotonic(), time.process_time()
            lags = [await lag_of_a_pass(observer) for _ in range(passes)]
            wall, cpu = (time.monotonic() - began) / passes, (time.process_time() - spent) / passes
            calls = last_pass(observer)
    lag = min(lags, key=lambda each: each.p99)
    print(f"  nothing is new       {lag}, in the quietest pass of {passes}")
    print(f"  a pass               {len(calls)} calls; {wall:.2f} s, {cpu:.2f} s of CPU")
    await asyncio.sleep(0)
    return [
        Budget(f"{name}: a timer late, p99", lag.p99, TARGET, "ms"),
        Budget(f"{name}: a pass", len(calls), fleet.calls, "calls"),
    ]


async def lag_of_a_pass(observer: RecordingObserver) -> Lag:
    """How late timers are until one more pass is complete."""
    before = done(observer)
    async with Lag() as lag:
        await eventually(lambda: done(observer) > before, timeout=120)
    return lag


@asynccontextmanager
async def reading(source: Adapter, scheduler: Scheduler) -> AsyncIterator[RecordingObserver]:
    """Read into a registry that is looked through as the daemon does it."""
    registry, observer = new_registry(), RecordingObserver()
    supervisor = Supervisor([observer], scheduler.ticks, kept=counting(registry))
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(supervisor.run(SOURCE, source, registry.sink(SOURCE))),
            tasks.create_task(drained(registry)),
        ]
        yield observer
        for task in running:
            task.cancel()


async def drained(registry: Registry) -> None:
    """Look through what changed, for ever."""
    while True:
        await registry.changed()
        while registry.dirty:
            registry.drain(CHUNK)
            await asyncio.sleep(0)


def done(observer: RecordingObserver) -> int:
    """How many passes are complete."""
    return observer.events.count(("succeeded", SOURCE, ""))


def last_pass(observer: RecordingObserver) -> list[str]:
    """The calls of the last pass that is complete."""
    ends = [at for at, event in enumerate(observer.events) if event == ("succeeded", SOURCE, "")]
    return [event[2] for event in observer.events[ends[-2] : ends[-1]] if event[0] == "requested"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--passes", type=int, default=5)
    arguments = parser.parse_args()
    os.environ.update(CREDENTIALS, AWS_EC2_METADATA_DISABLED="true")
    found: list[Budget] = []
    for fleet_name in FLEETS:
        mine, theirs = multiprocessing.Pipe()
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(fleet_name, theirs), daemon=True)
        server.start()
        try:
            found += asyncio.run(main(fleet_name, mine.recv(), arguments.passes))
        finally:
            server.terminate()
            server.join()
    sys.exit(judged(found))
