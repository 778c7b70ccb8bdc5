"""The command line in this process: what a command prints, and what it exits with."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from bridge.cli import main


@dataclass
class Outcome:
    """How a command ended."""

    status: int
    output: str
    error: str


Command = Callable[..., Outcome]


@contextmanager
def commands(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """What runs commands; logging is put back afterwards."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(os, "_exit", sys.exit)  # the tests go on
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        captured = capsys.readouterr()
        return Outcome(int(caught.value.code or 0), captured.out, captured.err)

    yield run
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def fields(line: str) -> list[str]:
    """The cells of a row of a table."""
    return [cell.strip() for cell in line.split("  ") if cell.strip()]
