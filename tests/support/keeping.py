"""A process that keeps a state on a disk which stops taking it for a while, and prints what came of it.

    python -m support.keeping DIRECTORY full|read-only

The directory is a small disk of its own (`support.small_disk`).
"""

import asyncio
import json
import logging
import sys
from pathlib import Path

from bridge.state import Keeper, Pace, State, Store
from support.kept_state import large
from support.waiting import eventually

FITS, TOO_LARGE = large(10, 10), large(1000, 10)
BETWEEN, LAST = large(20, 10), large(30, 10)


class Counting:
    """A `StateObserver`."""

    def __init__(self) -> None:
        self.writes = 0
        self.failures = 0

    def written(self) -> None:
        self.writes += 1

    def write_failed(self) -> None:
        self.failures += 1


class Told(logging.Handler):
    """What was logged, as pairs of the event and its error."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append((record.getMessage(), getattr(record, "error", "")))


class Kept:
    """A keeper of whatever is put here."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = State()
        self.observer = Counting()
        self.keeper = Keeper(Store(directory), lambda: self.state, self.observer, Pace(0.01, 3600, 0.01))

    async def put(self, state: State) -> None:
        """Have it kept."""
        writes = self.observer.writes
        self.state = state
        self.keeper.changed()
        await eventually(lambda: self.observer.writes > writes)

    async def refused(self, state: State) -> None:
        """Have it not kept, several times."""
        failures = self.observer.failures
        self.state = state
        self.keeper.changed()
        await eventually(lambda: self.observer.failures >= failures + 3)

    def services(self) -> int:
        """How many services the next bridge would find."""
        found = Store(self.directory).load()
        return len(found.sources[0].services) if found else 0

    def files(self) -> list[str]:
        """What is there."""
        return sorted(path.name for path in self.directory.iterdir())


async def run(*command: str) -> None:
    """Run a command that has to succeed."""
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0


async def main(directory: Path, fault: str) -> None:
    told, kept = Told(), Kept(directory)
    logging.basicConfig(handlers=[told], level=logging.INFO)
    await kept.keeper.open()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(kept.keeper.run())
        await kept.put(FITS)
        if fault == "full":
            await kept.refused(TOO_LARGE)
            during = kept.services()
        else:
            # A second mount over the first: that one cannot become read-only while the lock file is open.
            await run("mount", "--bind", str(directory), str(directory))
            await run("mount", "-o", "remount,bind,ro", str(directory))
            await kept.refused(BETWEEN)
            during = kept.services()
            await run("umount", str(directory))
        await kept.put(LAST)
        running.cancel()
    await kept.keeper.close(10)
    print(json.dumps({"during": during, "after": kept.services(), "files": kept.files(), "events": told.events}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
