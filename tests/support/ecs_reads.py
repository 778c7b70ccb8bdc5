"""The calls of the ECS source answered from memory, for tests of what is asked when."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from adapters._aws import AwsError
from adapters._aws.instance import Instance, Zone
from adapters.ecs.client import Description
from adapters.ecs.payload import (
    Cluster,
    ContainerInstance,
    Failure,
    Interface,
    Machine,
    Task,
    TaskDefinition,
)


@dataclass
class MemoryReads:
    """Answers with what the test put here; an operation in `errors` fails."""

    clusters: dict[str, Cluster] = field(default_factory=dict)
    running: dict[str, Task] = field(default_factory=dict)
    definitions: dict[str, TaskDefinition] = field(default_factory=dict)
    instances_by_arn: dict[str, ContainerInstance] = field(default_factory=dict)
    hosts: dict[str, Instance] = field(default_factory=dict)
    addresses: dict[str, Interface] = field(default_factory=dict)
    managed: dict[str, Machine] = field(default_factory=dict)
    zone_list: tuple[Zone, ...] = ()
    errors: dict[str, AwsError] = field(default_factory=dict)
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """Every operation with what it was asked for, oldest first."""

    def _ask(self, operation: str, *names: str) -> None:
        self.asked.append((operation, names))
        if operation in self.errors:
            raise self.errors[operation]

    def operations(self) -> list[str]:
        """What was asked since the last time."""
        asked, self.asked = self.asked, []
        return [operation for operation, _ in asked]

    async def cluster(self, name: str) -> Description[Cluster]:
        self._ask("cluster", name)
        found = self.clusters.get(name)
        return Description((found,) if found else (), () if found else (Failure(name, "MISSING"),))

    async def task_arns(self, cluster: str, *, stopping: bool = False) -> AsyncIterator[tuple[str, ...]]:
        self._ask("stopping_arns" if stopping else "task_arns", cluster)
        yield tuple(arn for arn, one in self.running.items() if (one.desired_status == "STOPPED") == stopping)

    async def tasks(self, cluster: str, arns: Sequence[str]) -> Description[Task]:
        self._ask("tasks", *arns)
        missing = tuple(Failure(arn, "MISSING") for arn in arns if arn not in self.running)
        return Description(tuple(self.running[arn] for arn in arns if arn in self.running), missing)

    async def task_definition(self, arn: str) -> TaskDefinition:
        self._ask("task_definition", arn)
        return self.definitions[arn]

    async def container_instances(self, cluster: str, arns: Sequence[str]) -> Description[ContainerInstance]:
        self._ask("container_instances", *arns)
        return Description(tuple(self.instances_by_arn[arn] for arn in arns if arn in self.instances_by_arn))

    async def instances(self, ids: Sequence[str]) -> tuple[Instance, ...]:
        self._ask("instances", *ids)
        return tuple(self.hosts[one] for one in ids if one in self.hosts)

    async def interfaces(self, ids: Sequence[str]) -> tuple[Interface, ...]:
        self._ask("interfaces", *ids)
        return tuple(self.addresses[one] for one in ids if one in self.addresses)

    async def machines(self, ids: Sequence[str]) -> tuple[Machine, ...]:
        self._ask("machines", *ids)
        return tuple(self.managed[one] for one in ids if one in self.managed)

    async def zones(self) -> tuple[Zone, ...]:
        self._ask("zones")
        return self.zone_list
