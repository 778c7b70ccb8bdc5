"""The adapter: finds the clusters of each place, and keeps a reader on each for as long as it runs."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from adapters._aws import Api, AwsError, Hint, Kind, Listeners, Pace, Place, connected
from adapters.ecs.arn import account, last_part, region
from adapters.ecs.client import Client
from adapters.ecs.cluster import ClusterGoneError, ClusterReader
from adapters.ecs.config import Config as EcsConfig
from adapters.ecs.hints import follow_up
from bridge.adapter import AdapterContext
from bridge.errors import SourceError

CLUSTERS_EVERY = 600.0
"""Seconds between two looks at which clusters there are, where all are read."""

_Key = tuple[Place, str]
"""A place, and the name or ARN of a cluster in it."""


class EcsAdapter:
    """The tasks of clusters of Amazon ECS as a source; each cluster is a scope."""

    Config = EcsConfig

    def __init__(self, config: EcsConfig) -> None:
        self._config = config
        self._readers: dict[_Key, ClusterReader] = {}

    async def run(self, context: AdapterContext) -> None:
        """Report every cluster, then every change, until cancelled.

        Raises:
            SourceError: nothing says which region to read, or a cluster or a queue is in none that is read.
        """
        async with connected(self._config, context) as apis:
            listeners = Listeners(context, self._config, self._config.interval, apis)
            async with asyncio.TaskGroup() as tasks:
                follower = _Follower(self._config, self._readers, context, tasks)
                follower.listen(apis, listeners)
                follower.start(apis)


class _Follower:
    """One run: every cluster is read by a task of its own, since each can fail alone."""

    def __init__(
        self,
        config: EcsConfig,
        readers: dict[_Key, ClusterReader],
        context: AdapterContext,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._config = config
        self._readers = readers
        self._context = context
        self._tasks = tasks
        self._listeners: Listeners | None = None
        self._following: set[_Key] = set()
        self._unlisted: set[Place] = set()

    def listen(self, apis: tuple[Api, ...], listeners: Listeners) -> None:
        """Heed events where there are any; before `start`."""
        self._listeners = listeners
        for api in apis:
            if listener := listeners.all.get(api.place):
                work = partial(listener.run, partial(self._apply, api.place, Client(api.branch())))
                self._tasks.create_task(self._context.supervise(listener.label, work))

    def start(self, apis: tuple[Api, ...]) -> None:
        """Follow the clusters of the configuration in every place, or find out which there are."""
        if self._config.clusters is None:
            self._unlisted = {api.place for api in apis}
            for api in apis:
                label = f"clusters of {api.place}"
                self._tasks.create_task(self._context.supervise(label, partial(self._list, api, label)))
            return
        for cluster in self._config.clusters:
            found = _holders(apis, cluster)
            if not found:
                raise SourceError(f"{cluster} is in no account and region that is read; add its region or its account")
            for api in found:
                self._follow(api, cluster)

    async def _list(self, api: Api, label: str) -> None:
        client = Client(api)
        async for _ in self._context.ticks(CLUSTERS_EVERY):
            for arn in sorted(await client.cluster_arns()):
                self._follow(api, arn)
            self._unlisted.discard(api.place)
            self._succeeded(label)

    def _follow(self, api: Api, cluster: str) -> None:
        key = (api.place, cluster)
        if key in self._following or (region(cluster) and any(cluster == other for _, other in self._following)):
            return  # one scope has one reader, though two roles may lead to it
        self._following.add(key)
        reader = self._readers.setdefault(key, ClusterReader(self._config, cluster))
        reader.resume()
        api = api.branch()
        pace = Pace(self._context, self._config.interval, api)
        if self._listeners:
            pace.relieved_by(self._listeners.relief(api.place))
        label = f'cluster "{last_part(cluster)}" in {api.place}'
        work = partial(self._read, key, Client(api), pace, label)
        self._tasks.create_task(self._context.supervise(label, work))

    async def _read(self, key: _Key, client: Client, pace: Pace, label: str) -> None:
        reader = self._readers[key]
        async for _ in pace.ticks():
            try:
                await self._pass(reader, client, pace)
            except ClusterGoneError:
                if self._config.clusters is None:
                    self._following.discard(key)
                    del self._readers[key]
                    self._succeeded(label)
                    return
                self._succeeded()
                raise
            self._succeeded(label)

    async def _apply(self, place: Place, client: Client, hints: Sequence[Hint]) -> Mapping[Hint, AwsError | None]:
        readers = [self._readers[key] for key in self._following if key[0] == place]
        return await follow_up(hints, readers, client, self._context)

    async def _pass(self, reader: ClusterReader, client: Client, pace: Pace) -> None:
        """Read what can be read and report it.

        Raises:
            AwsError: something could not be read; it stays as it was.
            ClusterGoneError: there is no such cluster.
        """
        now = asyncio.get_running_loop().time()
        errors: tuple[AwsError, ...] = ()
        try:
            async with pace.turn():
                errors = await reader.describe(client, self._context, now)
                for error in errors:
                    if error.kind is Kind.THROTTLED:
                        raise error  # for the turn to know
        except AwsError as error:
            errors = (error, *errors)
        # Not within the turn: what is new may be a lot, as at the start, and is asked for once.
        lacking = await reader.resolve(client, now)
        # A task that lacks something keeps what it had, so after one complete report nothing is left out that was told.
        # Before that it may be one that is known from an earlier process: nothing is complete without it.
        complete = not errors and (not lacking or reader.reported)
        await reader.report(self._context.sink, now, complete=complete)
        for lack in lacking:
            lack.retry_after = pace.polling  # the tasks themselves could be read, so they are as often as ever
        if errors:
            raise errors[0]
        if lacking:
            if lacking[0].kind is Kind.THROTTLED:
                pace.slow_down(lacking[0])
            raise lacking[0]

    def _succeeded(self, label: str = "") -> None:
        """Say that a part was read; and, once all were, that the source has spoken."""
        if label:
            self._context.succeeded(label)
        if not self._unlisted and all(self._readers[key].spoken for key in self._following):
            self._context.succeeded()


def _holders(apis: tuple[Api, ...], cluster: str) -> tuple[Api, ...]:
    """Where to look for a cluster: its name everywhere; its ARN in one place, in its account if there is a way to it.

    Else it may be in the account that the process has credentials of, whose number nobody has told.
    """
    if not region(cluster):
        return apis
    near = [api for api in apis if api.place.region == region(cluster)]
    for wanted in (account(cluster), "self"):
        for api in near:
            if api.place.account == wanted:
                return (api,)
    return ()
