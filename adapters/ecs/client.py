"""The calls that the source makes, each as a function to checked, typed answers.

Each thing in an answer is read by itself: one that cannot be read is named, and costs its neighbours nothing.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from adapters._aws import Api, AwsError, Kind
from adapters._aws.instance import Instance, Zone
from adapters.ecs.payload import (
    CLUSTER,
    CONTAINER_INSTANCE,
    FAILURE,
    INSTANCE,
    INTERFACE,
    MACHINE,
    TASK,
    TASK_DEFINITION,
    ZONE,
    Cluster,
    ContainerInstance,
    Failure,
    Interface,
    Machine,
    Task,
    TaskDefinition,
)

T = TypeVar("T")

CHUNK = 100
"""The most things that ECS lists on a page, or describes with one call."""

MACHINES_CHUNK = 50
"""The most machines on a page of Systems Manager."""

UNREADABLE = "Unreadable"
"""The code of a definition that was answered, and that this version cannot read."""


@dataclass(frozen=True, slots=True)
class Description(Generic[T]):
    """What an answer says of the things that were asked for."""

    found: tuple[T, ...]
    failures: tuple[Failure, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Why something cannot be read, by its name."""

    @property
    def missing(self) -> frozenset[str]:
        """The ARNs, or names, that there is nothing of."""
        return frozenset(failure.arn for failure in self.failures if failure.reason == "MISSING")


class Client:
    """Reads one account and region."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def cluster_arns(self) -> frozenset[str]:
        """Every cluster.

        Raises:
            AwsError: not all can be listed.
        """
        pages = self.api.pages("ecs", "ListClusters", expect=["clusterArns"])
        return frozenset([arn async for page in pages for arn in _texts(page["clusterArns"])])

    async def cluster(self, name: str) -> Description[Cluster]:
        """One cluster, by its name or ARN.

        Raises:
            AwsError: it cannot be described.
        """
        answer = await self.api.call("ecs", "DescribeClusters", {"clusters": [name]}, expect=["clusters", "failures"])
        return _description(answer["clusters"], CLUSTER, "clusterArn", answer["failures"])

    async def task_arns(self, cluster: str, *, stopping: bool = False) -> AsyncIterator[tuple[str, ...]]:
        """The tasks of a cluster that are to run, page by page.

        Args:
            cluster: its ARN.
            stopping: list those that are to stop instead, with those that have stopped within the last hour or so.

        Raises:
            AwsError: a page cannot be had.
        """
        parameters: dict[str, object] = {"cluster": cluster, "maxResults": CHUNK}
        if stopping:
            parameters["desiredStatus"] = "STOPPED"
        async for page in self.api.pages("ecs", "ListTasks", parameters, expect=["taskArns"]):
            yield _texts(page["taskArns"])

    async def tasks(self, cluster: str, arns: Sequence[str]) -> Description[Task]:
        """At most `CHUNK` tasks, with their tags.

        Raises:
            AwsError: they cannot be described.
        """
        parameters = {"cluster": cluster, "tasks": list(arns), "include": ["TAGS"]}
        answer = await self.api.call("ecs", "DescribeTasks", parameters, expect=["tasks", "failures"])
        return _description(answer["tasks"], TASK, "taskArn", answer["failures"])

    async def task_definition(self, arn: str) -> TaskDefinition:
        """One revision of a task definition.

        Raises:
            AwsError: it cannot be described, or not be read.
        """
        parameters = {"taskDefinition": arn}
        answer = await self.api.call("ecs", "DescribeTaskDefinition", parameters, expect=["taskDefinition"])
        described: Description[TaskDefinition] = _description(
            [answer["taskDefinition"]], TASK_DEFINITION, "taskDefinitionArn"
        )
        for reason in described.unreadable.values():
            raise AwsError(f"task definition {arn} cannot be read: {reason}", Kind.REJECTED, UNREADABLE)
        return described.found[0]

    async def container_instances(self, cluster: str, arns: Sequence[str]) -> Description[ContainerInstance]:
        """At most `CHUNK` container instances.

        Raises:
            AwsError: they cannot be described.
        """
        parameters = {"cluster": cluster, "containerInstances": list(arns)}
        expect = ["containerInstances", "failures"]
        answer = await self.api.call("ecs", "DescribeContainerInstances", parameters, expect=expect)
        return _description(
            answer["containerInstances"], CONTAINER_INSTANCE, "containerInstanceArn", answer["failures"]
        )

    async def instances(self, ids: Sequence[str]) -> tuple[Instance, ...]:
        """Those of at most `CHUNK` instances that EC2 knows. By a filter, so that an unknown one fails nobody.

        Raises:
            AwsError: a page cannot be had.
        """
        parameters = _filter("instance-id", ids) | {"IncludeManagedResources": True}
        found: list[object] = []
        async for page in self.api.pages("ec2", "DescribeInstances", parameters, expect=["Reservations"]):
            for reservation in _items(page["Reservations"]):
                found += _items(cast("Mapping[str, object]", reservation).get("Instances"))
        return _description(found, INSTANCE, "InstanceId").found

    async def interfaces(self, ids: Sequence[str]) -> tuple[Interface, ...]:
        """Those of at most `CHUNK` network interfaces that EC2 knows.

        Raises:
            AwsError: a page cannot be had.
        """
        parameters = _filter("network-interface-id", ids)
        pages = self.api.pages("ec2", "DescribeNetworkInterfaces", parameters, expect=["NetworkInterfaces"])
        found = [item async for page in pages for item in _items(page["NetworkInterfaces"])]
        return _description(found, INTERFACE, "NetworkInterfaceId").found

    async def zones(self) -> tuple[Zone, ...]:
        """The availability zones of the region.

        Raises:
            AwsError: they cannot be described.
        """
        answer = await self.api.call("ec2", "DescribeAvailabilityZones", expect=["AvailabilityZones"])
        return _description(answer["AvailabilityZones"], ZONE, "ZoneName").found

    async def machines(self, ids: Sequence[str]) -> tuple[Machine, ...]:
        """Those of at most `MACHINES_CHUNK` machines that Systems Manager knows.

        Raises:
            AwsError: a page cannot be had.
        """
        parameters = {"Filters": [{"Key": "InstanceIds", "Values": list(ids)}], "MaxResults": MACHINES_CHUNK}
        pages = self.api.pages("ssm", "DescribeInstanceInformation", parameters, expect=["InstanceInformationList"])
        found = [item async for page in pages for item in _items(page["InstanceInformationList"])]
        return _description(found, MACHINE, "InstanceId").found


def _filter(name: str, values: Sequence[str]) -> dict[str, object]:
    return {"Filters": [{"Name": name, "Values": list(values)}], "MaxResults": CHUNK}


def _description(items: object, adapter: TypeAdapter[T], name: str, failures: object = ()) -> Description[T]:
    found: list[T] = []
    unreadable: dict[str, str] = {}
    for item in _items(items):
        try:
            found.append(adapter.validate_python(item))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            called = item.get(name) if isinstance(item, Mapping) else None
            unreadable[str(called)] = f"{where}: {first['msg']}"
    return Description(tuple(found), tuple(map(FAILURE.validate_python, _items(failures))), unreadable)


def _items(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in _items(value) if isinstance(item, str))
