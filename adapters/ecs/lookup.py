"""What is asked for once and remembered: task definitions, the hosts of tasks, their public addresses, zone ids.

A failure here costs nobody what is remembered, and a task that needs what cannot be had waits for it alone.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from adapters._aws import AwsError, Kind
from adapters._aws.instance import Instance, Zone
from adapters.ecs.address import EXTERNAL, Host, Mode, Surroundings, interface_id, mode
from adapters.ecs.batch import chunks, each
from adapters.ecs.client import CHUNK, MACHINES_CHUNK, UNREADABLE, Description
from adapters.ecs.config import AddressType, Config
from adapters.ecs.labels import names_service
from adapters.ecs.lifecycle import Phase, phase
from adapters.ecs.payload import ContainerInstance, Interface, Machine, Task, TaskDefinition

KEPT = 10_000
"""The most definitions and hosts that are remembered although no task needs them now."""

REFUSED_FOR = 300.0
"""Seconds after which a definition is asked for again that AWS has refused."""

ADDRESSES_FOR = 600.0
"""Seconds after which addresses that change are read again: public and IPv6 ones, and those of machines elsewhere."""

ZONES_FOR = 24 * 3600.0
"""Seconds after which the zones are read again."""

PATIENCE = 5.0
"""Seconds for which definitions are asked for before what is known by then is told, unless the interval is longer."""

_IN_USE = "in-use"
"""The status of an interface that is attached, and that has no more addresses than are told of."""

_NO_DEFINITION = frozenset({"ClientException", UNREADABLE})
"""Codes that mean that a definition cannot be had later either; every other refusal may be over soon."""


class Reads(Protocol):
    """What is asked for; see `Client`."""

    async def task_definition(self, arn: str) -> TaskDefinition:
        """One revision."""

    async def container_instances(self, cluster: str, arns: Sequence[str]) -> Description[ContainerInstance]:
        """Container instances."""

    async def instances(self, ids: Sequence[str]) -> tuple[Instance, ...]:
        """Instances of EC2."""

    async def interfaces(self, ids: Sequence[str]) -> tuple[Interface, ...]:
        """Network interfaces."""

    async def machines(self, ids: Sequence[str]) -> tuple[Machine, ...]:
        """Machines of Systems Manager."""

    async def zones(self) -> tuple[Zone, ...]:
        """Zones."""


@dataclass(slots=True)
class _Memory:
    definitions: dict[str, TaskDefinition] = field(default_factory=dict)
    refused: dict[str, tuple[float, str]] = field(default_factory=dict)
    instances: dict[str, ContainerInstance] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    public: dict[str, str] = field(default_factory=dict)
    zones: dict[str, str] | None = None
    zones_at: float = float("-inf")
    renewed_at: float = float("-inf")
    machines_at: float = float("-inf")


class Lookup:
    """Knows what surrounds the tasks of one cluster."""

    def __init__(self, config: Config, kept: int = KEPT, patience: float | None = None) -> None:
        """Know nothing.

        Args:
            config: of the source.
            kept: how many definitions or hosts are remembered although no task needs them; fewer in tests.
            patience: for how many seconds definitions are asked for at a time; None for an interval or `PATIENCE`.
        """
        self.left = 0
        """How many definitions there was no time for."""
        self._config = config
        self._patience = max(PATIENCE, config.interval) if patience is None else patience
        self._kept = kept
        self._memory = _Memory()

    def surround(self, task: Task) -> Surroundings | str | None:
        """What is known around a task; a reason where its definition cannot be had, None while it is not known."""
        memory = self._memory
        definition = memory.definitions.get(task.task_definition_arn)
        if definition is None:
            refused = memory.refused.get(task.task_definition_arn)
            return refused[1] if refused else None
        if self._config.zone_ids and memory.zones is None:
            return None
        instance = memory.instances.get(task.container_instance_arn)
        return Surroundings(
            definition,
            instance,
            memory.hosts.get(instance.ec2_instance_id) if instance else None,
            memory.public.get(interface_id(task), ""),
            memory.zones,
        )

    async def resolve(
        self, client: Reads, cluster: str, tasks: Sequence[Task], now: float, *, part: bool = False
    ) -> tuple[AwsError, ...]:
        """Ask for what the tasks need and is not known; returns what could not be had.

        Args:
            client: whom to ask.
            cluster: ARN of the cluster.
            tasks: all that are known in it.
            now: monotonic time in seconds.
            part: these are not all; nothing that is known is asked for again, or forgotten.
        """
        errors: list[AwsError] = []
        errors += await self._zones(client, now)
        errors += await self._definitions(client, tasks, now)
        on_hosts = [task for task in tasks if self._reached_by_host(task)]
        due = now - self._memory.renewed_at >= ADDRESSES_FOR
        renew = self._config.address is not AddressType.PRIVATE and due and not part
        errors += await self._instances(client, cluster, on_hosts)
        errors += await self._hosts(client, on_hosts, anew=renew)
        errors += await self._machines(client, on_hosts, now, part=part)
        errors += await self._interfaces(client, tasks, anew=renew)
        if renew and not errors:
            self._memory.renewed_at = now
        if not part:
            self._forget(tasks)
        return tuple(errors)

    def _reached_by_host(self, task: Task) -> bool:
        definition = self._memory.definitions.get(task.task_definition_arn)
        if definition is None:
            return False
        try:
            hosted = mode(definition) in (Mode.MAPPED, Mode.HOST)
        except ValueError:
            return False
        return hosted and names_service(task, definition, self._config.label_prefix)

    async def _zones(self, client: Reads, now: float) -> Iterable[AwsError]:
        if not self._config.zone_ids or now - self._memory.zones_at < ZONES_FOR:
            return ()

        async def ask(_: Sequence[str]) -> None:
            zones = await client.zones()
            self._memory.zones = {zone.zone_name: zone.zone_id for zone in zones}
            self._memory.zones_at = now

        return await each([[""]], ask)

    async def _definitions(self, client: Reads, tasks: Iterable[Task], now: float) -> Iterable[AwsError]:
        memory = self._memory
        wanted = {task.task_definition_arn for task in tasks} - memory.definitions.keys()
        wanted -= {arn for arn, (when, _) in memory.refused.items() if now - when < REFUSED_FOR}

        async def ask(arns: Sequence[str]) -> None:
            (arn,) = arns
            try:
                memory.definitions[arn] = await client.task_definition(arn)
                memory.refused.pop(arn, None)
            except AwsError as error:
                if error.kind is not Kind.REJECTED or error.code not in _NO_DEFINITION:
                    raise
                memory.refused[arn] = (now, str(error))

        errors = await each(_in_time(chunks(wanted, 1), self._patience), ask)
        self.left = 0 if errors else len(wanted - memory.definitions.keys() - memory.refused.keys())
        return errors

    async def _instances(self, client: Reads, cluster: str, tasks: Iterable[Task]) -> Iterable[AwsError]:
        wanted = {task.container_instance_arn for task in tasks} - {""} - self._memory.instances.keys()

        async def ask(arns: Sequence[str]) -> None:
            described = await client.container_instances(cluster, arns)
            self._memory.instances |= {one.container_instance_arn: one for one in described.found}

        return await each(chunks(wanted, CHUNK), ask)

    async def _hosts(self, client: Reads, tasks: Iterable[Task], *, anew: bool) -> Iterable[AwsError]:
        chosen = self._config.address
        ids = {name for name in self._host_ids(tasks) if not name.startswith(EXTERNAL)}

        async def ask(ids: Sequence[str]) -> None:
            for one in await client.instances(ids):
                self._learn(one.instance_id, _host(one), chosen, certain=one.state.name == "running")

        return await each(chunks(ids if anew else ids - self._reachable(chosen), CHUNK), ask)

    async def _machines(self, client: Reads, tasks: Iterable[Task], now: float, *, part: bool) -> Iterable[AwsError]:
        memory = self._memory
        ids = {name for name in self._host_ids(tasks) if name.startswith(EXTERNAL)}
        anew = now - memory.machines_at >= ADDRESSES_FOR and not part

        async def ask(ids: Sequence[str]) -> None:
            for one in await client.machines(ids):
                self._learn(one.instance_id, Host({AddressType.PRIVATE: one.ip_address}), AddressType.PRIVATE)

        wanted = ids if anew else ids - self._reachable(AddressType.PRIVATE)
        errors = await each(chunks(wanted, MACHINES_CHUNK), ask)
        if anew and not errors:
            memory.machines_at = now
        return errors

    def _host_ids(self, tasks: Iterable[Task]) -> frozenset[str]:
        found = (self._memory.instances.get(task.container_instance_arn) for task in tasks)
        return frozenset(one.ec2_instance_id for one in found if one) - {""}

    def _reachable(self, wanted: AddressType) -> frozenset[str]:
        """The hosts that need not be asked for: one without an address may get it any time."""
        return frozenset(name for name, host in self._memory.hosts.items() if host.addresses.get(wanted))

    def _learn(self, name: str, host: Host, wanted: AddressType, *, certain: bool = False) -> None:
        """Remember a host; without its address it takes the place of what is known only if it certainly has none.

        A host that stops loses its public address at once, and its tasks may still finish what they have.
        """
        if certain or host.addresses[wanted] or name not in self._memory.hosts:
            self._memory.hosts[name] = host

    async def _interfaces(self, client: Reads, tasks: Iterable[Task], *, anew: bool) -> Iterable[AwsError]:
        if self._config.address is not AddressType.PUBLIC:
            return ()
        ids = {interface_id(task) for task in tasks} - {""}

        # An interface is detached, and so without an address, while its task stops.
        serving = {interface_id(task) for task in tasks if phase(task) is Phase.SERVING}
        public = self._memory.public

        async def ask(ids: Sequence[str]) -> None:
            for one in await client.interfaces(ids):
                if one.association.public_ip:
                    public[one.network_interface_id] = one.association.public_ip
                elif one.status == _IN_USE and one.network_interface_id in serving:
                    public.pop(one.network_interface_id, None)

        return await each(chunks(ids if anew else ids - self._memory.public.keys(), CHUNK), ask)

    def _forget(self, tasks: Sequence[Task]) -> None:
        memory = self._memory
        remembered = (memory.definitions, memory.refused, memory.instances, memory.hosts, memory.public)
        if all(len(one) <= self._kept for one in remembered):
            return
        definitions = {task.task_definition_arn for task in tasks}
        instances = {task.container_instance_arn for task in tasks}
        interfaces = {interface_id(task) for task in tasks}
        memory.definitions = {arn: one for arn, one in memory.definitions.items() if arn in definitions}
        memory.refused = {arn: one for arn, one in memory.refused.items() if arn in definitions}
        memory.instances = {arn: one for arn, one in memory.instances.items() if arn in instances}
        hosts = {one.ec2_instance_id for one in memory.instances.values()}
        memory.hosts = {name: one for name, one in memory.hosts.items() if name in hosts}
        memory.public = {name: one for name, one in memory.public.items() if name in interfaces}


def _in_time(parts: Iterable[Sequence[str]], seconds: float) -> Iterator[Sequence[str]]:
    """Parts for as long as there is time, and at least one."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    for part in parts:
        yield part
        if loop.time() >= until:
            return


def _host(instance: Instance) -> Host:
    addresses = {
        AddressType.PRIVATE: instance.private_ip_address,
        AddressType.PUBLIC: instance.public_ip_address,
        AddressType.IPV6: instance.ipv6_address,
    }
    return Host(addresses, instance.placement.availability_zone)
