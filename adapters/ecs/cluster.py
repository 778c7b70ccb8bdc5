"""One cluster, read over and over: what is asked in which order, and what becomes of a part that cannot be had."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from adapters._aws import AwsError, Kind
from adapters.ecs.batch import chunks, each
from adapters.ecs.book import Book
from adapters.ecs.client import CHUNK, Description
from adapters.ecs.config import Config
from adapters.ecs.explanation import tell
from adapters.ecs.lifecycle import unknown_values
from adapters.ecs.lookup import Lookup
from adapters.ecs.lookup import Reads as LookupReads
from adapters.ecs.mapping import Mapper
from adapters.ecs.payload import Cluster, Task
from bridge.adapter import Sink
from bridge.errors import SourceError
from bridge.model import Scope
from bridge.provenance import Search

CONFIRM_AFTER = 60.0
"""Seconds that must lie between two answers that there is no such cluster before that is believed."""

NO_CLUSTER = "ClusterNotFoundException"

INCOMPLETE = "IncompleteAnswer"

_GONE = frozenset({"INACTIVE"})

_SLICE = 50
"""Services that are put together, or tasks that are translated, before others get their turn: some milliseconds."""

_TOLD = 5
"""Of what is new in one answer, the most that is told of."""


class Reads(LookupReads, Protocol):
    """What is asked for; see `Client`."""

    async def cluster(self, name: str) -> Description[Cluster]:
        """One cluster."""

    def task_arns(self, cluster: str, *, stopping: bool = False) -> AsyncIterator[tuple[str, ...]]:
        """The tasks that are to run, or that are to stop or have stopped, page by page."""

    async def tasks(self, cluster: str, arns: Sequence[str]) -> Description[Task]:
        """Tasks."""


class Context(Protocol):
    """What is needed of the adapter's context."""

    @property
    def sink(self) -> Sink:
        """Where reports go."""

    def noticed(self, event: str, **fields: object) -> None:
        """Tell the operator."""


class ClusterGoneError(SourceError):
    """The cluster does not exist, which has been confirmed; what it had is removed."""


