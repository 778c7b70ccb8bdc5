"""Where a container is reached: its address and port in each network mode, as pure functions.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-networking.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from adapters.ecs.config import AddressType
from adapters.ecs.payload import Container, ContainerDefinition, ContainerInstance, NetworkBinding, Task, TaskDefinition

EXTERNAL = "mi-"
"""How the id of a machine begins that is no instance of EC2."""

_CHOICES = 3
"""Of the ports that may be meant, the most that are spelled out."""


class Mode(Enum):
    """Whose address a container has."""

    OWN = "awsvpc"
    """Its task's, which has a network interface."""
    MAPPED = "bridge"
    """Its host's, under another port."""
    HOST = "host"
    """Its host's, under the same port."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Host:
    """A machine that tasks run on."""

    addresses: Mapping[AddressType, str] = field(default_factory=dict)
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What there is to know of the place of a task beside the task itself; None where it is not known yet."""

    definition: TaskDefinition
    instance: ContainerInstance | None = None
    host: Host | None = None
    public_address: str = ""
    """That of the task's own network interface, where it is asked for."""
    zones: Mapping[str, str] | None = None
    """Zone ids by zone name, where ids are asked for."""


# An older definition says nothing and means the default of its platform: bridge on Linux, `default` (NAT) on Windows.
_MODES = {
    "awsvpc": Mode.OWN, "bridge": Mode.MAPPED, "": Mode.MAPPED, "default": Mode.MAPPED, "nat": Mode.MAPPED,
    "host": Mode.HOST, "none": Mode.NONE,
}  # fmt: skip


def mode(definition: TaskDefinition) -> Mode:
    """The network mode of a task definition.

    Raises:
        ValueError: it is one that this version does not know.
    """
    if definition.network_mode not in _MODES:
        raise ValueError(f"its network mode {definition.network_mode[:60]!r} is not known to this version")
    return _MODES[definition.network_mode]


def interface_id(task: Task) -> str:
    """The id of the task's network interface; empty where it has none."""
    return next((found for one in task.attachments if (found := one.details.get("networkInterfaceId", ""))), "")


def address(task: Task, container: Container, surroundings: Surroundings, chosen: AddressType) -> str:
    """The address of a container as it is told.

    Raises:
        ValueError: there is none; the message says why, and what to do where something can be done.
    """
    where = mode(surroundings.definition)
    if where is Mode.NONE:
        raise ValueError("its network mode is none, so it cannot be reached")
    if where is Mode.OWN:
        return _own_address(task, container, surroundings, chosen)
    return _host_address(task, surroundings, chosen)


def port(container: Container, definition: TaskDefinition, wanted: int, chosen: AddressType) -> int:
    """The port under which a container's port is reached at an address of the chosen kind.

    A host may bind IPv4 and IPv6 to different ports; where it binds only one of them, that is taken.

    Raises:
        ValueError: the port of a container in bridge mode is bound to none of its host's.
    """
    where = mode(definition)
    if where is Mode.OWN:
        return wanted
    bound = [(one.bind_ip, found) for one in container.network_bindings if (found := _bound(one, wanted)) is not None]
    if bound:
        fitting = [found for ip, found in bound if (":" in ip) == (chosen is AddressType.IPV6)]
        return min(fitting or [found for _, found in bound])
    if where is Mode.HOST:
        return wanted
    raise ValueError(f"its port {wanted} is bound to no port of its host; give it a port mapping")


def choose_port(definition: ContainerDefinition, service: str) -> int:
    """The port that is meant where none is named.

    Raises:
        ValueError: there is none, or more than one and none of them is called like the service.
    """
    mappings = [one for one in definition.port_mappings if one.protocol == "tcp"]
    ports = sorted({one.container_port for one in mappings if one.container_port is not None})
    if len(ports) == 1 and not any(one.container_port_range for one in mappings):
        return ports[0]
    named = {one.container_port for one in mappings if one.name == service and one.container_port is not None}
    if len(named) == 1:
        return named.pop()
    if not mappings:
        raise ValueError(f"the port is not named and the container has no TCP port mapping; write {service}:PORT")
    found = ", ".join([*map(str, ports), *(one.container_port_range for one in mappings if one.container_port_range)])
    choices = " or ".join(f"{service}:{each}" for each in ports[:_CHOICES]) or f"{service}:PORT"
    raise ValueError(
        f"the port is ambiguous, the container has the TCP ports {found}; write {choices} where it says {service}"
    )


def maps(definition: ContainerDefinition, wanted: int) -> bool:
    """Whether a container is declared to listen on a port."""
    return any(one.protocol == "tcp" and _declares(one.container_port, one.container_port_range, wanted)
               for one in definition.port_mappings)  # fmt: skip


def _own_address(task: Task, container: Container, surroundings: Surroundings, chosen: AddressType) -> str:
    if chosen is AddressType.PUBLIC:
        found = surroundings.public_address
    elif chosen is AddressType.IPV6:
        found = next((one.ipv6_address for one in container.network_interfaces if one.ipv6_address), "")
    else:
        attached = (one.details.get("privateIPv4Address", "") for one in task.attachments)
        told = (one.private_ipv4_address for one in container.network_interfaces)
        found = next(filter(None, [*told, *attached]), "")
    if not found:
        raise ValueError(f"its network interface has no {chosen.value} address")
    return found


def _host_address(task: Task, surroundings: Surroundings, chosen: AddressType) -> str:
    instance, host = surroundings.instance, surroundings.host
    if not task.container_instance_arn:
        raise ValueError("it does not say yet which container instance it runs on")
    if instance is None or not instance.ec2_instance_id:
        raise ValueError("its container instance cannot be looked up")
    name = instance.ec2_instance_id
    if host is None:
        owner = "Systems Manager" if name.startswith(EXTERNAL) else "EC2"
        raise ValueError(f"its host {name} is not known to {owner}")
    if not host.addresses.get(chosen):
        raise ValueError(f"its host {name} has no {chosen.value} address")
    return host.addresses[chosen]


def _bound(binding: NetworkBinding, wanted: int) -> int | None:
    if binding.protocol != "tcp":
        return None
    if binding.container_port == wanted and binding.host_port:
        return binding.host_port
    containers, hosts = _range(binding.container_port_range), _range(binding.host_port_range)
    if wanted in containers and len(containers) == len(hosts):
        return hosts[wanted - containers.start]
    return None


def _declares(single: int | None, span: str, wanted: int) -> bool:
    return single == wanted or wanted in _range(span)


def _range(text: str) -> range:
    found = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", text)
    return range(int(found[1]), int(found[2]) + 1) if found else range(0)
