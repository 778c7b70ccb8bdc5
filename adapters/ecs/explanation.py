"""What a cluster of ECS has of a service or an address, and which label or state made what of it: pure functions."""

from collections.abc import Iterator

from adapters.ecs.address import Surroundings
from adapters.ecs.arn import last_part
from adapters.ecs.book import Book, Surround
from adapters.ecs.labels import names_service, service_of
from adapters.ecs.lifecycle import Phase, phase
from adapters.ecs.mapping import Targets, instance_id
from adapters.ecs.payload import Task
from bridge.model import Endpoint, Scope
from bridge.provenance import Search, Sighting, Verdict, bounded, seen


def tell(search: Search, scope: Scope, book: Book, surround: Surround, prefix: str) -> int:
    """Tell what there is among the tasks of a cluster; returns how many were looked through."""
    known = tuple(book.known)
    for task, targets, over in known:
        around = surround(task)
        names, addresses = (*map(str, targets), *_called(task)), _addresses(task, targets, around)
        for sighting in _sightings(scope, task, targets, around, prefix):
            shown = _too_long(sighting) if over else sighting
            port = shown.reported.rpartition(":")[2] if shown.verdict is Verdict.REPORTED else ""
            if search.wants(names, addresses, int(port) if port.isdecimal() else None):
                search.add(shown)
    return len(known)


def _sightings(
    scope: Scope, task: Task, targets: Targets, around: Surroundings | str | None, prefix: str
) -> Iterator[Sighting]:
    raw = _raw(task, around)
    for service, entries in targets.items():
        for entry in sorted(entries, key=lambda entry: entry.instance):
            yield seen(entry, scope, service, raw)
    if not any(targets.values()):
        reason = _reason(task, around, prefix)
        identity = instance_id(task.task_arn, "")
        yield Sighting(scope, identity, tuple(targets), _own(task), Verdict.LEFT_OUT, reason, raw)


def _reason(task: Task, around: Surroundings | str | None, prefix: str) -> str:
    if phase(task) is Phase.STARTING:
        return f"the task is starting: its last status is {task.last_status!r}"
    if not isinstance(around, Surroundings):
        return around or "its task definition was not read yet"
    if not names_service(task, around.definition, prefix):
        return f"neither a container has the docker label `{prefix}service` nor the task a tag of that name"
    return "it was not looked at yet"


def _too_long(sighting: Sighting) -> Sighting:
    reason = "the task drains for longer than `drain_max` of the source"
    return Sighting(
        sighting.scope, sighting.instance, sighting.services, sighting.reported, Verdict.LEFT_OUT, reason, sighting.raw
    )


def _called(task: Task) -> tuple[str, ...]:
    """What people call it by: its ECS service and its family."""
    family = last_part(task.task_definition_arn).partition(":")[0]
    return tuple(filter(None, (service_of(task), family)))


def _addresses(task: Task, targets: Targets, around: Surroundings | str | None) -> tuple[str, ...]:
    found = [entry.address for entries in targets.values() for entry in entries if isinstance(entry, Endpoint)]
    for container in task.containers:
        for interface in container.network_interfaces:
            found += [interface.private_ipv4_address, interface.ipv6_address]
    if isinstance(around, Surroundings):
        found += [around.public_address, *(around.host.addresses.values() if around.host else ())]
    return tuple(dict.fromkeys(filter(None, found)))


def _own(task: Task) -> str:
    return next(iter(_addresses(task, {}, None)), "")


def _raw(task: Task, around: Surroundings | str | None) -> tuple[tuple[str, str], ...]:
    """Docker labels by container, task tags, and what the task is a part of."""
    definition = around.definition if isinstance(around, Surroundings) else None
    labels = [
        (f"{container.name}: {key}", value)
        for container in (definition.container_definitions if definition else ())
        for key, value in container.docker_labels.items()
    ]
    said = {
        "(definition)": last_part(task.task_definition_arn),
        "(group)": task.group,
        "(status)": task.last_status,
        "(to be)": task.desired_status,
    }
    tags = [(f"tag {key}", value) for key, value in task.tags.items()]
    return bounded([*labels, *tags, *((key, value) for key, value in said.items() if value)])
