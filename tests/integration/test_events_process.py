"""The bridge as users run it, with a queue of events: started, told of a change, checked beside, and ended."""

import asyncio
import sys
from pathlib import Path

from support.aws import REGION
from support.bridge import BridgeProcess
from support.ecs import CLUSTER, container
from support.ecs_moto import MotoEcs
from support.events import MotoEvents
from support.waiting import eventually

pytest_plugins = ["support.aws_fixtures"]

APP = {
    "name": "app",
    "dockerLabels": {"xds-service": "web:8080"},
    "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
}


async def test_a_bridge_is_told_of_changes_also_after_a_renaming_and_ends_while_a_question_waits(
    moto: str, ecs: MotoEcs, events: MotoEvents, tmp_path: Path
) -> None:
    definition = ecs.define("web", APP)
    ecs.run(definition, container(address="10.0.0.1"))
    keys: dict[str, object] = {"type": "ecs", "region": REGION, "endpoint_url": moto, "clusters": ["prod"]}
    events_only = {"interval": "1h", "events": {"queue": events.queue}}

    async with BridgeProcess(tmp_path, [{"name": "ecs", **keys, **events_only}]) as bridge:

        async def served(address: str) -> bool:
            return address in str(await bridge.get("/api/v1/services/web"))

        async def told_of(address: str) -> None:
            task = ecs.run(definition, container(address=address))
            await asyncio.to_thread(events.task, task, CLUSTER)
            await eventually(lambda: served(address), timeout=30)

        async def renamed() -> bool:
            listed = (await bridge.get("/api/v1/sources"))["sources"]
            assert isinstance(listed, list)
            return [each["name"] for each in listed] == ["other"]

        await told_of("10.0.0.2")
        assert (await bridge.reload(sources=[{"name": "other", **keys, **events_only}]))["ok"]
        await eventually(renamed, timeout=30)
        assert await served("10.0.0.2")
        await told_of("10.0.0.3")
        assert len(bridge.events("aws.queue_awaited")) == 1
        await eventually(lambda: events.left == 0)
        assert await bridge.terminate() == 0


async def test_a_check_takes_no_event_from_a_bridge(
    moto: str, ecs: MotoEcs, events: MotoEvents, tmp_path: Path
) -> None:
    task = ecs.run(ecs.define("web", APP), container(address="10.0.0.1"))
    queue = {"queue": events.queue}
    source: dict[str, object] = {"name": "ecs", "type": "ecs", "region": REGION, "endpoint_url": moto, "events": queue}
    config = BridgeProcess(tmp_path, [source]).config
    await asyncio.to_thread(events.task, task, CLUSTER)

    command = (sys.executable, "-m", "bridge", "check", "--config", str(config), "--live")
    check = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(30):
        output, _ = await check.communicate()

    assert check.returncode == 0, output.decode()
    assert events.left == 1
