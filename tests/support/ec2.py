"""EC2 for tests: instances in moto, and a fleet that answers as real EC2 does where moto does not."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast
from xml.sax.saxutils import escape

import boto3
import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends

from adapters._aws import Cloud
from adapters.ec2 import Config, Ec2Adapter
from bridge.provenance import Question, Statement
from support.aws import REGION, CannedAws, Request, document, moto_server, use_credentials
from support.fault_proxy import FaultProxy, Response, fault_proxy, truncated
from support.recording import RecordingContext, running
from support.waiting import eventually

IMAGE = "ami-12345678"


class Ec2Client(Protocol):
    """What tests ask of boto3's client."""

    def run_instances(self, **parameters: object) -> Mapping[str, list[Mapping[str, str]]]: ...
    def create_tags(self, **parameters: object) -> object: ...
    def delete_tags(self, **parameters: object) -> object: ...
    def stop_instances(self, **parameters: object) -> object: ...
    def terminate_instances(self, **parameters: object) -> object: ...


class MotoFleet:
    """Instances in moto, which keeps them in this process."""

    def __init__(self, url: str, region: str = REGION, **credentials: str) -> None:
        self.client = cast("Ec2Client", boto3.client("ec2", region_name=region, endpoint_url=url, **credentials))

    def launch(self, tags: Mapping[str, str], address: str = "10.0.0.1", **parameters: object) -> str:
        """Start an instance; returns its id."""
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        answer = self.client.run_instances(
            ImageId=IMAGE,
            MinCount=1,
            MaxCount=1,
            PrivateIpAddress=address,
            TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
            **parameters,
        )
        return answer["Instances"][0]["InstanceId"]

    def tag(self, instance: str, key: str, value: str) -> None:
        """Set a tag."""
        self.client.create_tags(Resources=[instance], Tags=[{"Key": key, "Value": value}])

    def untag(self, instance: str, key: str) -> None:
        """Take a tag away."""
        self.client.delete_tags(Resources=[instance], Tags=[{"Key": key}])

    def stop(self, *instances: str) -> None:
        """Stop instances."""
        self.client.stop_instances(InstanceIds=list(instances))

    @staticmethod
    def tell(instance: str, state: str, region: str = REGION) -> None:
        """Let an instance be in a state that moto passes over."""
        for reservation in ec2_backends[DEFAULT_ACCOUNT_ID][region].reservations.values():
            for each in reservation.instances:
                if each.id == instance:
                    each.instance_state.name = state

    @staticmethod
    def forget(instance: str, region: str = REGION) -> None:
        """Let EC2 know nothing of an instance any more, as some time after it has ended."""
        for reservation in ec2_backends[DEFAULT_ACCOUNT_ID][region].reservations.values():
            reservation.instances = [each for each in reservation.instances if each.id != instance]

    def terminate(self, *instances: str) -> None:
        """End instances."""
        self.client.terminate_instances(InstanceIds=list(instances))


class Ec2World:
    """Instances in moto, read through a proxy; broken, every answer is cut off."""

    def __init__(self, fleet: MotoFleet, proxy: FaultProxy) -> None:
        self._fleet = fleet
        self._proxy = proxy
        self._instances: dict[str, set[str]] = {}

    @property
    def options(self) -> Mapping[str, object]:
        return {"region": REGION, "endpoint_url": self._proxy.address, "interval": "100ms", "api_budget": 100}

    async def add(self, service: str, address: str, port: int) -> str:
        identity = self._fleet.launch({"xds-service": f"{service}:{port}"}, address)
        self._instances.setdefault(service, set()).add(identity)
        return identity

    async def add_wrong(self, service: str) -> None:
        identity = self._fleet.launch({"xds-service": f"{service}:80", "xds-weight": "db.internal"}, "10.9.9.9")
        self._instances.setdefault(service, set()).add(identity)

    async def drop(self, instance: str) -> None:
        self._fleet.terminate(instance)

    async def empty(self, service: str) -> None:
        self._fleet.stop(*self._instances[service])

    async def drop_service(self, service: str) -> None:
        self._fleet.terminate(*self._instances.pop(service))

    async def break_(self) -> None:
        self._proxy.fault("/", truncated)

    async def heal(self) -> None:
        self._proxy.heal()


@asynccontextmanager
async def ec2_world(_: Path) -> AsyncIterator[Ec2World]:
    """A moto of its own, behind a proxy that can break."""
    with pytest.MonkeyPatch.context() as patch, moto_server() as moto:
        use_credentials(patch)
        async with fault_proxy(moto) as proxy:
            yield Ec2World(MotoFleet(moto), proxy)


