"""The tasks that read the sources, one for each: started and ended by name while the others go on."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bridge.adapter import Adapter, Sink
from bridge.config import SourceConfig
from bridge.model import SourceName
from bridge.supervisor import Supervisor

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that an adapter may take to end; it promises one."""


@dataclass(slots=True)
class _Source:
    config: SourceConfig
    adapter: Adapter
    task: asyncio.Task[None] | None = None


class Sources:
    """What is read now, and by which adapter."""

    def __init__(self, supervisor: Supervisor, sink: Callable[[SourceName], Sink], patience: float = PATIENCE) -> None:
        """Read nothing yet.

        Args:
            supervisor: runs each adapter.
            sink: where a source puts what it has read.
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

    def start(self, config: SourceConfig, adapter: Adapter) -> None:
        """Read a source by its adapter from now on, or as soon as `run` runs."""
        source = self._sources[config.name] = _Source(config, adapter)
        if self._group:
            self._begin(source, self._group)

    def note(self, config: SourceConfig) -> None:
        """Take note of keys that make no difference to how a source is read."""
        self._sources[config.name].config = config

    async def stop(self, names: Iterable[SourceName]) -> None:
        """Read some sources no longer; returns when nothing more comes of them.

        An adapter that breaks its promise to end is logged and left behind.
        """
        tasks = [task for name in names if (task := self._sources.pop(name).task)]
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        _, stuck = await asyncio.wait(tasks, timeout=self._patience)
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
        reading = self._supervisor.run(
            config.name, source.adapter, self._sink(config.name), allow_empty=config.allow_empty
        )
        source.task = group.create_task(reading, name=f"source {config.name}")
