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
from support.small_disk import on_small_disk


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
    prefix = on_small_disk(directory, sys.executable, "-m", "bridge", options="ro")
    script = f"import os, sys; os.execvp('unshare', {prefix!r} + sys.argv[1:])"
    bridge = BridgeProcess(tmp_path, [endpoints.source()], state_directory=str(directory))

    await bridge.start(command=("-c", script))

    [event] = bridge.events("state.unlocked")
    assert (event["level"], event["directory"]) == ("warning", str(directory))
    assert "Read-only file system" in str(event["error"])
    assert await bridge.terminate() == 0
