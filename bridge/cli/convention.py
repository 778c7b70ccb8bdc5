"""What all commands have in common: exit codes, the configuration's path, and how durations are typed."""

from pathlib import Path
from typing import Annotated

import typer

from bridge.adapter import seconds

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


def duration(text: str, option: str) -> float:
    """The seconds of a duration such as `30s`; anything else is wrong usage of an option."""
    try:
        value = seconds(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
    assert isinstance(value, float)  # noqa: S101 (text in, seconds out; narrows the type)
    return value
