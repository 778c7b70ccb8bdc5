"""ECS in moto: tasks frozen, and told the way ECS tells of them, which moto does not by itself."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, cast

import boto3
import pytest
from moto.backends import get_backend
from moto.moto_api import state_manager

from support.aws import REGION, moto_server, use_credentials
from support.ecs import ACCOUNT, Json
from support.fault_proxy import FaultProxy, fault_proxy, truncated

FROZEN = {"progression": "manual", "times": 10**9}


class EcsClient(Protocol):
    """What tests ask of boto3's client."""

    def create_cluster(self, **parameters: object) -> object: ...
    def delete_cluster(self, **parameters: object) -> object: ...
    def register_task_definition(self, **parameters: object) -> Mapping[str, Mapping[str, str]]: ...
    def run_task(self, **parameters: object) -> Mapping[str, list[Mapping[str, str]]]: ...
    def register_container_instance(self, **parameters: object) -> Mapping[str, Mapping[str, str]]: ...
    def tag_resource(self, **parameters: object) -> object: ...


class Ec2Client(Protocol):
    """What tests ask of boto3's client."""

    def run_instances(self, **parameters: object) -> Mapping[str, list[Mapping[str, str]]]: ...
    def create_vpc(self, **parameters: object) -> Mapping[str, Mapping[str, str]]: ...
    def modify_vpc_attribute(self, **parameters: object) -> object: ...
    def create_subnet(self, **parameters: object) -> Mapping[str, Mapping[str, str]]: ...


class MotoEcs:
    """Clusters in moto, which keeps them in this process."""

    def __init__(self, url: str, region: str = REGION, account: str = ACCOUNT, **credentials: str) -> None:
        def client(service: str) -> object:
            return boto3.client(service, region_name=region, endpoint_url=url, **credentials)

        self.ecs = cast("EcsClient", client("ecs"))
        self.ec2 = cast("Ec2Client", client("ec2"))
        self._region, self._account = region, account
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        # Without DNS names moto cannot make a network interface for a task.
        self.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
        self._subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/16")["Subnet"]["SubnetId"]
        state_manager.set_transition("ecs::task", FROZEN)

    def define(self, family: str, *containers: Mapping[str, object], mode: str = "awsvpc") -> str:
        """Register a revision; returns its ARN."""
        described = [{"image": "web", "memory": 64, **one} for one in containers]
        answer = self.ecs.register_task_definition(family=family, networkMode=mode, containerDefinitions=described)
        return answer["taskDefinition"]["taskDefinitionArn"]

    def run(self, definition: str, *containers: Json, cluster: str = "prod", **parameters: object) -> str:
        """Run a Fargate task whose containers are told like these; returns its ARN."""
        network = {"awsvpcConfiguration": {"subnets": [self._subnet], "securityGroups": []}}
        keys: dict[str, object] = {"launchType": "FARGATE", "networkConfiguration": network, **parameters}
        answer = self.ecs.run_task(cluster=cluster, taskDefinition=definition, **keys)
        arn = answer["tasks"][0]["taskArn"]
        self.tell(arn, containers=containers, availability_zone=f"{self._region}a")
        return arn

    def tell(self, arn: str, containers: Sequence[Json] = (), **attributes: object) -> None:
        """Let a task be told so: its attributes as Python spells them, its containers as JSON."""
        task = self._backend.tasks[arn.split("/")[1]][arn]  # type: ignore[attr-defined]  # moto ships no types
        for name, value in attributes.items():
            setattr(task, name, value)
        if containers:
            # Only the first container of a definition is there, and none is told as running, healthy or bound.
            task.containers = [_Told(one) for one in containers]

    def host(self, cluster: str = "prod") -> tuple[str, str]:
        """Register an instance of EC2; returns the ARN of the container instance and its address."""
        image = {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1}
        instance = self.ec2.run_instances(**image)["Instances"][0]
        document = f'{{"instanceId": "{instance["InstanceId"]}"}}'
        answer = self.ecs.register_container_instance(cluster=cluster, instanceIdentityDocument=document)
        return answer["containerInstance"]["containerInstanceArn"], instance["PrivateIpAddress"]

    def forget(self, arn: str) -> None:
        """Let a task be gone, as an hour after it has stopped."""
        del self._backend.tasks[arn.split("/")[1]][arn]  # type: ignore[attr-defined]  # moto ships no types

    @property
    def _backend(self) -> object:
        return get_backend("ecs")[self._account][self._region]


class _Told:
    """A container whose every attribute is told; moto looks for them under the names that Python gives them."""

    def __init__(self, told: Json) -> None:
        spelled = {"lastStatus": "last_status", "healthStatus": "health_status", "runtimeId": "runtime_id",
                   "networkBindings": "network_bindings", "networkInterfaces": "network_interfaces"}  # fmt: skip
        for name, value in told.items():
            setattr(self, spelled.get(name, name), value)


class EcsWorld:
    """Fargate tasks in moto, read through a proxy; broken, every answer is cut off."""

    def __init__(self, ecs: MotoEcs, proxy: FaultProxy) -> None:
        self._ecs = ecs
        self._proxy = proxy
        self._tasks: dict[str, set[str]] = {}

    @property
    def options(self) -> Mapping[str, object]:
        return {
            "region": REGION,
            "endpoint_url": self._proxy.address,
            "clusters": ["prod"],
            "interval": "100ms",
            "api_budget": 100,
        }

    async def add(self, service: str, address: str, port: int) -> str:
        return self._run(service, address, port)

    async def add_wrong(self, service: str) -> None:
        self._run(service, "db.internal", 80)

    async def drop(self, instance: str) -> None:
        self._ecs.tell(instance, last_status="STOPPED", desired_status="STOPPED")

    async def empty(self, service: str) -> None:
        # A service is what tasks name; one whose tasks are all starting has no endpoints.
        for task in self._tasks[service].copy():
            await self.drop(task)
        self._ecs.tell(self._run(service, "", 80), last_status="PENDING")

    async def drop_service(self, service: str) -> None:
        for task in self._tasks.pop(service):
            await self.drop(task)

    async def break_(self) -> None:
        self._proxy.fault("/", truncated)

    async def heal(self) -> None:
        self._proxy.heal()

    def _run(self, service: str, address: str, port: int) -> str:
        labels = {"xds-service": f"{service}:{port}"}
        definition = self._ecs.define(service, {"name": "app", "dockerLabels": labels})
        told = {"name": "app", "lastStatus": "RUNNING", "healthStatus": "UNKNOWN",
                "networkInterfaces": [{"privateIpv4Address": address}] if address else []}  # fmt: skip
        task = self._ecs.run(definition, told, group=f"service:{service}")
        self._ecs.tell(task, attachments=[])
        self._tasks.setdefault(service, set()).add(task)
        return task


@asynccontextmanager
async def ecs_world(_: Path) -> AsyncIterator[EcsWorld]:
    """A moto of its own, behind a proxy that can break."""
    with pytest.MonkeyPatch.context() as patch, moto_server() as moto:
        use_credentials(patch)
        ecs = MotoEcs(moto)
        ecs.ecs.create_cluster(clusterName="prod")
        async with fault_proxy(moto) as proxy:
            yield EcsWorld(ecs, proxy)
