"""The live view: every change that Envoy makes, and how long after its cause it came."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

from bridge.demo.consul import ConsulView, Sighting
from bridge.demo.document import SERVICE, endpoints_path
from bridge.demo.envoy import Hosts
from bridge.demo.option import DemoError
from bridge.demo.screen import duration
from bridge.demo.stage import Stage

INTERVAL = 0.01
"""Seconds between two looks at Envoy; the latencies shown are that much too long at most."""

PROBLEM_INTERVAL = 0.5
"""Seconds between two looks at the bridge's complaints."""

SETTLE = 0.05
"""Seconds given to a cause to be noticed too, where its effect was seen first."""

FORGET = 10.0
"""Seconds after which a cause explains nothing any more; Consul's checks take less."""


async def follow(stage: Stage) -> None:
    """Tell every change until cancelled."""
    causes = Causes()
    causes.note_file(endpoints_path(stage.directory))
    async with asyncio.TaskGroup() as group:
        if stage.consul:
            group.create_task(_follow_consul(stage.consul, causes))
        group.create_task(_follow_problems(stage))
        await _follow_envoy(stage, causes)


async def _follow_envoy(stage: Stage, causes: "Causes") -> None:
    path = endpoints_path(stage.directory)
    known = await stage.envoy.hosts(SERVICE) or {}
    while True:
        await asyncio.sleep(INTERVAL)
        causes.note_file(path)
        hosts = await stage.envoy.hosts(SERVICE)
        if hosts is None or hosts == known:
            continue
        seen = time.time()
        await asyncio.sleep(SETTLE)
        causes.note_file(path)
        for change in changes(known, hosts):
            stage.screen.tell(f"{SERVICE}: {change}  [dim]{causes.explain(seen)}[/dim]")
        known = hosts


async def _follow_consul(consul: ConsulView, causes: "Causes") -> None:
    last: Sighting | None = None
    while True:
        try:
            now = await consul.watch(last)
        except DemoError:
            await asyncio.sleep(1)  # it is being restarted, or it is dying, which its watcher tells
            continue
        if last and now.instances != last.instances:
            causes.note("Consul said so", time.time())
        last = now


async def _follow_problems(stage: Stage) -> None:
    """Tell what the bridge complains about, such as a mistake in the file, and when that is over."""
    known: frozenset[str] = frozenset()
    while True:
        problems = await stage.bridge.problems()
        for problem in sorted(problems - known):
            stage.screen.warn(problem)
        if known and not problems:
            stage.screen.tell("[green]the bridge has nothing to complain about any more[/green]")
        known = problems
        await asyncio.sleep(PROBLEM_INTERVAL)


def changes(old: Hosts, new: Hosts) -> Iterator[str]:
    """What changed from one set of hosts to the next, a line for each host."""
    for address in sorted({*old, *new}):
        match old.get(address), new.get(address):
            case None, health:
                yield f"[green]+[/green] {address} {health}"
            case health, None:
                yield f"[red]-[/red] {address} (was {health})"
            case before, after if before != after:
                yield f"[yellow]~[/yellow] {address} {before} → {after}"


class Causes:
    """What happened last outside Envoy, and when, in Unix time."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def note(self, what: str, at: float) -> None:
        """Remember that something happened."""
        self._at[what] = at

    def note_file(self, path: Path) -> None:
        """Remember when the file was last written; a file that is gone was not written."""
        try:
            self.note("the file changed", path.stat().st_mtime)
        except FileNotFoundError:
            return

    def explain(self, seen: float) -> str:
        """The latest cause of what was seen at a time, and how long it took; empty where nothing explains it."""
        candidates = [(at, what) for what, at in self._at.items() if seen - FORGET < at < seen + SETTLE]
        if not candidates:
            return ""
        at, what = max(candidates)
        return f"{duration(max(seen - at, 0.0))} after {what}"
