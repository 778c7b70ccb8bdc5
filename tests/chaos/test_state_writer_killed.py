"""A bridge is killed while it writes its state: what was written before is found, whole, and nobody is locked out."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from bridge.state import Store
from support.waiting import eventually
from support.writing import number

ROUNDS = 12


@pytest.fixture
def environ(repository: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{repository / 'tests'}{os.pathsep}{repository}"}


async def start(environ: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "support.writing", *arguments)
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environ)


async def test_what_was_written_last_is_found_whenever_it_is_killed(tmp_path: Path, environ: dict[str, str]) -> None:
    found = 0

    for _ in range(ROUNDS):
        process = await start(environ, str(tmp_path))
        assert process.stdout
        assert int(await process.stdout.readline()) == found + 1  # the lock was free, and the file could be read
        await eventually((tmp_path / "state.tmp").exists, what="it writes")
        process.kill()
        rest = await process.stdout.read()
        await process.wait()

        told = [found + 1, *map(int, rest.split(b"\n")[:-1])]
        found = number(await asyncio.to_thread(Store(tmp_path).load))
        assert found in (told[-1], told[-1] + 1)
        assert not (tmp_path / "state.json.bad").exists()


@pytest.mark.parametrize("size", [4096, 100_000, 200_000])
async def test_what_was_written_before_is_found_when_it_dies_in_the_middle(
    tmp_path: Path, environ: dict[str, str], size: int
) -> None:
    process = await start(environ, str(tmp_path))
    assert process.stdout
    await process.stdout.readline()
    process.kill()
    await process.wait()
    before = await asyncio.to_thread(Store(tmp_path).load)
    assert (tmp_path / "state.json").stat().st_size > 200_000

    process = await start(environ, str(tmp_path), str(size))
    output, _ = await process.communicate()

    assert (process.returncode, output) == (-signal.SIGXFSZ, b"")
    assert (tmp_path / "state.tmp").stat().st_size == size
    assert await asyncio.to_thread(Store(tmp_path).load) == before
