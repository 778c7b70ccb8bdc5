"""What is known of the instances of one place, and by which evidence one may go: absence from a list is none.

Lists of EC2 are eventually consistent and paged without a snapshot
(https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from adapters._aws.instance import Instance, State
from adapters.ec2.mapping import ENDED, KNOWN_STATES, LEAVING
from bridge.model import InstanceId

PASSES = 2
"""In how many complete passes an instance must be missing that a question by its id does not explain."""

APART = 5.0
"""Seconds that at least lie between two passes that count: late ones follow each other at once."""

REMEMBERED = 10_000
"""How many terminated instances are remembered: EC2 shows them for an hour, and gives no id twice."""


class Fleet:
    """The instances of one account and region, as last seen."""

    def __init__(self, service_tag: str, *, apart: float = APART, remembered: int = REMEMBERED) -> None:
        """Know nothing.

        Args:
            service_tag: the key of the tag without which an instance is none of ours.
            apart: seconds that at least lie between two passes in which an absence counts.
            remembered: how many terminated instances are remembered; fewer in tests.
        """
        self._service_tag = service_tag
        self._apart = apart
        self._remembered = remembered
        self._terminated: dict[str, None] = {}
        self._instances: dict[str, Instance] = {}
        self._absent: dict[str, tuple[int, float]] = {}
        self._leaving: dict[str, float] = {}

    def __iter__(self) -> Iterator[Instance]:
        """All instances that are known."""
        return iter(self._instances.values())

    def __contains__(self, identity: object) -> bool:
        return identity in self._instances

    def get(self, identity: str) -> Instance | None:
        """What is known of an instance."""
        return self._instances.get(identity)

    def missing(self, seen: Mapping[str, Instance]) -> list[str]:
        """The ids of those known that a complete pass did not see, to ask for one by one."""
        return sorted(self._instances.keys() - seen.keys())

    def warn(self, identity: str, until: float) -> None:
        """Believe that an instance is about to end, until a time on the event loop's clock or until it has ended."""
        if identity in self._instances:
            self._leaving[identity] = max(until, self._leaving.get(identity, until))

    def leaving(self, identity: str, now: float) -> bool:
        """Whether an instance is believed to be about to end."""
        return now < self._leaving.get(identity, now)

    def update(self, instances: Iterable[Instance]) -> frozenset[InstanceId]:
        """Take in what was seen, whatever else there may be; returns those that were seen to have ended."""
        ended = set()
        for seen in instances:
            if seen.instance_id in self._terminated and seen.state.name != "terminated":
                continue  # an answer that is older than what is known; a stopped instance may start again, this one not
            instance = _carried(self._instances.get(seen.instance_id), seen)
            self._absent.pop(instance.instance_id, None)
            if instance.state.name in ENDED or instance.tag(self._service_tag) is None:
                ended.add(InstanceId(instance.instance_id))
                self._leaving.pop(instance.instance_id, None)
            if instance.state.name == "terminated":
                self._remember(instance.instance_id)
            if instance.state.name == "terminated" or instance.tag(self._service_tag) is None:
                self._instances.pop(instance.instance_id, None)
            else:
                self._instances[instance.instance_id] = instance
        return frozenset(ended)

    def conclude(
        self, missing: Iterable[str], answered: Mapping[str, Instance], selected: Collection[str], now: float
    ) -> frozenset[InstanceId]:
        """Judge those that a complete pass did not see, by what questions for their ids answered.

        Args:
            missing: their ids.
            answered: those that EC2 knows, by id.
            selected: the ids of those that it knows and that the filters select.
            now: seconds on the event loop's clock.

        Returns:
            Those that have ended, or are no longer tagged. Others go without such evidence, and only after
            `PASSES` passes: unknown to EC2, or not selected by the filters.
        """
        ended: set[InstanceId] = set()
        for identity in missing:
            count, last = self._absent.get(identity, (0, now - self._apart))
            if identity in answered:
                ended |= self.update([answered[identity]])
            if identity not in self._instances or identity in selected:
                continue  # it has gone; or it is there and tagged, and the list lags behind
            if now - last >= self._apart:
                count, last = count + 1, now
            self._absent[identity] = count, last
            if count >= PASSES:
                del self._instances[identity], self._absent[identity]
                self._leaving.pop(identity, None)
        return frozenset(ended)

    def _remember(self, identity: str) -> None:
        self._terminated.pop(identity, None)  # those that are still shown are the newest
        self._terminated[identity] = None
        if len(self._terminated) > self._remembered:
            del self._terminated[next(iter(self._terminated))]


def _carried(known: Instance | None, seen: Instance) -> Instance:
    """What was seen, with what was known where EC2 says something we do not know, or nothing any more."""
    if known is None:
        return seen
    if seen.state.name not in KNOWN_STATES or (known.state.name == "shutting-down" and seen.state.name != "terminated"):
        # Nothing but its end comes after shutting down: whatever says otherwise is older.
        seen = replace(seen, state=State(known.state.name))
    if seen.state.name in LEAVING:  # it gives up its public address at once, and still finishes what it has
        seen = replace(
            seen,
            private_ip_address=seen.private_ip_address or known.private_ip_address,
            public_ip_address=seen.public_ip_address or known.public_ip_address,
            ipv6_address=seen.ipv6_address or known.ipv6_address,
            network_interfaces=known.network_interfaces or seen.network_interfaces,
        )
    return seen
