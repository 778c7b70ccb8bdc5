"""Which container serves which service, by docker labels and task tags: pure functions.

A container's docker label goes before the task's tag, key by key. A tag names no container, so the port leads to it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from adapters.ecs.address import Mode, choose_port, maps, mode
from adapters.ecs.arn import last_part
from adapters.ecs.payload import ContainerDefinition, Task, TaskDefinition
from bridge.labels import InvalidLabel, Labels, ServiceReference, parse
from bridge.model import ServiceName


@dataclass(frozen=True, slots=True)
class Claim:
    """A container that is said to serve a service on one of its ports."""

    service: ServiceName
    container: ContainerDefinition
    port: int
    labels: Labels


@dataclass(frozen=True, slots=True)
class BadClaim:
    """A service that something is said to serve, in a way that cannot be understood."""

    service: ServiceName
    container: str
    """Empty where a tag is wrong that is for no container in particular."""
    reason: str


def claims(task: Task, definition: TaskDefinition, prefix: str) -> Iterator[Claim | BadClaim]:
    """Everything that a task says it serves, in the order of its containers; nothing where it says nothing."""
    key = f"{prefix}service"
    labelled = [one for one in definition.container_definitions if key in one.docker_labels]
    others = [one for one in definition.container_definitions if key not in one.docker_labels]
    spoken_for: set[ServiceName] = set()
    for container in labelled:
        for claim in _of_container(task, container, prefix):
            spoken_for.add(claim.service)
            yield claim
    if key in task.tags:
        yield from _of_task(task, definition, others, prefix, spoken_for)
    else:
        yield from _misspelt(task, others, prefix, tags=not labelled)


def names_service(task: Task, definition: TaskDefinition, prefix: str) -> bool:
    """Whether a task says of itself, or of a container, that it serves something."""
    key = f"{prefix}service"
    return key in task.tags or any(key in one.docker_labels for one in definition.container_definitions)


def fallback_name(task: Task) -> ServiceName:
    """What a mistake is shown under that names no service: the task's ECS service, else its family."""
    service = service_of(task)
    return ServiceName(service or last_part(task.task_definition_arn).partition(":")[0])


def service_of(task: Task) -> str:
    """The ECS service that a task belongs to; empty for a standalone task."""
    kind, _, name = task.group.partition(":")
    return name if kind == "service" else ""


def _of_container(task: Task, container: ContainerDefinition, prefix: str) -> Iterator[Claim | BadClaim]:
    tags = {**task.tags, **container.docker_labels}
    try:
        labels = parse(tags, prefix)
    except InvalidLabel as error:
        for name in _names(tags[f"{prefix}service"], task):
            yield BadClaim(name, container.name, str(error))
        return
    for reference in labels.services:
        yield _claim(reference, container, labels)


def _claim(reference: ServiceReference, container: ContainerDefinition, labels: Labels) -> Claim | BadClaim:
    try:
        port = reference.port or choose_port(container, reference.name)
    except ValueError as error:
        return BadClaim(reference.name, container.name, str(error))
    return Claim(reference.name, container, port, labels)


def _of_task(
    task: Task,
    definition: TaskDefinition,
    containers: Sequence[ContainerDefinition],
    prefix: str,
    spoken_for: set[ServiceName],
) -> Iterator[Claim | BadClaim]:
    try:
        references = parse(task.tags, prefix).services
    except InvalidLabel as error:
        for name in _names(task.tags[f"{prefix}service"], task):
            if name not in spoken_for:
                yield BadClaim(name, "", str(error))
        return
    for reference in references:
        if reference.name not in spoken_for:
            yield _tagged(task, definition, containers, prefix, reference)


def _tagged(
    task: Task,
    definition: TaskDefinition,
    containers: Sequence[ContainerDefinition],
    prefix: str,
    reference: ServiceReference,
) -> Claim | BadClaim:
    try:
        container = _meant(definition, containers, reference)
    except ValueError as error:
        return BadClaim(reference.name, "", str(error))
    try:
        labels = parse({**task.tags, **container.docker_labels}, prefix)
    except InvalidLabel as error:
        return BadClaim(reference.name, container.name, str(error))
    return _claim(reference, container, labels)


def _meant(
    definition: TaskDefinition, containers: Sequence[ContainerDefinition], reference: ServiceReference
) -> ContainerDefinition:
    """The container that a tag is about.

    Raises:
        ValueError: it could be several, or none.
    """
    if reference.port is None:
        found = [one for one in containers if any(mapping.protocol == "tcp" for mapping in one.port_mappings)]
        named = [one for one in found if any(mapping.name == reference.name for mapping in one.port_mappings)]
        found = named if len(named) == 1 else found
    else:
        found = [one for one in containers if maps(one, reference.port)]
        if not found and len(containers) == 1 and mode(definition) in (Mode.OWN, Mode.HOST):
            found = list(containers)
    if len(found) == 1:
        return found[0]
    port = "a TCP port" if reference.port is None else f"TCP port {reference.port}"
    names = ", ".join(one.name for one in containers) or "none without a label of its own"
    raise ValueError(
        f"the tag does not tell which container is meant: {'several have' if found else 'none has'} {port} among"
        f" {names}; write {reference.name}:PORT, or label the container"
    )


def _misspelt(task: Task, containers: Sequence[ContainerDefinition], prefix: str, *, tags: bool) -> Iterator[BadClaim]:
    """What is said under our prefix, names no service, and is wrong: most likely it was meant to name one."""
    said: list[tuple[str, Mapping[str, str]]] = [(one.name, one.docker_labels) for one in containers]
    if tags:
        said.append(("", task.tags))
    for container, labels in said:
        try:
            parse(labels, prefix)
        except InvalidLabel as error:
            yield BadClaim(fallback_name(task), container, str(error))


def _names(value: str, task: Task) -> Iterator[ServiceName]:
    """The services that labels are about, of which something cannot be understood."""
    names = {item.rpartition(":")[0] if ":" in item else item for item in re.split(r"[\s,]+", value)} - {""}
    yield from map(ServiceName, sorted(names)) if names else [fallback_name(task)]
