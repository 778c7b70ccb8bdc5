"""One pass over one account and region: what is asked, in which order, and what is reported of it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from adapters._address import one_per_address
from adapters._aws import Api, AwsError, Hint, InstanceChanged, Kind, Place
from adapters._aws.instance import Instance
from adapters.ec2 import payload
from adapters.ec2.condition import Conditions
from adapters.ec2.config import Config
from adapters.ec2.explanation import hidden, tell, tell_hidden
from adapters.ec2.fleet import APART, Fleet
from adapters.ec2.mapping import ENDED, LEAVING, Mapped, Mapper, Sight
from bridge.adapter import AdapterContext
from bridge.model import Entry, InstanceId, Scope, ServiceName
from bridge.provenance import Search

_PAGE = 100
"""Instances on a page: parsing one holds up the event loop for some 40 ms at this size, and for 230 ms at 1,000."""

_FILTER_VALUES = 200
"""The most values that a filter takes."""

_UNKNOWN_ID = "InvalidInstanceID"
"""How the codes begin with which EC2 refuses ids: `….NotFound` and `….Malformed`."""

_SLICE = 100
"""Instances that are mapped before others get their turn on the event loop."""

_ASKING = 3.0
"""Seconds that a question of a person may take beside what is read anyway."""

Services = Mapping[ServiceName, frozenset[Entry]]


class Reader:
    """Reads one place again and again, and remembers what it knows of it.

    A pass and what follows a hint take turns as wholes: instances have no version, so an older page must not come after
    the answer that a hint has brought.
    """

    def __init__(self, config: Config, place: Place, apart: float = APART) -> None:
        self.scope = Scope(str(place))
        """What fails alone."""
        self._mapper = Mapper(config, place.region)
        self._fleet = Fleet(self._mapper.service_tag, apart=apart)
        self._conditions = Conditions(config)
        self._mapped: dict[str, tuple[Sight, Mapped]] = {}
        wanted = {"tag-key": [self._mapper.service_tag], **config.filters}
        self._selection_filters = [{"Name": name, "Values": list(values)} for name, values in wanted.items()]
        self._unreadable: dict[str, str] = {}
        self._told: frozenset[str] = frozenset()
        self._turn = asyncio.Lock()
        self._complete = False
        """Whether a pass was complete."""
        self._filters = [{"Name": name, "Values": list(values)} for name, values in config.filters.items()]
        self._selection = {"Filters": self._selection_filters, "MaxResults": _PAGE}

    async def explain(self, api: Api | None, search: Search) -> tuple[int, str]:
        """Tell what the place has of what is asked about.

        Args:
            api: whom to ask for what the filters hide; None while nobody can be asked.
            search: gathers what is told.

        Returns:
            How many instances are known, and why those that the filters hide are not; empty when they are.
        """
        known = {instance.instance_id: instance for instance in self._fleet}
        mapped = [(known[name], each[1]) for name, each in self._mapped.items() if name in known]
        tell(search, self.scope, self._mapper, mapped)
        if api is None:
            return len(mapped), "it is not read now"
        try:
            async with asyncio.timeout(_ASKING):
                found = [instance async for instance in hidden(api, self._mapper, search.question)]
        except (AwsError, TimeoutError) as error:
            return len(mapped), str(error) or "AWS, or the budget of calls, takes too long"
        tell_hidden(search, self.scope, self._mapper, found, frozenset(known))
        return len(mapped), ""

    async def refresh(self, api: Api, context: AdapterContext) -> None:
        """Read everything and report it.

        Raises:
            AwsError: something could not be read; what this leaves certain was reported, the rest is as it was.
        """
        async with self._turn:
            await self._refresh(api, context)

    async def follow_up(
        self, api: Api, context: AdapterContext, hints: Sequence[Hint]
    ) -> Mapping[Hint, AwsError | None]:
        """Read instances again that something was heard of, and report them.

        Args:
            api: for hints only.
            context: of the adapter.
            hints: of this place; those of other things than instances mean nothing here.

        Returns:
            The hints to be heard again, with what went wrong if anything did.
        """
        heard = {hint: hint.about for hint in hints if isinstance(hint.about, InstanceChanged)}
        if not self._complete:
            return dict.fromkeys(heard)  # the first pass is under way, and may have been there before the event
        try:
            async with self._turn:
                late = await self._read_again(api, context, heard)
        except AwsError as error:
            return dict.fromkeys(heard, error)
        # What EC2 describes may be older than its events. The second time it may also be the event that is old.
        return {hint: None for hint in late if not hint.again}

    async def _read_again(
        self, api: Api, context: AdapterContext, heard: Mapping[Hint, InstanceChanged]
    ) -> Collection[Hint]:
        """Returns the hints of something that EC2 does not describe yet."""
        ids = {about.identity for about in heard.values()}
        found = [one async for one in self._named(api, sorted(one for one in ids if one in self._fleet))]
        others = sorted(one for one in ids if one not in self._fleet)
        found += [one async for one in self._named(api, others, self._selection_filters)]
        if not found:
            return ()
        ended = self._fleet.update(found)
        for hint, about in heard.items():
            if about.notice:
                self._fleet.warn(about.identity, hint.sent_at + about.notice)
        await self._conditions.follow_up(api, found)
        context.sink.replace(self.scope, await self._services(self._fleet, context), complete=False, removed=ended)
        states = {instance.instance_id: instance.state.name for instance in found}
        return [hint for hint, about in heard.items() if _at(about.state) > _at(states.get(about.identity, ""), 9)]

    async def _refresh(self, api: Api, context: AdapterContext) -> None:
        self._unreadable.clear()
        try:
            seen = {instance.instance_id: instance async for instance in self._instances(api, self._selection)}
        except AwsError as error:
            if error.kind is Kind.UNAVAILABLE and await self._read_by_id(api, context):
                raise AwsError(f"{error}; the known instances were read one by one", error.kind, error.code) from error
            raise
        ended = self._fleet.update(seen.values()) | await self._missing(api, self._fleet.missing(seen))
        failure = await self._conditions.refresh(api, self._fleet)
        services = await self._services(self._fleet, context)
        context.sink.replace(self.scope, services, removed=ended)
        self._complete = True
        if failure:
            raise failure

    async def _missing(self, api: Api, missing: Sequence[str]) -> frozenset[InstanceId]:
        """Ask for those that a complete pass did not see, and whether the filters still select those that are there."""
        answered = {instance.instance_id: instance async for instance in self._named(api, missing)}
        selected = set(answered)
        if self._filters:
            asked = self._named(api, sorted(answered), self._filters)
            selected = {instance.instance_id async for instance in asked}
        return self._fleet.conclude(missing, answered, selected, asyncio.get_running_loop().time())

    async def _read_by_id(self, api: Api, context: AdapterContext) -> bool:
        """Ask for the known instances by their ids: with a zone out of order AWS fails every question for all of them.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html

        Returns:
            Whether any was answered.
        """
        known = [instance.instance_id for instance in self._fleet]
        try:
            found = [instance async for instance in self._named(api, known)]
        except AwsError:
            found = [instance async for instance in self._by_zone(api)]
        if not found:
            return False
        ended = self._fleet.update(found)
        services = await self._services(
            [instance for instance in found if instance.instance_id in self._fleet], context
        )
        context.sink.replace(self.scope, services, complete=False, removed=ended)
        return True

    async def _named(
        self, api: Api, ids: Sequence[str], more: Sequence[Mapping[str, object]] = ()
    ) -> AsyncIterator[Instance]:
        """Instances by a filter: given as ids, one that is no more would fail the question for all others."""
        for values in _chunks(ids, _FILTER_VALUES):
            parameters = {"Filters": [{"Name": "instance-id", "Values": values}, *more], "MaxResults": _PAGE}
            async for instance in self._instances(api, parameters):
                yield instance

    async def _instances(self, api: Api, parameters: Mapping[str, object]) -> AsyncIterator[Instance]:
        """Instances as EC2 answers them; one that cannot be read is as it was."""
        async for page in api.pages("ec2", "DescribeInstances", parameters, expect=["Reservations"]):
            for found in payload.instances(page):
                if isinstance(found, Instance):
                    self._unreadable.pop(found.instance_id, None)
                    yield found
                    continue
                self._unreadable[found.instance_id] = found.reason
                if known := self._fleet.get(found.instance_id):
                    yield known

    async def _by_zone(self, api: Api) -> AsyncIterator[Instance]:
        """Known instances by their ids, zone by zone; a zone that fails is left out."""
        zones: dict[str, list[str]] = defaultdict(list)
        for instance in self._fleet:
            zones[instance.placement.availability_zone].append(instance.instance_id)
        for _, ids in sorted(zones.items()):
            try:
                async for instance in self._by_ids(api, ids):
                    yield instance
            except AwsError as error:
                if error.kind not in (Kind.UNAVAILABLE, Kind.UNREACHABLE, Kind.PARTIAL):
                    return  # the other zones would be answered the same

    async def _by_ids(self, api: Api, ids: Sequence[str]) -> AsyncIterator[Instance]:
        """Instances by their ids, without those that EC2 knows nothing of: for one of them it refuses all.

        Raises:
            AwsError: the question fails for another reason.
        """
        left = list(_chunks(ids, _PAGE))
        while left:
            chunk = left.pop(0)
            try:
                for instance in [found async for found in self._instances(api, {"InstanceIds": chunk})]:
                    yield instance
            except AwsError as error:
                if not error.code.startswith(_UNKNOWN_ID):
                    raise
                if len(chunk) > 1:
                    left = [*_chunks(chunk, (len(chunk) + 1) // 2), *left]

    async def _services(self, instances: Iterable[Instance], context: AdapterContext) -> Services:
        """The services of some instances; an instance that is as it was is not mapped again."""
        found: dict[ServiceName, list[Entry]] = {}
        mapped: dict[str, tuple[Sight, Mapped]] = {}
        now = asyncio.get_running_loop().time()
        for number, instance in enumerate(tuple(instances)):
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
            sight = self._conditions.sight(instance)
            if self._fleet.leaving(instance.instance_id, now):
                sight = replace(sight, leaving=True)
            last = self._mapped.get(instance.instance_id)
            if last is None or last[0] != sight:
                last = sight, self._mapper.mapped(sight)
                self._tell(instance, last[1], context)
            mapped[instance.instance_id] = last
            for service, entry in last[1]:
                found.setdefault(service, []).extend([entry] if entry else [])
        self._mapped = mapped
        for identity in self._unreadable.keys() - self._told:
            context.noticed("ec2.instance_unreadable", instance=identity, reason=self._unreadable[identity])
        self._told = frozenset(self._unreadable)
        return {service: one_per_address(entries) for service, entries in found.items()}

    def _tell(self, instance: Instance, mapped: Mapped, context: AdapterContext) -> None:
        """An instance whose tag names no service at all cannot be shown with its service."""
        if not mapped:
            tag = self._mapper.service_tag
            value = (instance.tag(tag) or "")[:100]
            context.noticed("ec2.instance_unnamed", instance=instance.instance_id, tag=tag, value=value)


def _at(state: str, unknown: int = -1) -> int:
    """How far an instance is, as a number."""
    if state in ENDED:
        return 3
    return 2 if state in LEAVING else {"pending": 0, "running": 1}.get(state, unknown)


def _chunks(values: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(values), size):
        yield list(values[start : start + size])
