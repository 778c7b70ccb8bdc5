"""Calls as the sources make them: within the budget, off the event loop, counted, and failing as `AwsError` alone."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from adapters._aws.budget import Budget
from adapters._aws.clients import ATTEMPTS, Clients, longest
from adapters._aws.config import AwsConfig
from adapters._aws.error import FAILURES, INCOMPLETE, AwsError, Kind, counted_retries, incomplete, retries, translated
from adapters._aws.operation import Operation
from adapters._aws.place import SELF, Place
from bridge.adapter import AdapterContext

_THREADS = 4
"""For each place, so that one that hangs holds up no other."""

_CREDENTIALS = 30.0
"""Seconds that looking for credentials may take on top of a call."""

_RECOGNITION = 10.0
"""Seconds that finding out the account of the process may take."""

_PAUSE = 0.02
"""Seconds between two pages: parsing one takes the interpreter for tens of milliseconds, and others want it too."""

_NOTHING: Mapping[str, object] = MappingProxyType({})

Answer = Mapping[str, object]
"""What AWS answered, as the SDK parsed it. What `expect` named is there; all else may be missing."""

Requested = Callable[[str, str, float], None]
"""Counts a call: see `AdapterContext.requested`."""


class Cloud:
    """What all sources of the process share: clients with their connections, threads, and budgets."""

    def __init__(self, attempts: int = ATTEMPTS) -> None:
        """Make nothing yet.

        Args:
            attempts: the most tries of the SDK for one call; fewer in tests.
        """
        self.attempts = attempts
        """The most tries of the SDK for one call."""
        self._clients = Clients(attempts)
        self._executors: dict[Place, ThreadPoolExecutor] = {}
        self._budgets: dict[tuple[str, str], Budget] = {}
        self._own_account = ""
        self._sources = 0

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Be one of the sources; the last one to leave closes every connection and ends the threads."""
        self._sources += 1
        try:
            yield
        finally:
            self._sources -= 1
            if not self._sources:
                self._close()

    async def regions(self, config: AwsConfig) -> tuple[str, ...]:
        """The regions to read: those of the configuration, else the one that the process runs in.

        Raises:
            AwsError: nothing says which.
        """
        if config.region or config.regions:
            return (config.region,) if config.region else config.regions
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aws-region")
        try:
            region = await asyncio.get_running_loop().run_in_executor(executor, self._clients.region)
        except FAILURES as error:
            raise AwsError(f"cannot find out the region ({error}); set region", Kind.REJECTED) from error
        finally:
            executor.shutdown(wait=False)
        if region is None:
            raise AwsError(
                "nothing names a region: not the configuration, AWS_REGION or the machine's metadata; set region",
                Kind.REJECTED,
            )
        return (region,)

    async def recognise(self, place: Place, budget: float, requested: Requested) -> None:
        """Find out whose credentials the process has, so that a role in that account shares its budget.

        Asked once; a failure costs no more than that the two have a budget each.

        Args:
            place: one without a role.
            budget: as for `api`.
            requested: told of the call.
        """
        if self._own_account:
            return
        api = self.api(place, budget, requested)
        with suppress(AwsError, TimeoutError):
            async with asyncio.timeout(_RECOGNITION):
                answer = await api.call("sts", "GetCallerIdentity", expect=["Account"])
            self._own_account = str(answer["Account"])

    def api(
        self, place: Place, budget: float, requested: Requested, operations: Collection[Operation] | None = None
    ) -> "Api":
        """Calls of one source in one place.

        Args:
            place: where.
            budget: calls per second that the source allows there; of all sources that there are the lowest counts.
            requested: told of each call.
            operations: all that may be called; None for whatever is asked.
        """
        account = SELF if place.account == self._own_account else place.account
        key = (account, place.region)
        shared = self._budgets.setdefault(key, Budget(budget))
        api = Api(place, self, shared, requested, operations)
        shared.limit(api, budget)
        return api

    async def perform(self, place: Place, service: str, operation: str, parameters: Mapping[str, object]) -> Answer:
        """Make one call in a thread of the place.

        Raises:
            Exception: one of `error.FAILURES`.
        """
        if place not in self._executors:
            self._executors[place] = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"aws-{place.region}")
        work = partial(self._clients.call, place, service, operation, parameters)
        async with asyncio.timeout(longest(place, self.attempts) + _CREDENTIALS):  # its thread ends by itself
            return await asyncio.get_running_loop().run_in_executor(self._executors[place], work)

    async def forget(self, place: Place) -> None:
        """Look for the credentials of a place anew at the next call; after one that was made there."""
        await asyncio.get_running_loop().run_in_executor(self._executors[place], self._clients.forget, place)

    def _close(self) -> None:
        executors, self._executors = self._executors, {}
        clients, self._clients = self._clients, self._clients.successor()
        self._budgets.clear()
        for executor in executors.values():
            executor.submit(clients.close)
            executor.shutdown(wait=False)


