"""An adapter that does to its bridge what an operator should never see; installed into the machine under test alone."""

import time
from pathlib import Path

from bridge.adapter import AdapterConfig, AdapterContext
from bridge.model import Scope

BLOCKED = 600
"""Seconds for which the event loop is blocked: longer than any watchdog waits."""


class SaboteurConfig(AdapterConfig):
    orders: Path
    """A file with one word: what is to be done. It is taken away before that is done."""


class Saboteur:
    Config = SaboteurConfig

    def __init__(self, config: SaboteurConfig) -> None:
        self._config = config

    async def run(self, context: AdapterContext) -> None:
        context.sink.replace(Scope(""), {})
        context.succeeded()
        async for _ in context.ticks(0.1):
            if not self._config.orders.exists():
                continue
            order = self._config.orders.read_text()
            self._config.orders.unlink()
            if order == "block":
                time.sleep(BLOCKED)  # noqa: ASYNC251 (that is the fault)
            else:
                _eat()


def _eat() -> None:
    """Take memory until somebody objects."""
    taken = []
    while True:
        taken.append(b"x" * (1 << 24))
