"""The tasks that read the sources, one for each: started and ended by name while the others go on."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bridge.adapter import Adapter, Sink
from bridge.config import SourceConfig
from bridge.model import SourceName
from bridge.supervisor import Supervisor

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that an adapter may take to end; it promises one."""


class RevocableSink(Sink, Protocol):
    """A `Sink` that can be taken from the adapter that holds it."""

    def revoke(self) -> None:
        """Take nothing more of what is put here."""


@dataclass(slots=True)
class _Source:
    config: SourceConfig
    adapter: Adapter
    sink: RevocableSink
    task: asyncio.Task[None] | None = None


class Sources:
    """What is read now, and by which adapter."""

    def __init__(
        self, supervisor: Supervisor, sink: Callable[[SourceName], RevocableSink], patience: float = PATIENCE
    ) -> None:
        """Read nothing yet.

        Args:
            supervisor: runs each adapter.
            sink: makes what a source puts in what it has read, each time it is started.
            patience: seconds that an adapter may take to end.
        """
        self._patience = patience
        self._supervisor = supervisor
        self._sink = sink
        self._sources: dict[SourceName, _Source] = {}
        self._group: asyncio.TaskGroup | None = None

    def configs(self) -> Mapping[SourceName, SourceConfig]:
        """How each source is read now."""
        return {name: source.config for name, source in self._sources.items()}

    def adapters(self) -> Mapping[SourceName, Adapter]:
        """What reads each source now."""
        return {name: source.adapter for name, source in self._sources.items()}

    def start(self, config: SourceConfig, adapter: Adapter) -> None:
        """Read a source by its adapter from now on, or as soon as `run` runs."""
        source = self._sources[config.name] = _Source(config, adapter, self._sink(config.name))
        if self._group:
            self._begin(source, self._group)

    def note(self, config: SourceConfig) -> None:
        """Take note of keys that make no difference to how a source is read."""
        self._sources[config.name].config = config

    async def stop(self, names: Iterable[SourceName]) -> None:
        """Read some sources no longer; returns when nothing more comes of them.

        An adapter that breaks its promise to end is logged and left behind; what it still reads counts for nothing.
        """
        stopped = [self._sources.pop(name) for name in names]
        tasks = [source.task for source in stopped if source.task]
        for source in stopped:
            self._supervisor.dismiss(source.config.name)
        for task in tasks:
            task.cancel()
        try:
            _, stuck = await asyncio.wait(tasks, timeout=self._patience) if tasks else ((), ())
        finally:
            for source in stopped:
                source.sink.revoke()
        for task in stuck:
            log.error("source.stuck", extra={"task": task.get_name(), "after": self._patience})

    async def run(self) -> None:
        """Have them read until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for source in self._sources.values():
                    self._begin(source, group)
                await asyncio.Event().wait()
        finally:
            self._group = None

    def _begin(self, source: _Source, group: asyncio.TaskGroup) -> None:
        config = source.config
        reading = self._supervisor.run(config.name, source.adapter, source.sink, allow_empty=config.allow_empty)
        source.task = group.create_task(reading, name=f"source {config.name}")
