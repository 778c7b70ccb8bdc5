"""How the process ends: asked by a signal, and in the end whatever an adapter does."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Iterator
from typing import NoReturn

log = logging.getLogger(__name__)

LAST_RESORT = 4.0
"""Seconds after which a bridge that was told to stop ends whatever still runs in it."""


@contextlib.contextmanager
def on_signal(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` at SIGTERM or SIGINT. A second one ends the process at once, as if nobody had waited for the first.

    What still runs after `LAST_RESORT` is ended with the process.
    """
    loop = asyncio.get_running_loop()
    last_resort: list[asyncio.TimerHandle] = []

    def asked() -> None:
        stop.set()
        restore()
        last_resort.append(loop.call_later(LAST_RESORT, _abandon))

    def restore() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)
    try:
        yield
    finally:
        restore()
        for handle in last_resort:
            handle.cancel()


def _abandon() -> NoReturn:
    """End the process although tasks are left: an adapter that ignores its cancellation must not keep it alive."""
    stuck = sorted(task.get_name() for task in asyncio.all_tasks())
    log.error("bridge.abandoned", extra={"tasks": stuck})
    logging.shutdown()
    os._exit(1)
