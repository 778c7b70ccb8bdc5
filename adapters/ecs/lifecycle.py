"""How far a task is in its life, and how its health is read from its containers: the tables, as pure functions.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
"""

from dataclasses import replace
from enum import Enum

from adapters.ecs.config import StartingHealth, TaskHealth
from adapters.ecs.payload import Container, Task
from bridge.model import Health

# In the order in which a task goes through them; it never goes back.
_LAST = (
    "PROVISIONING",
    "PENDING",
    "ACTIVATING",
    "RUNNING",
    "DEACTIVATING",
    "STOPPING",
    "DEPROVISIONING",
    "STOPPED",
    "DELETED",
)
_DESIRED = ("PENDING", "RUNNING", "STOPPED")
_HEALTH = ("HEALTHY", "UNHEALTHY", "UNKNOWN")
_TOLD = ("HEALTHY", "UNHEALTHY")


class Phase(Enum):
    """What a task means to those who would send it requests."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    """It is to stop, or is stopping, and finishes what it has."""
    ENDED = "ended"
    UNCLEAR = "unclear"
    """It has a state that this version does not know, and was never seen in one that it does."""


def phase(task: Task) -> Phase:
    """How far a task is."""
    if task.last_status not in _LAST or (task.desired_status not in _DESIRED and _at(task) <= _LAST.index("RUNNING")):
        return Phase.UNCLEAR
    if _at(task) >= _LAST.index("DEPROVISIONING"):
        return Phase.ENDED
    if _at(task) > _LAST.index("RUNNING"):
        return Phase.DRAINING
    if _at(task) < _LAST.index("RUNNING"):
        return Phase.STARTING
    return Phase.DRAINING if task.desired_status == "STOPPED" else Phase.SERVING


def unknown_values(task: Task) -> tuple[tuple[str, str], ...]:
    """The states of a task that this version does not know, each with the field that has it."""
    healths = [task.health_status, *(container.health_status for container in task.containers)]
    fields = [("lastStatus", task.last_status, _LAST), ("desiredStatus", task.desired_status, _DESIRED)]
    fields += [("healthStatus", health, ("", *_HEALTH)) for health in healths]
    return tuple((name, value) for name, value, known in fields if value not in known)


def health(
    task: Task, container: Container, *, checked: bool, task_health: TaskHealth, starting: StartingHealth
) -> Health:
    """The health of a container that takes requests.

    Args:
        task: in any phase in which it is served.
        container: the one that owns the port.
        checked: whether its definition has a health check.
        task_health: whose health counts.
        starting: what one is whose check has not had an outcome yet.
    """
    if phase(task) is Phase.DRAINING:
        return Health.DRAINING
    states = {container.health_status, task.health_status if task_health is TaskHealth.ANY else ""}
    if container.last_status != "RUNNING" or "UNHEALTHY" in states:
        return Health.UNHEALTHY
    if container.health_status == "HEALTHY" or not checked:
        return Health.HEALTHY
    if task.connectivity == "DISCONNECTED":
        return Health.UNKNOWN  # ECS cannot tell; the containers go on running without its agent
    return Health(starting.value)


def merged(known: Task, read: Task) -> Task:
    """What is known of a task after one more read of it.

    Reads of ECS may be older than what is known, say nothing where they said something before, or use words that this
    version does not know. None of that takes anything away: a task never goes back, and keeps its addresses to its end.
    """
    if known.version and read.version and read.version < known.version:
        return known
    before = {container.name: container for container in known.containers}
    containers = {container.name: _merged(before.get(container.name), container) for container in read.containers}
    desired = read.desired_status if read.desired_status in _DESIRED else known.desired_status
    return replace(
        read,
        last_status=read.last_status if _at(read) >= _at(known) else known.last_status,
        desired_status="STOPPED" if known.desired_status == "STOPPED" else desired,
        health_status=read.health_status if read.health_status in _HEALTH else known.health_status,
        containers=tuple({**before, **containers}.values()),
        attachments=read.attachments or known.attachments,
        availability_zone=read.availability_zone or known.availability_zone,
        container_instance_arn=read.container_instance_arn or known.container_instance_arn,
    )


def _merged(known: Container | None, read: Container) -> Container:
    if known is None:
        return read
    same = not read.runtime_id or read.runtime_id == known.runtime_id
    told = read.health_status in _TOLD or (
        read.health_status in _HEALTH and not (same and known.health_status in _TOLD)
    )
    return replace(
        read,
        last_status=read.last_status or known.last_status,
        health_status=read.health_status if told else known.health_status,
        runtime_id=read.runtime_id or known.runtime_id,
        network_bindings=read.network_bindings or known.network_bindings,
        network_interfaces=read.network_interfaces or known.network_interfaces,
    )


def _at(task: Task) -> int:
    """How far a task is, as a number; -1 where it is not known."""
    return _LAST.index(task.last_status) if task.last_status in _LAST else -1
