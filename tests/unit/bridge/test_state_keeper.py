import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.state import Keeper, Pace, State, Store
from support.kept_state import EVERYTHING, large
from support.waiting import eventually

SOON = Pace(interval=0.001, refresh=3600, longest_retry=0.004)
ONCE = Pace(interval=3600, refresh=3600)
"""One write, and then none for as long as a test takes."""


class Counting:
    """A `StateObserver`."""

    def __init__(self) -> None:
        self.writes = 0
        self.failures = 0

    def written(self) -> None:
        self.writes += 1

    def write_failed(self) -> None:
        self.failures += 1


class Bench:
    """A keeper, what it keeps, and what it found in the directory."""

    def __init__(self, directory: Path, pace: Pace) -> None:
        self.directory = directory
        self.state = State()
        self.asked = 0
        self.observer = Counting()
        self.keeper = Keeper(Store(directory), self._current, self.observer, pace)

    def _current(self) -> State:
        self.asked += 1
        return self.state

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.keeper.run())
            await asyncio.sleep(0)  # it begins
            yield
            task.cancel()

    def change(self, state: State) -> None:
        self.state = state
        self.keeper.changed()

    async def kept(self) -> State | None:
        """What the next bridge finds."""
        return await asyncio.to_thread(Store(self.directory).load)


def events(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int]]:
    return [(record.message, record.levelno) for record in caplog.records if record.name.startswith("bridge.state")]


async def test_what_changed_is_written_when_it_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SOON)

    assert await bench.keeper.open() is None
    async with bench.running():
        bench.change(EVERYTHING)
        await eventually(lambda: bench.observer.writes == 1)
        assert await bench.kept() == EVERYTHING
        bench.change(large(2, 2))
        await eventually(lambda: bench.observer.writes == 2)
        assert await bench.kept() == large(2, 2)
        assert bench.asked == 2


async def test_what_was_kept_is_found_at_the_next_start(tmp_path: Path) -> None:
    first, second = Bench(tmp_path, SOON), Bench(tmp_path, SOON)
    await first.keeper.open()
    async with first.running():
        first.state = EVERYTHING
    await first.keeper.close(10)

    assert await second.keeper.open() == EVERYTHING


async def test_between_two_writes_there_is_time_however_much_changes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ONCE)
    await bench.keeper.open()

    async with bench.running():
        bench.change(large(1, 1))
        await eventually(lambda: bench.observer.writes == 1)
        for number in range(2, 50):
            bench.change(large(number, 1))
            await asyncio.sleep(0)

        assert (bench.observer.writes, bench.asked) == (1, 1)
    await bench.keeper.close(10)
    assert (bench.observer.writes, bench.asked) == (2, 2)
    assert await bench.kept() == large(49, 1)


async def test_a_change_while_it_is_written_is_not_lost(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SOON)
    await bench.keeper.open()

    async with bench.running():
        bench.change(large(200, 10))
        await eventually(lambda: bench.asked == 1)  # the thread is at work now, or has just ended
        bench.change(EVERYTHING)
        await eventually(lambda: bench.observer.writes == 2)

        assert await bench.kept() == EVERYTHING


async def test_from_time_to_time_a_look_is_taken_without_being_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Pace(interval=0.001, refresh=0.01))
    await bench.keeper.open()

    async with bench.running():
        await eventually(lambda: bench.observer.writes == 1)
        bench.state = EVERYTHING
        await eventually(lambda: bench.observer.writes == 2)
        seen = bench.asked
        await eventually(lambda: bench.asked > seen + 3)

    assert bench.observer.writes == 2
    assert await bench.kept() == EVERYTHING


async def test_a_disk_that_does_not_take_it_is_told_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench(tmp_path, SOON)
    (tmp_path / "state.tmp").mkdir()
    await bench.keeper.open()

    async with bench.running():
        bench.change(EVERYTHING)
        await eventually(lambda: bench.observer.failures >= 3)
        assert events(caplog) == [("state.write_failed", logging.ERROR)]
        assert "Is a directory" in vars(caplog.records[-1])["error"]
        assert "Is a directory" in bench.keeper.error
        (tmp_path / "state.tmp").rmdir()
        await eventually(lambda: not bench.keeper.error)
        assert bench.observer.writes == 1

    assert events(caplog) == [("state.write_failed", logging.ERROR), ("state.recovered", logging.INFO)]
    assert vars(caplog.records[-1])["attempts"] == bench.observer.failures
    assert await bench.kept() == EVERYTHING