@dataclass
class Shown:
    """An instance as EC2 shows it."""

    identity: str
    state: str = "running"
    tags: Mapping[str, str] = field(default_factory=lambda: {"xds-service": "web:80"})
    private: str = "10.0.0.1"
    public: str = ""
    zone: str = "eu-west-1a"
    zone_id: str = ""
    more: str = ""
    """XML of further elements."""

    def xml(self) -> str:
        """The item of a reservation, with about as much around what we read as real EC2 sends."""
        zone_id = f"<availabilityZoneId>{self.zone_id}</availabilityZoneId>" if self.zone_id else ""
        private = f"<privateIpAddress>{self.private}</privateIpAddress>" if self.private else ""
        public = f"<ipAddress>{self.public}</ipAddress>" if self.public else ""
        tags = "".join(
            f"<item><key>{escape(key)}</key><value>{escape(value)}</value></item>" for key, value in self.tags.items()
        )
        return (
            f"<item><instanceId>{self.identity}</instanceId><imageId>{IMAGE}</imageId>"
            f"<instanceState><code>16</code><name>{self.state}</name></instanceState>"
            f"<placement><availabilityZone>{self.zone}</availabilityZone>{zone_id}<tenancy>default</tenancy></placement>"
            f"{private}{public}<tagSet>{tags}</tagSet>{self.more}</item>"
        )


@dataclass
class CannedFleet:
    """Answers `DescribeInstances` with pages, filters by id, and faults that moto does not know."""

    instances: dict[str, Shown] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)
    """Ids that lists leave out, as an eventually consistent list may; a question by id finds them."""
    page: int = 1000

    def serve(self, aws: CannedAws) -> None:
        """Answer from now on."""
        aws.on("DescribeInstances", self.describe)

    def show(self, *instances: Shown) -> None:
        """Let instances be, or be otherwise."""
        self.instances |= {each.identity: each for each in instances}

    def describe(self, request: Request) -> Response:
        """One page."""
        ids = asked_ids(request)
        found = [
            each
            for each in self.instances.values()
            if (each.identity in ids if ids is not None else each.identity not in self.unlisted)
            and (ids is not None or "xds-service" in each.tags)
        ]
        start = int(request.parameters.get("NextToken", "0"))
        size = min(self.page, int(request.parameters.get("MaxResults", "1000")))
        following = f"<nextToken>{start + size}</nextToken>" if start + size < len(found) else ""
        return page(found[start : start + size], following)


def page(instances: Iterable[Shown], more: str = "") -> Response:
    """An answer to `DescribeInstances` with these instances, each in a reservation of its own."""
    items = "".join(
        f"<item><reservationId>r-1</reservationId><ownerId>1</ownerId><instancesSet>{each.xml()}</instancesSet></item>"
        for each in instances
    )
    return document("DescribeInstances", f"<requestId>1</requestId><reservationSet>{items}</reservationSet>{more}")


def asked_ids(request: Request) -> list[str] | None:
    """The ids that a call asks for, as a filter or as ids; None for one that asks for all."""
    for number in range(1, 20):
        if request.parameters.get(f"Filter.{number}.Name") == "instance-id":
            return request.values(f"Filter.{number}.Value")
    return request.values("InstanceId") or None


@asynccontextmanager
async def reading(
    aws: CannedAws | str, cloud: Cloud, context: RecordingContext | None = None, **options: object
) -> AsyncIterator[RecordingContext]:
    """Run an EC2 source against a server as the bridge does, quickly; `region` is one where nothing else is said."""
    adapter = _adapter(aws, options)
    context = context or RecordingContext()
    context.shared("aws", lambda: cloud)
    async with running(adapter, context):
        yield context


@asynccontextmanager
async def explaining(
    aws: str, cloud: Cloud, **options: object
) -> AsyncIterator[Callable[[Question], Awaitable[Statement]]]:
    """What asks an EC2 source that has read everything once."""
    adapter, context = _adapter(aws, options), RecordingContext()
    context.shared("aws", lambda: cloud)
    async with running(adapter, context):
        await passes(context, 1)
        yield adapter.explain


def _adapter(aws: CannedAws | str, options: Mapping[str, object]) -> Ec2Adapter:
    url = aws if isinstance(aws, str) else aws.url
    region = {} if "regions" in options or "region" in options else {"region": REGION}
    keys = {"endpoint_url": url, "interval": "100ms", "api_budget": 100, **region, **options}
    return Ec2Adapter(Config.model_validate(keys), apart=0)


async def passes(context: RecordingContext, count: int = 2) -> None:
    """Wait until so many more complete passes are done."""
    done = context.successes[""]
    await eventually(lambda: context.successes[""] >= done + count, what=f"{count} passes; {context.messages}")


async def failures(context: RecordingContext, count: int = 2) -> None:
    """Wait until so many more reads have failed."""
    before = sum(map(len, context.failures.values()))
    await eventually(lambda: sum(map(len, context.failures.values())) >= before + count, what=f"{count} failures")
