"""The disk of the state directory is full, or read-only: that is told once, disturbs nobody, and is made up for."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from bridge.model import EndpointKey
from support.bridge import BridgeProcess
from support.endpoints_file import EndpointsFile
from support.file_traffic import FileTraffic, file_traffic
from support.small_disk import SeenFrom, on_small_disk
from support.transports import Transport
from support.waiting import eventually


def bridge_on_small_disk(directory: Path, options: str = "size=1m") -> tuple[str, str]:
    """What Python is to do to become a bridge for which a small disk is mounted at a directory."""
    command = on_small_disk(directory, sys.executable, "-m", "bridge", options=options)
    return "-c", f"import os, sys; os.execvp('unshare', {command!r} + sys.argv[1:])"


@pytest.mark.parametrize(
    ("fault", "error"), [("full", "No space left on device"), ("read-only", "Read-only file system")]
)
async def test_a_disk_that_takes_nothing_more_keeps_what_it_has(
    tmp_path: Path, repository: Path, fault: str, error: str
) -> None:
    command = on_small_disk(tmp_path, sys.executable, "-m", "support.keeping", str(tmp_path), fault)
    environ = {**os.environ, "PYTHONPATH": f"{repository / 'tests'}{os.pathsep}{repository}"}

    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environ)
    async with asyncio.timeout(60):
        output, _ = await process.communicate()

    found = json.loads(output)
    assert process.returncode == 0
    assert (found["during"], found["after"]) == (10, 30)
    assert found["files"] == ["lock", "state.json"]
    assert [event for event, _ in found["events"]] == ["state.write_failed", "state.recovered"]
    assert error in found["events"][0][1]


async def test_a_bridge_starts_and_serves_although_the_disk_is_read_only(tmp_path: Path) -> None:
    endpoints = EndpointsFile(tmp_path / "endpoints.json")
    endpoints.set("web", [EndpointKey("10.0.0.1", 80)])
    directory = tmp_path / "state"
    directory.mkdir()
    bridge = BridgeProcess(tmp_path, [endpoints.source()], state_directory=str(directory))

    await bridge.start(command=bridge_on_small_disk(directory, options="ro"))

    [event] = bridge.events("state.unlocked")
    assert (event["level"], event["directory"]) == ("warning", str(directory))
    assert "Read-only file system" in str(event["error"])
    assert await bridge.terminate() == 0


@pytest.mark.parametrize("fault", ["full", "read-only"])
async def test_changes_reach_envoy_while_the_disk_takes_nothing_and_are_kept_once_it_does(
    tmp_path: Path, fault: str
) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    command = bridge_on_small_disk(directory)
    async with file_traffic(tmp_path, Transport.DELTA_ADS, command=command, state_directory=str(directory)) as world:
        disk = SeenFrom(world.bridge.process.pid, directory)
        kept = disk.path / "state.json"
        await world.until_kept(kept, "a", "b")

        await (disk.forbid() if fault == "read-only" else asyncio.to_thread(disk.fill))
        await world.converges("a", "b", "c")
        await eventually(lambda: write_errors(world, 2), timeout=30, what="it is tried again")
        await world.load.more(50)
        assert world.kept(kept) == {"a", "b"}
        assert "state_directory" in await to_look_at(world)

        await (disk.allow() if fault == "read-only" else asyncio.to_thread(disk.free))
        await world.until_kept(kept, "a", "b", "c")
        await world.backends.start("d")
        await world.converges("a", "b", "c", "d")
        await world.until_kept(kept, "a", "b", "c", "d")
        assert [len(world.bridge.events(f"state.{event}")) for event in ("write_failed", "recovered")] == [1, 1]
        assert "state_directory" not in await to_look_at(world)


async def to_look_at(world: FileTraffic) -> set[str]:
    """What the status says that a person should look at."""
    found = (await world.bridge.get("/api/v1/status"))["findings"]
    assert isinstance(found, list)
    return {each["about"] for each in found}


async def write_errors(world: FileTraffic, count: int) -> bool:
    """Whether so many writes have failed."""
    return (await world.bridge.metrics())["xds_bridge_snapshot_write_errors_total"] >= count
