"""ECS as AWS runs it, behind the canned server: pages, limits, `MISSING`, and whatever fault a test wants."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from support.aws import JSON, CannedAws, Request, document, json_error
from support.ecs import CLUSTER, Json, arn, definition_json, task_json
from support.fault_proxy import Response

PAGE = 100

Fault = Callable[[Request], Response | None]
"""What is answered in place of the real answer; None leaves that."""


@dataclass
class EcsServer:
    """Everything there is in one account and region, as dictionaries that a test may change at any time."""

    aws: CannedAws
    tasks: dict[str, dict[str, object]] = field(default_factory=dict)
    definitions: dict[str, Json] = field(default_factory=dict)
    instances: dict[str, Json] = field(default_factory=dict)
    hosts: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """The elements of each instance of EC2."""
    machines: dict[str, str] = field(default_factory=dict)
    """The address of each machine of Systems Manager."""
    interfaces: dict[str, str] = field(default_factory=dict)
    """The public address of each network interface."""
    clusters: dict[str, str] = field(default_factory=lambda: {CLUSTER: "ACTIVE"})
    """The status of each cluster."""
    unlisted: set[str] = field(default_factory=set)
    """Tasks that lists leave out, as an eventually consistent list may."""
    faults: dict[str, Fault] = field(default_factory=dict)

    def __post_init__(self) -> None:
        answers: dict[str, Callable[[Request], Response]] = {
            "ListClusters": self._list_clusters,
            "DescribeClusters": self._describe_clusters,
            "ListTasks": self._list_tasks,
            "DescribeTasks": self._describe_tasks,
            "DescribeTaskDefinition": self._describe_task_definition,
            "DescribeContainerInstances": self._describe_container_instances,
            "DescribeInstances": self._describe_instances,
            "DescribeNetworkInterfaces": self._describe_interfaces,
            "DescribeAvailabilityZones": lambda _: document("DescribeAvailabilityZones", _ZONES),
            "DescribeInstanceInformation": self._describe_machines,
        }
        for operation, answer in answers.items():
            self.aws.on(operation, self._guarded(operation, answer))

    def define(self, *definitions: Json) -> None:
        """Register revisions."""
        self.definitions |= {str(one["taskDefinitionArn"]): one for one in definitions}

    def run(self, *tasks: Json) -> None:
        """Let tasks be, or be otherwise."""
        self.tasks |= {str(one["taskArn"]): dict(one) for one in tasks}

    def serve(self, *names: str, definition: str = "web:1") -> None:
        """Run Fargate tasks of a revision, the first at 10.0.0.1; registers the revision as well."""
        self.define(definition_json(definition))
        first = len(self.tasks) + 1
        self.run(*(task_json(name, definition, address=_address(first + n)) for n, name in enumerate(names)))

    def counts(self) -> dict[str, int]:
        """How often each operation was called so far."""
        operations = [request.operation for request in self.aws.requests]
        return {operation: operations.count(operation) for operation in sorted(set(operations))}

    def _guarded(self, operation: str, answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def guarded(request: Request) -> Response:
            fault = self.faults.get(operation)
            return (fault(request) if fault else None) or answer(request)

        return guarded

    def _list_clusters(self, _: Request) -> Response:
        return reply(clusterArns=sorted(arn for arn, status in self.clusters.items() if status == "ACTIVE"))

    def _describe_clusters(self, request: Request) -> Response:
        asked = [_cluster_arn(name) for name in texts(request, "clusters")]
        found = [{"clusterArn": name, "status": self.clusters[name]} for name in asked if name in self.clusters]
        return reply(clusters=found, failures=missing(name for name in asked if name not in self.clusters))

    def _list_tasks(self, request: Request) -> Response:
        asked = parameters(request)
        if self.clusters.get(_cluster_arn(str(asked["cluster"]))) != "ACTIVE":
            return json_error(400, "ClusterNotFoundException", "Cluster not found.")
        listed = sorted(
            name
            for name, task in self.tasks.items()
            if task["desiredStatus"] == asked.get("desiredStatus", "RUNNING") and task["clusterArn"] == asked["cluster"]
        )
        start = int(str(asked.get("nextToken", 0)))
        following = {"nextToken": str(start + PAGE)} if start + PAGE < len(listed) else {}
        return reply(taskArns=[name for name in listed[start : start + PAGE] if name not in self.unlisted], **following)

    def _describe_tasks(self, request: Request) -> Response:
        asked = texts(request, "tasks")
        if len(asked) > 100:
            return json_error(400, "InvalidParameterException", "tasks must have at most 100 members")
        tagged = "TAGS" in texts(request, "include")
        found = [
            task if tagged else {key: value for key, value in task.items() if key != "tags"}
            for name in asked
            if (task := self.tasks.get(name))
        ]
        return reply(tasks=found, failures=missing(name for name in asked if name not in self.tasks))

    def _describe_task_definition(self, request: Request) -> Response:
        found = self.definitions.get(str(parameters(request)["taskDefinition"]))
        if found is None:
            return json_error(400, "ClientException", "Unable to describe task definition.")
        return reply(taskDefinition=found)

    def _describe_container_instances(self, request: Request) -> Response:
        asked = texts(request, "containerInstances")
        if len(asked) > 100:
            return json_error(400, "InvalidParameterException", "at most 100 members")
        found = [self.instances[name] for name in asked if name in self.instances]
        return reply(containerInstances=found, failures=missing(name for name in asked if name not in self.instances))

    def _describe_instances(self, request: Request) -> Response:
        ids = request.values("Filter.1.Value")
        items = "".join(
            "<item><instancesSet><item>"
            + "".join(f"<{name}>{value}</{name}>" for name, value in {"instanceId": one, **self.hosts[one]}.items())
            + "<placement><availabilityZone>eu-west-1c</availabilityZone></placement></item></instancesSet></item>"
            for one in ids
            if one in self.hosts
        )
        return document("DescribeInstances", f"<reservationSet>{items}</reservationSet>")

    def _describe_interfaces(self, request: Request) -> Response:
        items = "".join(
            f"<item><networkInterfaceId>{one}</networkInterfaceId>"
            f"<association><publicIp>{self.interfaces[one]}</publicIp></association></item>"
            for one in request.values("Filter.1.Value")
            if one in self.interfaces
        )
        return document("DescribeNetworkInterfaces", f"<networkInterfaceSet>{items}</networkInterfaceSet>")

    def _describe_machines(self, request: Request) -> Response:
        filters = parameters(request)["Filters"]
        assert isinstance(filters, list)
        ids = filters[0]["Values"]
        found = [{"InstanceId": one, "IPAddress": self.machines[one]} for one in ids if one in self.machines]
        return reply(InstanceInformationList=found)


_ZONES = "<availabilityZoneInfo>" + "".join(
    f"<item><zoneName>eu-west-1{letter}</zoneName><zoneId>euw1-az{number}</zoneId></item>"
    for letter, number in (("a", 2), ("b", 3), ("c", 1))
) + "</availabilityZoneInfo>"  # fmt: skip


def reply(**content: object) -> Response:
    """An answer with status 200."""
    return Response(200, JSON, json.dumps(content).encode())


def parameters(request: Request) -> Mapping[str, object]:
    """What a call asks for."""
    found = json.loads(request.body)
    assert isinstance(found, dict)
    return found


def texts(request: Request, name: str) -> Sequence[str]:
    """One of the lists of a call; empty where it is not there."""
    found = parameters(request).get(name, [])
    assert isinstance(found, list)
    return found


def missing(names: Iterable[str]) -> list[Json]:
    """The failures for things that are not there."""
    return [{"arn": name, "reason": "MISSING"} for name in names]


def few_times(times: int, response: Response) -> Fault:
    """Answer so for a number of times."""
    left = [response] * times
    return lambda _: left.pop() if left else None


def asking_for(name: str, response: Response) -> Fault:
    """Answer so whatever asks for a certain task among others."""
    return lambda request: response if name in texts(request, "tasks") else None


def _cluster_arn(name: str) -> str:
    return name if ":" in name else arn("cluster", name)


def _address(number: int) -> str:
    return f"10.{number // 62500}.{number // 250 % 250}.{number % 250}"
