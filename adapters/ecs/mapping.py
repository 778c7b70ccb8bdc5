"""From what ECS says of a task to what the bridge says of its endpoints: pure functions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from adapters._address import one_per_address
from adapters.ecs.address import Surroundings, address, port
from adapters.ecs.arn import last_part, region
from adapters.ecs.config import Config, Fact
from adapters.ecs.labels import BadClaim, Claim, claims, fallback_name, service_of
from adapters.ecs.lifecycle import Phase, health, phase
from adapters.ecs.payload import Container, Task
from bridge.labels import Labels
from bridge.model import Endpoint, Entry, InstanceId, Locality, ServiceName, SetAside, canonical_address

Targets = Mapping[ServiceName, frozenset[Entry]]
"""Services with their entries."""


@dataclass(frozen=True, slots=True)
class Mapper:
    """Translates tasks of one place."""

    config: Config

    def task(self, task: Task, surroundings: Surroundings) -> Targets:
        """The services that a task names, with its entries in each: none while it is starting."""
        found: dict[ServiceName, set[Entry]] = {}
        for claim in claims(task, surroundings.definition, self.config.label_prefix):
            entries = found.setdefault(claim.service, set())
            if phase(task) is not Phase.STARTING:
                entries.add(self._entry(task, surroundings, claim))
        return {service: one_per_address(entries) for service, entries in found.items()}

    def _entry(self, task: Task, surroundings: Surroundings, claim: Claim | BadClaim) -> Entry:
        if isinstance(claim, BadClaim):
            return set_aside(task, claim.container, claim.container or "task", claim.reason)
        name, reported = claim.container.name, f"{claim.container.name}:{claim.port}"
        if not claim.labels.enabled:
            return set_aside(task, name, reported, f"its {self.config.label_prefix}enable is false")
        try:
            return self._endpoint(task, surroundings, claim)
        except ValueError as error:
            return set_aside(task, name, reported, str(error))

    def _endpoint(self, task: Task, surroundings: Surroundings, claim: Claim) -> Endpoint:
        if phase(task) is Phase.UNCLEAR:
            states = f"{task.last_status[:60]!r}, to be {task.desired_status[:60]!r}"
            raise ValueError(f"its state is {states}, which is not known to this version")
        container = _running(task, claim.container.name)
        labels = claim.labels
        return Endpoint(
            address=canonical_address(address(task, container, surroundings, self.config.address)),
            port=port(container, surroundings.definition, claim.port, self.config.address),
            health=health(
                task,
                container,
                checked=claim.container.health_check,
                task_health=self.config.task_health,
                starting=self.config.starting,
            ),
            weight=labels.weight or 1,
            locality=self._locality(task, surroundings, labels),
            metadata=self._metadata(task, surroundings, claim),
            instance=instance_id(task.task_arn, container.name),
            protocol=labels.protocol,
        )

    def _locality(self, task: Task, surroundings: Surroundings, labels: Labels) -> Locality:
        instance, host = surroundings.instance, surroundings.host
        zone = (
            task.availability_zone
            or (instance.attributes.get("ecs.availability-zone", "") if instance else "")
            or (host.zone if host else "")
        )
        if surroundings.zones is not None:
            zone = surroundings.zones.get(zone, "")
        return Locality(region=labels.region or region(task.task_arn), zone=labels.zone or zone)

    def _metadata(self, task: Task, surroundings: Surroundings, claim: Claim) -> tuple[tuple[str, str], ...]:
        if not self.config.metadata:
            return claim.labels.metadata
        facts = dict(_facts(task, surroundings, claim))
        chosen = {fact.value: facts[fact] for fact in self.config.metadata if facts[fact]}
        return tuple(sorted({**chosen, **dict(claim.labels.metadata)}.items()))


def unreadable(task: Task, reason: str) -> Targets:
    """A task of which nobody can tell what it serves: shown under the name that is most likely looked for."""
    if phase(task) is Phase.STARTING:
        return {}
    return {fallback_name(task): frozenset([set_aside(task, "", "task", reason)])}


def instance_id(task_arn: str, container: str) -> InstanceId:
    """The name of a container of a task; of what is said of the task as a whole where there is no container."""
    return InstanceId(f"{last_part(task_arn)}/{container}")


def set_aside(task: Task, container: str, reported: str, reason: str) -> SetAside:
    """What cannot be an endpoint, with the reason."""
    of = f" container {container[:100]!r}" if container else ""
    where = f"task {last_part(task.task_arn)[:100]} ({last_part(task.task_definition_arn)[:100]}){of}"
    return SetAside(instance_id(task.task_arn, container), reported, f"{where}: {reason}")


def _running(task: Task, name: str) -> Container:
    for container in task.containers:
        if container.name == name:
            return container
    raise ValueError("the task does not tell of this container yet")


def _facts(task: Task, surroundings: Surroundings, claim: Claim) -> Iterator[tuple[Fact, str]]:
    definition = surroundings.definition
    yield Fact.CLUSTER, task.task_arn.split("/")[1] if task.task_arn.count("/") == 2 else ""
    yield Fact.SERVICE, service_of(task)
    yield Fact.FAMILY, definition.family
    yield Fact.REVISION, str(definition.revision or "")
    yield Fact.CONTAINER, claim.container.name
    yield Fact.TASK, last_part(task.task_arn)
    yield Fact.DEPLOYMENT, task.started_by
    yield Fact.LAUNCH_TYPE, task.launch_type
    yield Fact.CAPACITY_PROVIDER, task.capacity_provider_name
