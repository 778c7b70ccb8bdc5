"""What a configuration would serve now: its sources read once, and then the daemon's own merge, views and encoding."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import typer

from bridge.cli.comparison import Content
from bridge.cli.live import Reading, Reads, read_merged
from bridge.cli.reading import shown
from bridge.config import Config, build_adapters, cluster_rules, merge_policies
from bridge.diff import Diff
from bridge.errors import BridgeError
from bridge.merge import Service
from bridge.model import ServiceName
from bridge.resources import ResourceBuilder
from bridge.views import ClientViews
from xds import CLUSTER, ENDPOINT, Snapshot, SnapshotCache


class UnreadError(BridgeError):
    """A source cannot be read without which the bridge would answer nobody."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What an Envoy would see."""

    view: str
    snapshot: Snapshot

    @property
    def content(self) -> Content:
        """All resources in it."""
        clusters, assignments = (self.snapshot.resources(kind.url) for kind in (CLUSTER, ENDPOINT))
        return Content(
            {name: each.body for name, each in clusters.items()},
            {name: each.body for name, each in assignments.items()},
        )


async def services(config: Config, timeout: float) -> Mapping[ServiceName, Service]:
    """What all sources amount to, each read once within so many seconds; what is odd is told on standard error.

    Nothing is guarded, restored or drained: there is nothing from before.

    Raises:
        ConfigError: a source's options cannot work.
        UnreadError: a required source cannot be read.
    """
    adapters = build_adapters(config.sources)
    reads = await read_merged(config.sources, adapters, timeout, merge_policies(config.services))
    for line in _remarks(reads):
        typer.echo(shown(line), err=True)
    if unread := [each for each in reads.readings if _failures(each) and each.source.required]:
        raise UnreadError(
            "\n".join(f"source {each.source.name}: {error}" for each in unread for error in _failures(each))
        )
    return reads.services


async def sights(
    config: Config,
    known: Mapping[ServiceName, Service],
    wanted: Sequence[Callable[[ClientViews], SnapshotCache]],
) -> Sequence[Sight]:
    """What each of the views shows that are asked for, when all these services are published.

    Raises:
        ConfigError: a cluster template cannot work.
        Refused: by a question for a view.
    """
    builder = ResourceBuilder(config.cluster_defaults, cluster_rules(config.services))
    views = ClientViews(builder, config.views, required=config.views_required)
    caches = [ask(views) for ask in wanted]
    filled = asyncio.Event()
    views.watch(lambda _: filled.set())
    async with asyncio.TaskGroup() as tasks:
        filling = tasks.create_task(views.run())
        await views.stage(Diff(added=known))
        views.publish()
        while not all(cache.ready for cache in caches):
            await filled.wait()
            filled.clear()
        filling.cancel()
    return [Sight(cache.name, cache.snapshot) for cache in caches if cache.snapshot is not None]


def _failures(reading: Reading) -> Sequence[str]:
    """Why what a source answered is not all that it has."""
    return reading.findings if reading.errors or not reading.complete else ()


def _remarks(reads: Reads) -> Iterator[str]:
    for reading in reads.readings:
        name = reading.source.name
        if not _failures(reading):
            yield from (f"warning: source {name}: {finding}" for finding in reading.findings)
        elif not reading.source.required:
            yield from (f"warning: source {name} is left out: {error}" for error in reading.findings)
        yield from (f"refused of source {name}: {each.name[:60]!r}: {each.reason}" for each in reading.refused)
        for service, each in reading.set_aside:
            entry = each.entry
            instance = f" of {entry.instance}" if entry.instance else ""
            yield f"set aside of source {name}: {entry.reported}{instance} in {service}: {entry.reason}"
