"""What ECS, EC2 and Systems Manager answer, as far as the bridge reads it; parsed and checked in one step.

Each task, definition and host is parsed by itself, so that one that cannot be read is left out alone.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

from adapters._aws.instance import EC2, Association, Instance, Zone

_ECS = ConfigDict(alias_generator=to_camel, validate_by_name=True)


def _pairs(key: str) -> BeforeValidator:
    """A list of `{key: …, value: …}` as a mapping; the value may be left out."""

    def read(value: object) -> object:
        if not isinstance(value, list):
            return value
        return {item[key]: item.get("value", "") for item in value if isinstance(item, Mapping) and key in item}

    return BeforeValidator(read)


_Tags = Annotated[dict[str, str], _pairs("key")]
_Details = Annotated[dict[str, str], _pairs("name")]
_Present = Annotated[bool, BeforeValidator(lambda value: value is not None and value is not False)]


@dataclass(frozen=True, slots=True, config=_ECS)
class NetworkBinding:
    """A port of a container as it is reached on its host: one port, or a range of them."""

    bind_ip: Annotated[str, Field(alias="bindIP")] = ""
    """`0.0.0.0` or `::`: the two may be bound to different ports."""
    container_port: int | None = None
    host_port: int | None = None
    container_port_range: str = ""
    host_port_range: str = ""
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True, config=_ECS)
class NetworkInterface:
    """The addresses of a container that has a network interface, which it shares with the others of its task."""

    private_ipv4_address: str = ""
    ipv6_address: str = ""


@dataclass(frozen=True, slots=True, config=_ECS)
class Container:
    """A container of a task as it runs."""

    name: str
    last_status: str = ""
    health_status: str = ""
    runtime_id: str = ""
    """Another one after a restart in place."""
    network_bindings: tuple[NetworkBinding, ...] = ()
    network_interfaces: tuple[NetworkInterface, ...] = ()


@dataclass(frozen=True, slots=True, config=_ECS)
class Attachment:
    """What is attached to a task; a network interface among others."""

    type: str = ""
    status: str = ""
    details: _Details = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, config=_ECS)
class Task:
    """A task as `DescribeTasks` tells of it."""

    task_arn: str
    task_definition_arn: str
    last_status: str = ""
    desired_status: str = ""
    health_status: str = ""
    containers: tuple[Container, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    tags: _Tags = Field(default_factory=dict)
    group: str = ""
    started_by: str = ""
    launch_type: str = ""
    capacity_provider_name: str = ""
    availability_zone: str = ""
    container_instance_arn: str = ""
    connectivity: str = ""
    version: int = 0
    """Counts what happened to the task; 0 where it is not told."""


@dataclass(frozen=True, slots=True, config=_ECS)
class PortMapping:
    """A port that a container is declared to listen on."""

    container_port: int | None = None
    container_port_range: str = ""
    protocol: str = "tcp"
    name: str = ""


@dataclass(frozen=True, slots=True, config=_ECS)
class ContainerDefinition:
    """A container as it is declared."""

    name: str
    port_mappings: tuple[PortMapping, ...] = ()
    docker_labels: dict[str, str] = Field(default_factory=dict)
    health_check: _Present = False
    """Whether ECS checks it; a check in its image counts for nothing."""


@dataclass(frozen=True, slots=True, config=_ECS)
class TaskDefinition:
    """One revision of a task definition, which never changes."""

    task_definition_arn: str
    family: str = ""
    revision: int = 0
    network_mode: str = ""
    container_definitions: tuple[ContainerDefinition, ...] = ()


@dataclass(frozen=True, slots=True, config=_ECS)
class ContainerInstance:
    """A host of a cluster as ECS knows it."""

    container_instance_arn: str
    ec2_instance_id: str = ""
    """`mi-…` is a machine that is none of EC2's."""
    attributes: _Details = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, config=_ECS)
class Cluster:
    """A cluster."""

    cluster_arn: str
    status: str = ""


@dataclass(frozen=True, slots=True, config=_ECS)
class Failure:
    """Why one of the things asked for was not described."""

    arn: str = ""
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, config=EC2)
class Interface:
    """A network interface of EC2."""

    network_interface_id: str
    status: str = ""
    association: Association = Association()


@dataclass(frozen=True, slots=True, config=EC2)
class Machine:
    """A machine that Systems Manager looks after."""

    instance_id: str
    ip_address: Annotated[str, Field(alias="IPAddress")] = ""


TASK: TypeAdapter[Task] = TypeAdapter(Task)
TASK_DEFINITION: TypeAdapter[TaskDefinition] = TypeAdapter(TaskDefinition)
CONTAINER_INSTANCE: TypeAdapter[ContainerInstance] = TypeAdapter(ContainerInstance)
CLUSTER: TypeAdapter[Cluster] = TypeAdapter(Cluster)
FAILURE: TypeAdapter[Failure] = TypeAdapter(Failure)
INSTANCE: TypeAdapter[Instance] = TypeAdapter(Instance)
INTERFACE: TypeAdapter[Interface] = TypeAdapter(Interface)
ZONE: TypeAdapter[Zone] = TypeAdapter(Zone)
MACHINE: TypeAdapter[Machine] = TypeAdapter(Machine)
