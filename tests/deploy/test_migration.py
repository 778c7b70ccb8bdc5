"""The README's way from EC2 to ECS, followed step by step under load: both in moto, a real Envoy in front of them."""

from collections import Counter
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.aws_traffic import AwsSite, AwsTraffic, aws_site, aws_traffic
from support.burst import burst
from support.waiting import eventually

REQUESTS = 1000
STEPS = (1, 10, 50, 90, 100)
"""Of a hundred requests, those for ECS."""

MACHINES, TASKS = ("v1", "v2", "v3"), ("t1", "t2")


async def test_no_request_fails_on_the_way_and_each_step_is_as_large_as_it_says(tmp_path: Path) -> None:
    async with aws_site(*MACHINES) as site:
        sources = (site.vms(), site.tasks(allow_empty=True))  # there is none yet, and nobody is to wait for the first
        async with aws_traffic(site, tmp_path, *sources, services=rule(0)) as world:
            await story(site, world)


async def story(site: AwsSite, world: AwsTraffic) -> None:
    await world.until_serving(*MACHINES)

    await site.add(*TASKS)  # known, and without a request
    await eventually(lambda: knows(world, *MACHINES, *TASKS), timeout=60, what="Envoy knows the tasks")
    assert await share_of_tasks(world) == 0

    for step in STEPS:
        assert (await world.bridge.reload(services=rule(step)))["ok"]
        await eventually(partial(in_force, world, step), timeout=60, what=f"{step} of 100")
        assert await share_of_tasks(world) == pytest.approx(step / 100, abs=0.02)

    site.end(*MACHINES)
    await eventually(lambda: knows(world, *TASKS), timeout=60, what="the machines are gone")
    assert await share_of_tasks(world) == 1
    assert world.load.failures == []


def rule(tasks: int) -> list[dict[str, object]]:
    return [{"match": "web", "merge": {"policy": "weighted", "weights": {"vms": 100 - tasks, "tasks": tasks}}}]


async def knows(world: AwsTraffic, *names: str) -> bool:
    return set(await world.hosts()) == set(names)


async def in_force(world: AwsTraffic, tasks: int) -> bool:
    """Whether Envoy has been told the shares: those without one are drained."""
    health = await world.health()
    drained = {name for name, told in health.items() if told == "DRAINING"}
    expected = set(MACHINES) if tasks == 100 else set()
    merge = (await world.bridge.get("/api/v1/services/web"))["merge"]
    assert isinstance(merge, dict)
    shares = {source["source"]: source["share"] for source in merge["sources"]}
    return drained == expected and shares["tasks"] == tasks / 100


async def share_of_tasks(world: AwsTraffic) -> float:
    before = await counted(world)
    assert await burst(urlsplit(world.load.url).port or 0, REQUESTS) == {200: REQUESTS}
    made = await counted(world) - before
    return made["t"] / made.total()


async def counted(world: AwsTraffic) -> Counter[str]:
    """The requests that tasks and machines have had, by the first letter of their names."""
    requests: Counter[str] = Counter()
    for name, host in (await world.hosts()).items():
        requests[name[0]] += host.requests
    return requests
