"""EventBridge and SQS in moto, and the events that AWS sends by itself and moto does not."""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, cast

import boto3

from support.aws import REGION, CannedAws, Request
from support.ecs_server import parameters, reply
from support.fault_proxy import Response

Detail = Mapping[str, object]


class SqsClient(Protocol):
    """What tests ask of boto3's client."""

    def create_queue(self, **parameters: object) -> Mapping[str, str]: ...
    def send_message(self, **parameters: object) -> object: ...
    def get_queue_attributes(self, **parameters: object) -> Mapping[str, Mapping[str, str]]: ...


class EventsClient(Protocol):
    """What tests ask of boto3's client."""

    def put_rule(self, **parameters: object) -> object: ...
    def put_targets(self, **parameters: object) -> object: ...
    def put_events(self, **parameters: object) -> Mapping[str, object]: ...


class MotoEvents:
    """A queue that a rule of EventBridge sends all events into that the bridge can use."""

    def __init__(self, url: str, name: str = "xds-bridge") -> None:
        """Make both; a message that is not deleted comes again after a second."""
        self._sqs = cast("SqsClient", boto3.client("sqs", region_name=REGION, endpoint_url=url))
        self._events = cast("EventsClient", boto3.client("events", region_name=REGION, endpoint_url=url))
        attributes = {"VisibilityTimeout": "1"}
        self.queue = self._sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        arn = self._attributes("QueueArn")["QueueArn"]
        sources = ["aws.ecs", "aws.ec2", "aws.autoscaling", "aws.events"]
        self._events.put_rule(Name=name, EventPattern=json.dumps({"source": sources}))
        self._events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])

    @property
    def left(self) -> int:
        """Messages that are in the queue, those that somebody has received and not deleted included."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(value) for value in self._attributes(*names).values())

    def send(self, body: str) -> None:
        """Put anything into the queue."""
        self._sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def put(self, source: str, kind: str, detail: Detail) -> None:
        """Let something happen."""
        entry = {"Source": source, "DetailType": kind, "Detail": json.dumps(detail)}
        assert self._events.put_events(Entries=[entry])["FailedEntryCount"] == 0

    def beat(self) -> None:
        """Let a minute of the schedule be over."""
        self.put("aws.events", "Scheduled Event", {})

    def task(self, arn: str, cluster: str, **more: object) -> None:
        """Let something have happened to a task, in the words of its event."""
        self.put("aws.ecs", "ECS Task State Change", task_detail(arn, cluster, **more))

    def instance(self, identity: str, state: str) -> None:
        """Let an instance have come into a state."""
        self.put("aws.ec2", "EC2 Instance State-change Notification", {"instance-id": identity, "state": state})

    def _attributes(self, *names: str) -> Mapping[str, str]:
        return self._sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=list(names))["Attributes"]


@dataclass
class CannedQueue:
    """A queue behind the canned server: holds questions until there is a message, messages until they are deleted."""

    aws: CannedAws
    messages: dict[str, str] = field(default_factory=dict)
    """What has not been deleted, by its receipt handle."""
    received: dict[str, int] = field(default_factory=dict)
    """How often each was given out."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _hidden: set[str] = field(default_factory=set)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.aws.on("ReceiveMessage", self.receive)
        self.aws.on("DeleteMessageBatch", self.delete)

    @property
    def url(self) -> str:
        """What the bridge is told."""
        return f"{self.aws.url}/123456789012/xds-bridge"

    def send(self, body: str) -> str:
        """Put a message into the queue; returns its receipt handle."""
        handle = f"receipt-{next(self._numbers)}"
        self.messages[handle] = body
        self._arrived.set()
        return handle

    def put(self, kind: str, detail: Detail) -> str:
        """Let something happen; returns the receipt handle of its message."""
        return self.send(json.dumps({"source": "aws.test", "detail-type": kind, "detail": detail}))

    def task(self, arn: str, cluster: str, **more: object) -> str:
        """Let something have happened to a task."""
        return self.put("ECS Task State Change", task_detail(arn, cluster, **more))

    def show_again(self) -> None:
        """Let the visibility time-out be over."""
        self._hidden.clear()
        self._arrived.set()

    async def receive(self, request: Request) -> Response:
        """Up to ten messages."""
        if not (found := self._visible()):
            self._arrived.clear()
            try:
                async with asyncio.timeout(float(str(parameters(request)["WaitTimeSeconds"]))):
                    await self._arrived.wait()
            except TimeoutError:
                pass
            found = self._visible()
        self._hidden.update(found)
        for handle in found:
            self.received[handle] = self.received.get(handle, 0) + 1
        return reply(Messages=[self._message(handle) for handle in found])

    def delete(self, request: Request) -> Response:
        """Delete messages."""
        entries = cast("list[Mapping[str, str]]", parameters(request)["Entries"])
        for entry in entries:
            self.messages.pop(entry["ReceiptHandle"], None)
        return reply(Successful=[{"Id": entry["Id"]} for entry in entries], Failed=[])

    def _visible(self) -> list[str]:
        return [handle for handle in self.messages if handle not in self._hidden][:10]

    def _message(self, handle: str) -> Mapping[str, object]:
        sent = {"SentTimestamp": str(int(1000 * time.time())), "ApproximateReceiveCount": str(self.received[handle])}
        return {"MessageId": handle, "ReceiptHandle": handle, "Body": self.messages[handle], "Attributes": sent}


def task_detail(arn: str, cluster: str, **more: object) -> Detail:
    """The detail of an ECS Task State Change: not in the words of `DescribeTasks`, and with a wrong address."""
    return {
        "attachments": [
            {
                "id": "1789bcae-ddfb-4d10-8ebe-8ac87ddba5b8",
                "type": "eni",
                "status": "ATTACHED",
                "details": [{"name": "privateIPv4Address", "value": "192.0.2.1"}],
            }
        ],
        "availabilityZone": "eu-west-1a",
        "clusterArn": cluster,
        "containers": [{"containerArn": "arn:…", "name": "app", "lastStatus": "RUNNING", "networkInterfaces": []}],
        "createdAt": "2026-11-27T00:06:22.201Z",
        "desiredStatus": "RUNNING",
        "lastStatus": "RUNNING",
        "taskArn": arn,
        "updatedAt": "2026-11-27T00:06:24.517Z",
        "version": 3,
        **more,
    }


@contextmanager
def moto_events(url: str, name: str = "xds-bridge") -> Iterator[MotoEvents]:
    """Such a queue; in the end a message lets go of the question that still waits for one."""
    events = MotoEvents(url, name)
    try:
        yield events
    finally:
        events.send("the test is over")
