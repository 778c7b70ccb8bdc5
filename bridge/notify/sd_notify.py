"""The service manager's own protocol: datagrams of `KEY=value` lines to the socket that it names (sd_notify(3))."""

import logging
import socket
import time
from collections.abc import Mapping
from typing import Protocol

log = logging.getLogger(__name__)

_LONGEST = 1024
"""Characters of a status that are sent; it is one line of `systemctl status`."""


class Manager(Protocol):
    """Is told how the bridge is doing."""

    @property
    def patience(self) -> float | None:
        """Seconds without `alive` after which the process is killed; None where nobody watches."""

    def ready(self, status: str) -> None:
        """The bridge is up, or has reloaded."""

    def status(self, text: str) -> None:
        """What a person should read."""

    def alive(self) -> None:
        """Everything moves."""

    def reloading(self) -> None:
        """The configuration is read again; ends with `ready`."""

    def stopping(self) -> None:
        """The bridge ends."""

    def extend(self, seconds: float) -> None:
        """Starting or ending takes longer: at least so long from now."""


class ServiceManager:
    """systemd, or whoever else gives `NOTIFY_SOCKET`; says nothing where nobody does.

    A datagram that cannot be sent is lost: nothing of the bridge depends on being heard. That is logged once.

    Args:
        environ: of this process; read once.
        process: its id, which `WATCHDOG_PID` has to name for the watchdog to be for us.
    """

    def __init__(self, environ: Mapping[str, str], process: int) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._patience = _patience(environ, process) if self._address else None
        self._unheard = False

    @property
    def patience(self) -> float | None:
        """Seconds without `alive` after which the process is killed; None where nobody watches."""
        return self._patience

    def ready(self, status: str) -> None:
        """The bridge is up, or has reloaded."""
        self._send("READY=1", _status(status))

    def status(self, text: str) -> None:
        """What `systemctl status` shows."""
        self._send(_status(text))

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """The configuration is read again; ends with `ready`."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={_microseconds(time.monotonic())}")

    def stopping(self) -> None:
        """The bridge ends."""
        self._send("STOPPING=1", _status("ending streams"))

    def extend(self, seconds: float) -> None:
        """Starting or ending takes longer than the unit allows: at least so long from now."""
        self._send(f"EXTEND_TIMEOUT_USEC={_microseconds(seconds)}")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
                # One that does not read keeps nobody waiting.
                ours.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, self._address)
        except OSError as error:
            if not self._unheard:
                log.warning("manager.unreachable", extra={"socket": self._address, "error": error.strerror})
            self._unheard = True
        else:
            self._unheard = False


def _address(text: str) -> str:
    """Where to send; one that begins with @ is in Linux' abstract namespace. Others than unix sockets are not ours."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else ""


def _patience(environ: Mapping[str, str], process: int) -> float | None:
    """What sd_watchdog_enabled(3) tells, in seconds."""
    text = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(process)) != str(process) or not text.isascii() or not text.isdecimal():
        return None
    return int(text) / 1e6 or None


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)


def _status(text: str) -> str:
    """One line whatever is in it: a second one would be another message to the manager."""
    return "STATUS=" + " ".join(text.split())[:_LONGEST]