async def test_who_waits_for_it_is_told_when_the_file_is_what_the_bridge_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SOON)
    await bench.keeper.open()

    async with bench.running():
        bench.change(large(200, 10))
        await eventually(lambda: bench.asked == 1)  # a write that began before what is waited for is none of it
        bench.state = EVERYTHING
        reasons = await asyncio.gather(bench.keeper.kept(10), bench.keeper.kept(10))

        assert list(reasons) == ["", ""]
        assert await bench.kept() == EVERYTHING


async def test_who_waits_while_the_disk_does_not_take_it_is_told_why(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SOON)
    (tmp_path / "state.tmp").mkdir()
    await bench.keeper.open()

    async with bench.running():
        first = await bench.keeper.kept(10)
        second = await bench.keeper.kept(10)
        (tmp_path / "state.tmp").rmdir()
        await eventually(lambda: bench.observer.writes == 1)
        third = await bench.keeper.kept(10)

    assert "Is a directory" in first
    assert (second, third) == (first, "")


async def test_nobody_waits_for_longer_than_they_want(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ONCE)
    await bench.keeper.open()

    async with bench.running():
        assert await bench.keeper.kept(10) == ""
        bench.state = EVERYTHING
        assert await bench.keeper.kept(0.01) == "it was not written within 0.01 s"
    await bench.keeper.close(10)

    assert await bench.kept() == EVERYTHING


@pytest.mark.parametrize(("failures", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (1_000_000, 60)])
def test_the_longer_a_disk_does_not_take_it_the_less_it_is_tried(failures: int, seconds: float) -> None:
    assert Pace().pause(failures) == seconds
    assert Pace(interval=100).pause(failures) == 100


async def test_each_outage_of_the_disk_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench(tmp_path, SOON)
    await bench.keeper.open()

    async with bench.running():
        for number in (1, 2):
            (tmp_path / "state.tmp").mkdir()
            bench.change(large(number, 1))
            await eventually(lambda: events(caplog)[-1:] == [("state.write_failed", logging.ERROR)])
            (tmp_path / "state.tmp").rmdir()
            await eventually(lambda: events(caplog)[-1] == ("state.recovered", logging.INFO))

    assert len(events(caplog)) == 4


async def test_a_bridge_that_never_ran_writes_nothing(tmp_path: Path) -> None:
    first, second = Bench(tmp_path, SOON), Bench(tmp_path, SOON)
    await first.keeper.open()
    async with first.running():
        first.state = EVERYTHING
    await first.keeper.close(10)
    await second.keeper.open()

    await second.keeper.close(10)

    assert second.asked == 0
    assert await second.kept() == EVERYTHING


async def test_the_directory_is_free_after_the_end_and_not_before(tmp_path: Path) -> None:
    first, second = Bench(tmp_path, SOON), Bench(tmp_path, SOON)
    await first.keeper.open()

    with pytest.raises(OSError, match=f"process {os.getpid()}"):
        await second.keeper.open()
    await first.keeper.close(10)

    assert await second.keeper.open() is None
    await second.keeper.close(10)


async def test_a_directory_that_cannot_be_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        await Bench(tmp_path / "missing" / "state", SOON).keeper.open()


async def test_a_disk_that_hangs_does_not_keep_the_bridge_from_ending(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench, pipe = Bench(tmp_path, ONCE), tmp_path / "state.tmp"
    os.mkfifo(pipe)  # to open it for writing waits for a reader
    await bench.keeper.open()
    async with bench.running():
        bench.change(EVERYTHING)
        await eventually(lambda: bench.asked == 1)

    await bench.keeper.close(0.05)

    assert events(caplog) == [("state.abandoned", logging.ERROR)]
    assert not (tmp_path / "state.json").exists()
    os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))  # lets the thread go


async def test_the_last_write_fails_quietly_enough_to_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(tmp_path, ONCE)
    (tmp_path / "state.tmp").mkdir()
    await bench.keeper.open()
    async with bench.running():
        bench.state = EVERYTHING

    await bench.keeper.close(10)

    assert events(caplog) == [("state.write_failed", logging.ERROR)]
    assert bench.observer.failures == 1