class ClusterReader:
    """Knows one cluster, from one pass to the next and from one run of the adapter to the next.

    A pass and the hints of events take turns call by call: each describes some tasks and takes them in without the
    other in between, and no hint is held up by a long pass. Which read is newer, tasks themselves say.
    """

    def __init__(self, config: Config, name: str, patience: float | None = None) -> None:
        """Know nothing.

        Args:
            config: of the source.
            name: of the cluster, or its ARN.
            patience: see `Lookup`.
        """
        self.name = name
        self.spoken = False
        """Whether a pass was complete, or the cluster does not exist."""
        self.reported = False
        """Whether a report was complete, so that nobody else's is left to be confirmed."""
        self._arn = name if ":" in name else ""
        self._book = Book(Mapper(config))
        self._lookup = Lookup(config, patience=patience)
        self._missing_since: float | None = None
        self._told: set[tuple[str, str]] = set()
        self._turn = asyncio.Lock()
        self._partial = False
        self._looked_back = False
        """Whether the tasks were listed that were to stop before this process was there to see them run."""

    @property
    def arn(self) -> str:
        """Of the cluster; empty until it has been found."""
        return self._arn

    @property
    def loading(self) -> int:
        """How many task definitions are still to be asked for, for which there was no time yet."""
        return self._lookup.left

    def resume(self) -> None:
        """Report everything at the next complete pass, whether it is new or not."""
        self._partial = True

    async def describe(self, client: Reads, context: Context, now: float) -> tuple[AwsError, ...]:
        """Read the tasks; returns what could not be had.

        Args:
            client: whom to ask.
            context: told of what cannot be read.
            now: monotonic time in seconds.

        Raises:
            ClusterGoneError: there is no such cluster.
        """
        try:
            if not self._arn:
                await self._require(client, context, now)
            listed, errors = await self._list(client)
            if errors and errors[0].code == NO_CLUSTER:
                await self._require(client, context, now)
        except AwsError as error:
            return (error,)
        if not errors:
            self._missing_since = None

        async def describe(arns: Sequence[str]) -> None:
            await self._describe(client, context, arns, now)
            await asyncio.sleep(0)

        return errors + await each(chunks(self._book.to_describe(listed), CHUNK), describe)

    async def resolve(self, client: Reads, now: float) -> tuple[AwsError, ...]:
        """Ask for what surrounds the tasks and is not known; returns what could not be had."""
        async with self._turn:
            return await self._lookup.resolve(client, self._arn, self._book.tasks, now)

    async def follow_up(
        self, client: Reads, context: Context, versions: Mapping[str, int], now: float
    ) -> Mapping[str, AwsError | None]:
        """Describe tasks that something was heard of, and report them; returns those to be heard of again, and why.

        Args:
            client: whom to ask, another than that of `describe`.
            context: told of what cannot be read, and of the tasks.
            versions: how much has happened to each task, by its ARN; 0 where that is not told.
            now: monotonic time in seconds.
        """
        if not (self.spoken and self._arn):
            return dict.fromkeys(versions)  # the first pass is under way, and may have been there before the event
        wanted = [arn for arn, version in versions.items() if not self._book.has(arn, version)]
        left: dict[str, AwsError | None] = dict.fromkeys(wanted)

        async def describe(arns: Sequence[str]) -> None:
            for arn in await self._describe(client, context, arns, now):
                del left[arn]

        errors = await each(chunks(wanted, CHUNK), describe)
        left = dict.fromkeys(left, errors[0] if errors else None)
        tasks = [task for task in self._book.tasks if task.task_arn in versions]
        async with self._turn:
            lacking = await self._lookup.resolve(client, self._arn, tasks, now, part=True)
        await self.report(context.sink, now, complete=False, only=tasks)
        waiting = {task.task_arn for task in tasks if self._lookup.surround(task) is None}
        late = {task.task_arn for task in tasks if 0 < task.version < versions[task.task_arn]}
        return left | dict.fromkeys(late) | dict.fromkeys(waiting, lacking[0] if lacking else None)

    async def report(self, sink: Sink, now: float, *, complete: bool, only: Sequence[Task] | None = None) -> None:
        """Tell what is to be served, if it is anything new.

        Args:
            sink: is told.
            now: monotonic time in seconds.
            complete: whether everything was read.
            only: the tasks of which something may be new; all of them when left out.
        """
        if not self._arn:
            return  # it has never been found, so there is nothing to tell of it
        tasks = self._book.tasks if only is None else only
        for start in range(0, len(tasks), _SLICE):
            self._book.translate(tasks[start : start + _SLICE], self._lookup.surround, now)
            await asyncio.sleep(0)
        for step, _ in enumerate(self._book.settle()):
            if step % _SLICE == 0:
                await asyncio.sleep(0)
        anew = complete and (self._partial or not self.reported)
        report = self._book.report(anew=anew)
        if report is not None:
            sink.replace(Scope(self._arn), report.services, complete=complete, removed=report.ended)
        self._partial = (self._partial or report is not None) and not complete
        self.spoken |= complete
        self.reported |= complete

    def explain(self, search: Search, prefix: str) -> int:
        """Tell what the cluster has of what is asked about; returns how many tasks were looked through."""
        return tell(search, Scope(self._arn or self.name), self._book, self._lookup.surround, prefix)

    async def _describe(self, client: Reads, context: Context, arns: Sequence[str], now: float) -> Sequence[str]:
        """Describe tasks and take them in; returns their ARNs.

        Raises:
            AwsError: some, or all, were not described.
        """
        async with self._turn:
            described = await client.tasks(self._arn, arns)
            self._book.take(described.found, described.missing, now)
        self._tell(described, context)
        self._require_all(described, arns)
        return arns

    async def _list(self, client: Reads) -> tuple[frozenset[str], tuple[AwsError, ...]]:
        """The tasks that are to run, at first also those that are to stop; with the reason why there may be more."""
        listed: set[str] = set()
        try:
            async for page in client.task_arns(self._arn):
                listed.update(page)
            if not self._looked_back:  # from then on, who is to stop was known before
                async for page in client.task_arns(self._arn, stopping=True):
                    listed.update(page)
                self._looked_back = True
        except AwsError as error:
            return frozenset(listed), (error,)
        return frozenset(listed), ()

    async def _require(self, client: Reads, context: Context, now: float) -> None:
        """Find the cluster.

        Raises:
            AwsError: it cannot be looked for, or seems not to exist.
            ClusterGoneError: it does not exist, as was found twice, some time apart.
        """
        described = await client.cluster(self._arn or self.name)
        there = [one for one in described.found if one.status not in _GONE]
        if there:
            self._arn = there[0].cluster_arn
            return
        if not described.missing and not described.found:
            raise AwsError(f"cluster {self.name!r} is neither described nor missing", Kind.PARTIAL, INCOMPLETE)
        advice = "create it, or take it out of `clusters`"
        if self._missing_since is None or now - self._missing_since < CONFIRM_AFTER:
            self._missing_since = now if self._missing_since is None else self._missing_since
            message = f"cluster {self.name!r} is not to be found; {advice}. Nothing is removed before that is confirmed"
            raise AwsError(message, Kind.REJECTED, NO_CLUSTER, retry_after=CONFIRM_AFTER)
        self._end(context.sink)
        raise ClusterGoneError(f"cluster {self.name!r} does not exist; {advice}", retry_after=CONFIRM_AFTER)

    def _end(self, sink: Sink) -> None:
        """What was seen here has ended; what others reported before, nobody has seen end: that is for them to judge."""
        self.spoken = True
        if not self._arn:
            return  # it has never been found under its name, so there is no scope to speak for
        self._book.end()
        report = self._book.report(anew=not self.reported)
        if report is not None:
            sink.replace(Scope(self._arn), {}, removed=report.ended)
        self._partial = False
        self.reported = True

    def _require_all(self, described: Description[Task], arns: Sequence[str]) -> None:
        """Make sure that each task was described or is missing.

        Raises:
            AwsError: some are neither; they stay as they are.
        """
        odd = [f"{failure.arn}: {failure.reason}" for failure in described.failures if failure.reason != "MISSING"]
        answered = {task.task_arn for task in described.found} | described.missing | described.unreadable.keys()
        odd += [f"{arn}: neither described nor missing" for arn in arns if arn not in answered]
        if odd:
            message = f"{len(odd)} of {len(arns)} tasks were not described ({odd[0][:300]}); they stay as they are"
            raise AwsError(message, Kind.PARTIAL, INCOMPLETE)

    def _tell(self, described: Description[Task], context: Context) -> None:
        """Tell once of each thing that this version does not understand."""
        unreadable = described.unreadable.items()
        found = {("ecs.task_unreadable", f"{arn}: {reason}") for arn, reason in unreadable}
        for task in described.found:
            found |= {("ecs.value_unknown", f"{name} {value[:60]!r}") for name, value in unknown_values(task)}
        for event, what in sorted(found - self._told)[:_TOLD]:
            context.noticed(event, cluster=self.name, what=what)
            self._told.add((event, what))
