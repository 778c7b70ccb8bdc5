"""From an event that is put into EventBridge to the new assignment at a client of the bridge; and what polling takes.

A task's health check changes its mind, moto is AWS, the bridge a process of its own, the client speaks Delta over gRPC.
Polling is measured with an interval of 1 s. With the default of 15 s a change waits for a random part of 14 s more, so
the quantile q is q × 14 s later: that is what the row for the default says, which nobody has the patience to measure.

    PYTHONPATH=tests python tests/benchmark/bench_events.py [--changes 200] [--polled 50]
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from adapters.ecs import Config
from benchmark.budget import Budget, judged, quantile
from support.aws import CREDENTIALS, REGION, moto_server
from support.bridge import BridgeProcess
from support.ecs import CLUSTER, container
from support.ecs_moto import MotoEcs
from support.events import MotoEvents, moto_events
from support.xds_client import Transport, XdsClient, connected
from xds import CLUSTER as CLUSTER_TYPE
from xds import ENDPOINT

TARGET = 1000.0
"""Milliseconds that an event may take, p99."""

POLLED_EVERY = 1.0
"""Seconds between two passes where polling is measured."""

GAP = 0.1
"""Seconds that at least lie between two changes, and so much more at random that they meet polls at any time."""

APP = {
    "name": "app",
    "dockerLabels": {"xds-service": "web:8080"},
    "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
    "healthCheck": {"command": ["CMD-SHELL", "true"]},
}


async def main(changes: int, polled: int) -> int:
    """Measure and print; 1 if an event takes too long."""
    with moto_server() as url, moto_events(url) as events:
        ecs = MotoEcs(url)
        ecs.ecs.create_cluster(clusterName="prod")
        task = ecs.run(ecs.define("web", APP), container(address="10.0.0.1", healthStatus="HEALTHY"))
        source = {"region": REGION, "endpoint_url": url, "clusters": ["prod"], "api_budget": 100}
        queue = {"interval": "1h", "events": {"queue": events.queue}}
        told = await measure({**source, **queue}, ecs, task, changes, events)
        found = await measure({**source, "interval": f"{POLLED_EVERY:g}s"}, ecs, task, polled, None)
    default = Config().interval
    print(f"{changes} changes of one task's health by events, {polled} by polling; milliseconds")
    print(f"{'':34}{'p50':>10}{'p99':>10}")
    waits = [quantile(found, percent) + percent / 100 * (default - POLLED_EVERY) for percent in (50, 99)]
    rows = {
        "events": [quantile(told, 50), quantile(told, 99)],
        f"polling every {POLLED_EVERY:g} s": [quantile(found, 50), quantile(found, 99)],
        f"polling every {default:g} s, computed": waits,
    }
    for name, row in rows.items():
        print(f"{name:34}" + "".join(f"{1000 * value:>10.0f}" for value in row))
    print(f"events to polling every {default:g} s: {rows['events'][1] / waits[1]:.4f}× at p99")
    return judged([Budget("events, p99", 1000 * rows["events"][1], TARGET, "ms")])


async def measure(
    source: dict[str, object], ecs: MotoEcs, task: str, changes: int, events: MotoEvents | None
) -> list[float]:
    """Seconds from each change, or from its event where there are events, to the assignment that has it."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            BridgeProcess(Path(folder), [{"name": "ecs", "type": "ecs", **source}]) as bridge,
            connected(bridge.xds_port, Transport(delta=True, aggregated=True)) as client,
        ):
            await client.subscribe(CLUSTER_TYPE)
            await client.accept(CLUSTER_TYPE)
            await client.subscribe(ENDPOINT, ["web"])
            await client.accept(ENDPOINT)
            return [await change(client, ecs, task, number, events) for number in range(changes)]


async def change(client: XdsClient, ecs: MotoEcs, task: str, number: int, events: MotoEvents | None) -> float:
    """Let the health check change its mind, and wait until the client knows."""
    await asyncio.sleep(GAP + random.random() * POLLED_EVERY)
    health = "HEALTHY" if number % 2 else "UNHEALTHY"
    ecs.tell(task, [container(address="10.0.0.1", healthStatus=health)])
    began = time.perf_counter()
    if events:
        await asyncio.to_thread(events.task, task, CLUSTER)
    await client.accept(ENDPOINT)
    return time.perf_counter() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--polled", type=int, default=50)
    arguments = parser.parse_args()
    os.environ.update(CREDENTIALS, AWS_EC2_METADATA_DISABLED="true")
    sys.exit(asyncio.run(main(arguments.changes, arguments.polled)))
