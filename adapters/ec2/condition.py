"""What is asked about instances beside the instances themselves: status checks, Auto Scaling, ids of zones.

Separate because each can fail alone: the last good answer then stays, and the pass fails after it has told the rest.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType

from adapters._aws import Api, AwsError, together
from adapters._aws.instance import Instance
from adapters.ec2 import payload
from adapters.ec2.config import Config
from adapters.ec2.mapping import Sight

GROUP_TAG = "aws:autoscaling:groupName"
"""AWS itself puts it on the instances of a group."""

_GROUP_CHUNK = 50
"""The most ids that DescribeAutoScalingInstances takes."""

_ZONES_LAST = 24 * 3600.0
"""Seconds for which the ids of zones are believed: new zones are rare, and ids never change."""


class Conditions:
    """The answers to those questions that the configuration wants asked."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._impaired: frozenset[str] | None = None
        self._lifecycles: Mapping[str, str] | None = None
        self._zones: Mapping[str, str] | None = None
        self._zones_read_at = float("-inf")

    async def refresh(self, api: Api, instances: Iterable[Instance]) -> AwsError | None:
        """Ask again; returns the failure that the last good answer makes up for.

        Raises:
            AwsError: there is no last good answer either, so that nothing may be said of any instance.
        """
        instances = tuple(instances)
        failures: list[AwsError] = []
        known = True
        questions: list[tuple[bool, object, Callable[[], Awaitable[None]]]] = [
            (self._config.status_checks, self._impaired, lambda: self._read_statuses(api)),
            (self._config.autoscaling, self._lifecycles, lambda: self._read_lifecycles(api, instances)),
            (self._config.zone_ids, self._zones, lambda: self._read_zones(api, instances)),
        ]
        for wanted, last, ask in questions:
            if not wanted:
                continue
            try:
                await ask()
            except AwsError as error:
                failures.append(error)
                known &= last is not None
        if not known:
            raise together(failures)
        return together(failures) if failures else None

    async def follow_up(self, api: Api, instances: Iterable[Instance]) -> None:
        """Ask for what Auto Scaling does with some instances, which may be new.

        Raises:
            AwsError: that cannot be had; it is as it was.
        """
        if self._config.autoscaling:
            self._lifecycles = {**(self._lifecycles or {}), **await self._asked(api, instances)}

    def sight(self, instance: Instance) -> Sight:
        """An instance with what is known beside it."""
        identity = instance.instance_id
        lifecycle = ""
        if self._config.autoscaling and instance.tag(GROUP_TAG) is not None:
            # Until it has been asked about, it may be one of a warm pool.
            lifecycle = (self._lifecycles or {}).get(identity, "Pending")
        return Sight(
            instance,
            impaired=identity in (self._impaired or ()),
            lifecycle=lifecycle,
            zone_id=(self._zones or {}).get(instance.placement.availability_zone, ""),
        )

    async def _read_statuses(self, api: Api) -> None:
        """Two questions, since one with both filters would find only what fails both checks."""
        found: set[str] = set()
        for check in ("instance-status.status", "system-status.status"):
            parameters = {"Filters": [{"Name": check, "Values": ["impaired"]}], "MaxResults": 100}
            pages = api.pages("ec2", "DescribeInstanceStatus", parameters, expect=["InstanceStatuses"])
            async for page in pages:
                found |= payload.impaired(page)
        self._impaired = frozenset(found)

    async def _read_lifecycles(self, api: Api, instances: tuple[Instance, ...]) -> None:
        self._lifecycles = MappingProxyType(await self._asked(api, instances))

    async def _asked(self, api: Api, instances: Iterable[Instance]) -> dict[str, str]:
        """What Auto Scaling does with those instances that are its own."""
        ids = sorted(instance.instance_id for instance in instances if instance.tag(GROUP_TAG) is not None)
        found: dict[str, str] = {}
        for start in range(0, len(ids), _GROUP_CHUNK):
            chunk = ids[start : start + _GROUP_CHUNK]
            found |= dict.fromkeys(chunk, "")  # of an instance that has left its group nothing is said
            async for page in api.pages(
                "autoscaling", "DescribeAutoScalingInstances", {"InstanceIds": chunk}, expect=["AutoScalingInstances"]
            ):
                found |= payload.lifecycles(page)
        return found

    async def _read_zones(self, api: Api, instances: tuple[Instance, ...]) -> None:
        now = asyncio.get_running_loop().time()
        if all(instance.placement.availability_zone_id for instance in instances):
            return
        if self._zones is not None and now - self._zones_read_at < _ZONES_LAST:
            return
        answer = await api.call("ec2", "DescribeAvailabilityZones", {}, expect=["AvailabilityZones"])
        self._zones, self._zones_read_at = payload.zones(answer), now
