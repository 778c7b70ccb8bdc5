"""What all commands have in common: exit codes, the configuration's path, how durations are typed, and how to end."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Never

import typer

from bridge import log
from bridge.adapter import seconds
from bridge.config import LogFormat, LogLevel

EXIT_FINDING = 1
EXIT_FAILED = 3
EXIT_CRASHED = 70
"""EX_SOFTWARE of sysexits.h: a bug; the systemd unit restarts after it."""
EXIT_CONFIG = 78
"""EX_CONFIG of sysexits.h; the systemd unit does not restart after it."""

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar="XDS_BRIDGE_CONFIG", metavar="FILE", help="The configuration file.")
]
DEFAULT_CONFIG = Path("/etc/xds-bridge/bridge.yaml")

TimeoutOption = Annotated[str, typer.Option("--timeout", metavar="DURATION", help="How long the reads may take.")]


def duration(text: str, option: str) -> float:
    """The seconds of a duration such as `30s`; anything else is wrong usage of an option."""
    try:
        value = seconds(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
    assert isinstance(value, float)  # noqa: S101 (text in, seconds out; narrows the type)
    return value


def only_errors() -> None:
    """Log to standard error what is worth a person's while beside what a command prints."""
    log.configure(LogFormat.CONSOLE, LogLevel.ERROR, sys.stderr, os.environ)


def leave(code: int) -> Never:
    """End the process now.

    Python would first wait for the threads of all executors, and one may be busy for minutes: with a large file, or
    with a file system that hangs. There is nothing left to lose: all that a thread could still say is for a bridge
    that has stopped.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