class Api:
    """What one source may call in one place."""

    def __init__(
        self,
        place: Place,
        cloud: Cloud,
        budget: Budget,
        requested: Requested,
        operations: Collection[Operation] | None = None,
    ) -> None:
        self.place = place
        self.budget = budget
        self.operations = None if operations is None else {(each.service, each.name): each for each in operations}
        """What the source has declared that it calls, by service and name; None for whatever it asks."""
        self.calls = 0
        """How many calls were made so far."""
        self.longest = longest(place, cloud.attempts)
        """Seconds that one call may take, with every try."""
        self.calls_by_operation: Counter[tuple[str, str]] = Counter()
        """The same by service and operation."""
        self._cloud = cloud
        self._requested = requested
        self._deadline: asyncio.Timeout | None = None

    @asynccontextmanager
    async def deadline(self, seconds: float) -> AsyncIterator[asyncio.Timeout]:
        """Give what is done in the block so many seconds, without those spent waiting for the budget.

        Raises:
            TimeoutError: they are over.
        """
        async with asyncio.timeout(seconds) as limit:
            self._deadline = limit
            try:
                yield limit
            finally:
                self._deadline = None

    def branch(self) -> "Api":
        """The same place and budget, with a count of calls of its own: for one of several who read there."""
        operations = None if self.operations is None else self.operations.values()
        branch = Api(self.place, self._cloud, self.budget, self._requested, operations)
        self.budget.adopt(branch, self)
        return branch

    def aside(self, timeout: float, rate: float) -> "Api":
        """The same account and region for calls that wait long: with threads, connections and a budget of their own.

        Args:
            timeout: seconds that a call may go without an answer.
            rate: calls per second.
        """
        operations = None if self.operations is None else self.operations.values()
        return Api(replace(self.place, timeout=timeout), self._cloud, Budget(rate), self._requested, operations)

    async def call(
        self,
        service: str,
        operation: str,
        parameters: Mapping[str, object] = _NOTHING,
        *,
        expect: Sequence[str] = (),
    ) -> Answer:
        """Make one call, and a second one with new credentials when those of the first are over, unknown or missing.

        Args:
            service: as the SDK calls it, such as `ec2`.
            operation: as AWS and its policies call it, such as `DescribeInstances`.
            parameters: of the operation.
            expect: the keys that a real answer has; one without them is a failure.

        Raises:
            AwsError: there is no answer that could be used.
            LookupError: the source has not declared that it calls this, so that its policy does not allow it: a bug.
        """
        if self.operations is not None and (service, operation) not in self.operations:
            raise LookupError(f"{service}:{operation} is called and not declared")
        try:
            return await self._attempt(service, operation, parameters, expect)
        except AwsError as error:
            if not error.stale_credentials:
                raise
        await self._cloud.forget(self.place)
        return await self._attempt(service, operation, parameters, expect)

    async def pages(
        self,
        service: str,
        operation: str,
        parameters: Mapping[str, object] = _NOTHING,
        *,
        expect: Sequence[str] = (),
    ) -> AsyncIterator[Answer]:
        """Yield every page of a list, with a pause in between; a page may be empty and have a successor.

        Raises:
            AwsError: a page cannot be had, so that nothing is known of what was not seen.
        """
        key = "nextToken" if service == "ecs" else "NextToken"
        token: object = None
        while True:
            try:
                page = await self.call(service, operation, parameters, expect=expect)
            except AwsError as error:
                if token and error.kind is Kind.REJECTED:
                    error.retry_after = None  # the first page was not: the list may well be had when it is begun anew
                raise
            yield page
            following = page.get(key)
            if not following:
                return
            if following == token:
                raise incomplete(service, operation, self.place, "the same page again and again")
            token = following
            parameters = {**parameters, key: token}
            await asyncio.sleep(_PAUSE)

    async def _attempt(
        self, service: str, operation: str, parameters: Mapping[str, object], expect: Sequence[str]
    ) -> Answer:
        with self._waits():
            await self.budget.take()
        loop = asyncio.get_running_loop()
        began, code = loop.time(), "cancelled"
        self.calls += 1
        self.calls_by_operation[service, operation] += 1
        try:
            answer = await self._cloud.perform(self.place, service, operation, parameters)
            missing = [key for key in expect if answer.get(key) is None]
            code = INCOMPLETE if missing else "200"
            self.budget.charge(counted_retries(answer))
        except FAILURES as error:
            self.budget.charge(retries(error, self._cloud.attempts))
            declared = (self.operations or {}).get((service, operation))
            failure = translated(error, service, operation, self.place, declared.action if declared else "")
            code = failure.code or type(error).__name__
            raise failure from error
        finally:
            self._requested(f"{service}.{operation}", code, loop.time() - began)
        if missing:
            raise incomplete(service, operation, self.place, f"a document without {' and '.join(missing)}")
        return answer

    @contextmanager
    def _waits(self) -> Iterator[None]:
        """Stop the clock of the deadline; the budget is shared, and others may have long queues."""
        deadline, loop = self._deadline, asyncio.get_running_loop()
        if deadline is None or deadline.expired() or (until := deadline.when()) is None:
            yield
            return
        left = until - loop.time()
        deadline.reschedule(None)
        try:
            yield
        finally:
            if deadline is self._deadline:
                deadline.reschedule(loop.time() + left)


@asynccontextmanager
async def connected(
    config: AwsConfig, context: AdapterContext, operations: Collection[Operation]
) -> AsyncIterator[tuple[Api, ...]]:
    """The places that a source reads, one for each account and region, for as long as the block lasts.

    Args:
        config: of the source.
        context: counts the calls.
        operations: all that the source calls.

    Raises:
        AwsError: nothing says which region to read.
    """
    cloud = context.shared("aws", Cloud)
    async with cloud.joined():
        regions = await cloud.regions(config)
        if any(account.assume_role for account in config.accounts):
            place = Place(regions[0], endpoint_url=config.endpoint_url, timeout=config.timeout)
            await cloud.recognise(place, config.api_budget, context.requested)
        places = config.places(regions)
        yield tuple(cloud.api(place, config.api_budget, context.requested, operations) for place in places)
