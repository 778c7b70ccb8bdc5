"""The adapter: finds the clusters of each place, and keeps a reader on each for as long as it runs."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from adapters._aws import Api, AwsError, Hint, Kind, Listeners, Pace, Place, connected, exclusive, together
from adapters.ecs.arn import account, last_part, region
from adapters.ecs.client import Client
from adapters.ecs.cluster import ClusterGoneError, ClusterReader
from adapters.ecs.config import Config as EcsConfig
from adapters.ecs.config import searched
from adapters.ecs.hints import follow_up
from adapters.ecs.operation import operations, permissions
from bridge.adapter import AdapterContext
from bridge.errors import SourceError
from bridge.provenance import Question, Search, Statement

CLUSTERS_EVERY = 600.0
"""Seconds between two looks at which clusters there are, where all are read."""

_Key = tuple[Place, str]
"""A place, and the name or ARN of a cluster in it."""


class EcsAdapter:
    """The tasks of clusters of Amazon ECS as a source; each cluster is a scope."""

    Config = EcsConfig
    permissions = staticmethod(permissions)
    exclusive = staticmethod(exclusive)
    searched = staticmethod(searched)

    def __init__(self, config: EcsConfig, patience: float | None = None) -> None:
        """Know nothing.

        Args:
            config: of the source.
            patience: see `Lookup`; shorter in tests.
        """
        self._config = config
        self._patience = patience
        self._readers: dict[_Key, ClusterReader] = {}

    async def run(self, context: AdapterContext) -> None:
        """Report every cluster, then every change, until cancelled.

        Raises:
            SourceError: nothing says which region to read, or a cluster or a queue is in none that is read.
        """
        async with connected(self._config, context, operations(self._config)) as apis:
            with Listeners(context, self._config, self._config.interval, apis) as listeners:
                async with asyncio.TaskGroup() as tasks:
                    follower = _Follower(self._config, self._patience, self._readers, context, tasks)
                    follower.listen(apis, listeners)
                    follower.start(apis)

    async def explain(self, question: Question) -> Statement:
        """What the clusters have of a service or an address; see `bridge.adapter.Explaining`."""
        search, tasks = Search(question), 0
        for _, reader in sorted(self._readers.items(), key=lambda item: item[1].name):
            tasks += reader.explain(search, self._config.label_prefix)
            await asyncio.sleep(0)
        return search.statement(f"{tasks} tasks of {len(self._readers)} clusters in {self._config.where}")


class _ReadTwiceError(Exception):
    """The cluster is read under another name already."""


class _Follower:
    """One run: every cluster is read by a task of its own, since each can fail alone."""

    def __init__(
        self,
        config: EcsConfig,
        patience: float | None,
        readers: dict[_Key, ClusterReader],
        context: AdapterContext,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._config = config
        self._patience = patience
        self._readers = readers
        self._context = context
        self._tasks = tasks
        self._listeners: Listeners | None = None
        self._following: set[_Key] = set()
        self._owners: dict[str, _Key] = {}
        """Who reads each cluster, by its ARN: the first that could."""
        self._unlisted: set[Place] = set()

    def listen(self, apis: tuple[Api, ...], listeners: Listeners) -> None:
        """Heed events where there are any; before `start`."""
        self._listeners = listeners
        for api in apis:
            if listener := listeners.all.get(api.place):
                work = partial(listener.run, partial(self._apply, api.place, Client(api.branch())))
                self._tasks.create_task(self._context.supervise(listener.label, work, vital=False))

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
        reader = self._readers.setdefault(key, ClusterReader(self._config, cluster, self._patience))
        reader.resume()
        api = api.branch()
        label = f'cluster "{last_part(cluster)}" in {api.place}'
        pace = Pace(self._context, self._config.interval, api, label)
        if self._listeners:
            pace.relieved_by(self._listeners.relief(api.place))
        work = partial(self._read, key, Client(api), pace, label)
        self._tasks.create_task(self._context.supervise(label, work))

    async def _read(self, key: _Key, client: Client, pace: Pace, label: str) -> None:
        reader = self._readers[key]
        async for _ in pace.ticks():
            try:
                await self._pass(key, client, pace)
            except ClusterGoneError:
                if self._config.clusters is None:
                    self._owners.pop(reader.arn, None)
                    self._leave(key)
                    self._succeeded(label)
                    return
                self._succeeded()
                raise
            except _ReadTwiceError:
                self._leave(key)
                self._succeeded(label)
                return
            self._succeeded(label)

    def _leave(self, key: _Key) -> None:
        """Have no reader for a key any more."""
        self._following.discard(key)
        del self._readers[key]

    def _claim(self, key: _Key) -> None:
        """Be the one who reports a cluster that was found: one scope has one reader.

        Raises:
            _ReadTwiceError: somebody else is, who knows the cluster by another name or comes by another role.
        """
        arn = self._readers[key].arn
        owner = self._owners.setdefault(arn, key)
        if owner == key:
            return
        names = sorted({key[1], owner[1]})
        places = sorted({str(key[0]), str(owner[0])})
        self._context.noticed("ecs.cluster_named_twice", cluster=arn, names=names, places=places)
        raise _ReadTwiceError

    async def _apply(self, place: Place, client: Client, hints: Sequence[Hint]) -> Mapping[Hint, AwsError | None]:
        readers = [self._readers[key] for key in self._following if key[0] == place]
        return await follow_up(hints, readers, client, self._context)

    async def _pass(self, key: _Key, client: Client, pace: Pace) -> None:
        """Read what can be read and report it.

        Raises:
            AwsError: something could not be read; it stays as it was.
            ClusterGoneError: there is no such cluster.
            _ReadTwiceError: the cluster has another reader.
        """
        reader = self._readers[key]
        now = asyncio.get_running_loop().time()
        errors = await self._describe(reader, client, pace, now)
        if not errors:
            self._claim(key)
        # Not within the turn: what is new may be a lot, as at the start, and is asked for once.
        was_loading = reader.loading
        lacking = await reader.resolve(client, now)
        if reader.loading and not was_loading:
            self._context.noticed("ecs.definitions_loading", cluster=reader.arn, left=reader.loading)
        # A task that lacks something keeps what it had, so after one complete report nothing is left out that was told.
        # Before that it may be one that is known from an earlier process: nothing is complete without it.
        complete = not errors and (reader.reported or not (lacking or reader.loading))
        await reader.report(self._context.sink, now, complete=complete)
        for lack in lacking:
            lack.retry_after = pace.polling  # the tasks themselves could be read, so they are as often as ever
        if errors:
            raise together((*errors, *lacking))
        if lacking:
            lacking = tuple(sorted(lacking, key=lambda lack: lack.kind is not Kind.THROTTLED))
            if lacking[0].kind is Kind.THROTTLED:
                pace.slow_down(lacking[0])
            raise together(lacking)

    async def _describe(self, reader: ClusterReader, client: Client, pace: Pace, now: float) -> tuple[AwsError, ...]:
        errors: tuple[AwsError, ...] = ()
        try:
            async with pace.turn():
                errors = await reader.describe(client, self._context, now)
                for error in errors:
                    if error.kind is Kind.THROTTLED:
                        raise error  # for the turn to know
        except AwsError as error:
            errors = (error, *errors)
        return errors

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
