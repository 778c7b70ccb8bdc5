"""What the supervisor knows of sources that are not run any more."""

import asyncio

import pytest

from bridge.supervisor import SourceStatus
from support.supervised import DC1, Bench, Scripted, succeeds
from support.waiting import eventually


async def test_nothing_is_known_of_a_source_that_is_forgotten() -> None:
    bench = Bench()
    task = bench.run(Scripted([succeeds]))
    await eventually(lambda: bench.supervisor.status(DC1).last_success is not None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    bench.supervisor.forget(DC1)

    assert bench.supervisor.status(DC1) == SourceStatus(DC1)
    assert bench.observer.events[-1] == ("ended", DC1)
