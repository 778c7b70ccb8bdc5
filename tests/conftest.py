"""What holds for every test: no blocking call on the event loop, no process left behind, no secret in a log.

Here too, since it must be known to the process that prints: the table of the protocol's rules, and the one Hypothesis
profile.
"""

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import hypothesis
import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis.database import DirectoryBasedExampleDatabase

from support.confidential import require_none_written
from support.protocol_table import ProtocolTable

ROOT = Path(__file__).resolve().parent.parent

SCANNED = ["bridge", "adapters", "xds"]
"""A blocking call counts when it comes from one of our functions; what a test itself does on the loop hurts nobody."""

# The loop of the demo serves nobody but the demo, and this is the last thing it does.
_LAST_WORDS = ("bridge/demo/process.py", "last_lines")

# When the last object of gRPC is collected, at whatever line that happens, gRPC waits for a thread of its own to end.
_THREAD_ENDS = ("threading.py", "_wait_for_tstate_lock")

MAY_BLOCK: Final[Mapping[str, list[tuple[str, str]]]] = {
    **{function: [_LAST_WORDS] for function in ("os.stat", "io.BufferedReader.read", "io.TextIOWrapper.read")},
    "threading.Lock.acquire": [_THREAD_ENDS],
}
"""Where blocking is allowed, each with its reason: function → (end of the file's path, caller) pairs."""


def pytest_configure(config: pytest.Config) -> None:
    """Every run in CI draws the same examples; a run by hand draws new ones and remembers what failed."""
    config.pluginmanager.register(ProtocolTable())
    hypothesis.settings.register_profile(
        "house",
        deadline=None,
        derandomize="CI" in os.environ,
        database=None if "CI" in os.environ else DirectoryBasedExampleDatabase(ROOT / ".cache" / "hypothesis"),
        print_blob=True,
    )
    hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the working copy."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """Make a blocking call of ours on the event loop raise `BlockingError`; once, as that takes longer than a test."""
    with blockbuster_ctx(SCANNED) as detector:
        for function, places in MAY_BLOCK.items():
            for place in places:
                detector.functions[function].can_block_in(*place)
        yield detector


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    """Fail a test that leaves a process of its own running, and end that process.

    Processes of fixtures with a wider scope are there before the test begins, and stay.
    """
    before = _children()

    yield

    left = {pid: command for pid, command in _children().items() if pid not in before}
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert not left, f"left running: {', '.join(left.values())}"


@pytest.fixture(autouse=True)
def no_secret_written() -> Iterator[None]:
    """Fail a test in which a bridge wrote a secret to its log, also one that was started by hand and ended anyhow."""
    yield

    require_none_written()


def _children() -> dict[int, str]:
    """Command lines of our running children, by process id; what has ended and waits to be reaped is left out."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # there are none, as for most tests, which saves a look at every thread
        return {}
    pids: list[str] = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            pids += (task / "children").read_text(encoding="ascii").split()
    commands = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            if command := Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace"):
                commands[int(pid)] = command.replace("\0", " ").strip()
    return commands
