"""What EC2 and Auto Scaling answer, as far as the bridge reads it; parsed and checked in one step."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from adapters._aws import AwsError, Kind
from adapters._aws.instance import EC2, Instance, Zone

T = TypeVar("T")


@dataclass(frozen=True, slots=True, config=EC2)
class Unreadable:
    """An instance of which no more than the id can be made out."""

    instance_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True, config=EC2)
class Reservation:
    """Instances that were started together, each still as the SDK parsed it."""

    instances: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True, config=EC2)
class Check:
    """The outcome of a status check."""

    status: str = ""


@dataclass(frozen=True, slots=True, config=EC2)
class InstanceStatus:
    """The status checks of an instance."""

    instance_id: str
    instance_status: Check = Check()
    system_status: Check = Check()


@dataclass(frozen=True, slots=True, config=EC2)
class ScaledInstance:
    """What Auto Scaling does with an instance."""

    instance_id: str
    lifecycle_state: str = ""


_INSTANCE = TypeAdapter(Instance)
_UNREADABLE = TypeAdapter(Unreadable)
_RESERVATIONS = TypeAdapter(tuple[Reservation, ...])
_STATUSES = TypeAdapter(tuple[InstanceStatus, ...])
_SCALED = TypeAdapter(tuple[ScaledInstance, ...])
_ZONES = TypeAdapter(tuple[Zone, ...])


def instances(answer: Mapping[str, object]) -> Iterator[Instance | Unreadable]:
    """The instances in an answer to `DescribeInstances`.

    Raises:
        AwsError: it is none, or one of them has no id; as also the functions below.
    """
    for found in _read(_RESERVATIONS, answer, "Reservations"):
        for each in found.instances:
            try:
                yield _INSTANCE.validate_python(each)
            except ValidationError as error:
                identity = _checked(_UNREADABLE, {"InstanceId": each.get("InstanceId")}, "Instance").instance_id
                yield Unreadable(identity, _reason(error, "Instance"))


def impaired(answer: Mapping[str, object]) -> frozenset[str]:
    """The instances that an answer to `DescribeInstanceStatus` calls impaired."""
    return frozenset(
        each.instance_id
        for each in _read(_STATUSES, answer, "InstanceStatuses")
        if "impaired" in (each.instance_status.status, each.system_status.status)
    )


def lifecycles(answer: Mapping[str, object]) -> dict[str, str]:
    """The lifecycle states in an answer to `DescribeAutoScalingInstances`, by instance."""
    return {each.instance_id: each.lifecycle_state for each in _read(_SCALED, answer, "AutoScalingInstances")}


def zones(answer: Mapping[str, object]) -> dict[str, str]:
    """The ids of zones in an answer to `DescribeAvailabilityZones`, by name."""
    return {zone.zone_name: zone.zone_id for zone in _read(_ZONES, answer, "AvailabilityZones")}


def _read(adapter: TypeAdapter[T], answer: Mapping[str, object], key: str) -> T:
    return _checked(adapter, answer[key], key)


def _checked(adapter: TypeAdapter[T], value: object, name: str) -> T:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        reason = _reason(error, name)
        raise AwsError(f"an answer of EC2 is not what it should be: {reason}", Kind.PARTIAL) from error


def _reason(error: ValidationError, name: str) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in (name, *first['loc']))}: {first['msg']}"
