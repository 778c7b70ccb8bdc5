"""How a step of set-up runs: announced in one line, its output in a log, its failure one readable line."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
LOG = CACHE / "setup.log"
"""Everything that the programs behind the steps printed, of the last set-up that did something."""


class StepError(Exception):
    """A step failed; the message is the line to show: what is missing and what to do."""


def say(text: str) -> None:
    """Tell the person what is being done, in one line."""
    print(f"set-up: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def exclusive(cache: Path = CACHE) -> Iterator[None]:
    """Let one set-up run at a time in this working copy; a second one waits and then finds the work done."""
    cache.mkdir(exist_ok=True)
    with (cache / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another make is setting up here; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(
    command: Sequence[str | Path],
    *,
    attempts: int = 1,
    pause: float = 2.0,
    directory: Path = ROOT,
    log: Path = LOG,
) -> None:
    """Run a program of a step, its output going to the log; on a terminal its last line is shown meanwhile.

    Args:
        command: what to run.
        attempts: how often to try; more than once only for what downloads.
        pause: seconds before the second attempt, twice as many before the third, and so on.
        directory: where to run it.
        log: where its output goes.

    Raises:
        StepError: the last attempt failed too; the message ends with the program's own last complaint.
    """
    for attempt in range(1, attempts + 1):
        lines = _try(command, directory, log)
        if lines is None:
            return
        if attempt < attempts:
            say(f"{Path(command[0]).name} failed ({_complaint(lines)}); trying again")
            time.sleep(pause * attempt)
    raise StepError(f"{_complaint(lines or [])} (all output: {os.path.relpath(log)})")


def _try(command: Sequence[str | Path], directory: Path, log: Path) -> list[str] | None:
    """None when the program succeeded, else the lines that it printed."""
    lines = []
    with log.open("a", encoding="utf-8") as output:
        output.write(f"$ {' '.join(map(str, command))}\n")
        try:
            process = subprocess.Popen(
                command,
                cwd=directory,
                env={**os.environ, "LC_ALL": "C.UTF-8"},  # complaints are searched for by their English words
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            return [f"cannot run {command[0]}: {error.strerror}"]
        with process:
            for line in process.stdout or ():
                output.write(line)
                lines.append(line.rstrip())
                _show(line)
    _show("")
    return lines if process.returncode else None


def _show(line: str) -> None:
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\x1b[K{line.strip()[:width]}", end="", file=sys.stderr, flush=True)


def _complaint(lines: Sequence[str]) -> str:
    """The line that says best what went wrong: the last that calls itself an error, else the last of all."""
    noise = ("WARNING", "[notice]", "ERROR: Exception:")  # the last one heads a traceback, whose last line tells more
    spoken = [line.strip() for line in lines if line.strip() and not line.startswith(noise)]
    errors = [line for line in spoken if line.upper().startswith(("ERROR", "E:", "ERR:"))]
    return (errors or spoken or ["it said nothing"])[-1]
