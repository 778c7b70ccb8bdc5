"""What a message of the queue says, as far as it is needed: which task or instance to read again, or that all is well.

Events come at least once and in any order, without tags, and spell things in other ways than the calls do (`eni` for an
attachment, times as text). So nothing in them becomes data of an endpoint: they name what is to be described.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
https://docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field, ValidationError

SPOT_NOTICE = 180.0
"""Seconds after which an instance that EC2 was to take back two minutes later is believed to stay."""

LIFECYCLE_NOTICE = 3600.0
"""Seconds for which an instance is believed to end that Auto Scaling has begun to end; hooks wait for an hour."""


@dataclass(frozen=True, slots=True)
class TaskChanged:
    """Something happened to a task of ECS."""

    arn: str
    cluster: str
    """Its ARN."""
    version: int
    """Counts what happened to the task; 0 where it is not told."""


@dataclass(frozen=True, slots=True)
class InstanceChanged:
    """Something happened to an instance of EC2, or is about to."""

    identity: str
    state: str = ""
    """What EC2 says that it is doing now; empty where the event does not say."""
    notice: float = 0.0
    """Seconds for which it is believed to be about to end; 0 where nobody says so."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The schedule's: events find their way into the queue."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not an event that anything is made of."""

    reason: str


Event = TaskChanged | InstanceChanged | Heartbeat | Unknown


class _Envelope(BaseModel):
    model_config = ConfigDict(frozen=True)

    kind: str = Field(alias="detail-type")
    detail: Mapping[str, object]


class _Task(BaseModel):
    arn: str = Field(alias="taskArn", pattern="^arn:")
    cluster: str = Field(alias="clusterArn", pattern="^arn:")
    version: int = 0


class _Instance(BaseModel):
    identity: str = Field(alias="instance-id", pattern="^i-")
    state: str = ""


class _Scaled(BaseModel):
    identity: str = Field(alias="EC2InstanceId", pattern="^i-")


def _task(detail: Mapping[str, object]) -> Event:
    task = _Task.model_validate(detail)
    return TaskChanged(task.arn, task.cluster, task.version)


def _instance(detail: Mapping[str, object]) -> Event:
    instance = _Instance.model_validate(detail)
    return InstanceChanged(instance.identity, instance.state)


def _warned(detail: Mapping[str, object]) -> Event:
    return InstanceChanged(_Instance.model_validate(detail).identity, notice=SPOT_NOTICE)


def _terminating(detail: Mapping[str, object]) -> Event:
    return InstanceChanged(_Scaled.model_validate(detail).identity, notice=LIFECYCLE_NOTICE)


def _scaled(detail: Mapping[str, object]) -> Event:
    return InstanceChanged(_Scaled.model_validate(detail).identity)


_KINDS: Mapping[str, Callable[[Mapping[str, object]], Event]] = MappingProxyType(
    {
        "ECS Task State Change": _task,
        "EC2 Instance State-change Notification": _instance,
        "EC2 Spot Instance Interruption Warning": _warned,
        "EC2 Instance-terminate Lifecycle Action": _terminating,
        "EC2 Instance Launch Successful": _scaled,
        "Scheduled Event": lambda _: Heartbeat(),
    }
)


def parse(body: str) -> Event:
    """The event that is the body of a message."""
    kind = ""
    try:
        envelope = _Envelope.model_validate_json(body)
        kind = envelope.kind[:60]
        read = _KINDS.get(envelope.kind)
        return read(envelope.detail) if read else Unknown(f"{kind!r} is none of the events that are read")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return Unknown(f"{repr(kind) if kind else 'a message'} cannot be read as an event: {where}: {first['msg']}")
