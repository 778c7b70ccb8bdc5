"""EventBridge and SQS in moto, and the events that AWS sends by itself and moto does not."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, cast

import boto3

from support.aws import REGION

Detail = Mapping[str, object]


class SqsClient(Protocol):
    """What tests ask of boto3's client."""

    def create_queue(self, **parameters: object) -> Mapping[str, str]: ...
    def delete_queue(self, **parameters: object) -> object: ...
    def send_message(self, **parameters: object) -> object: ...
    def get_queue_attributes(self, **parameters: object) -> Mapping[str, Mapping[str, str]]: ...


class EventsClient(Protocol):
    """What tests ask of boto3's client."""

    def put_rule(self, **parameters: object) -> object: ...
    def put_targets(self, **parameters: object) -> object: ...
    def put_events(self, **parameters: object) -> Mapping[str, object]: ...


class MotoEvents:
    """A queue that a rule of EventBridge sends all events into that the bridge can use."""

    def __init__(self, url: str, *, visibility: int = 1, region: str = REGION) -> None:
        """Make both.

        Args:
            url: of moto's server.
            visibility: seconds until a message comes again that was not deleted.
            region: where.
        """
        self._sqs = cast("SqsClient", boto3.client("sqs", region_name=region, endpoint_url=url))
        self._events = cast("EventsClient", boto3.client("events", region_name=region, endpoint_url=url))
        attributes = {"VisibilityTimeout": str(visibility)}
        self.queue = self._sqs.create_queue(QueueName="xds-bridge", Attributes=attributes)["QueueUrl"]
        arn = self._attributes("QueueArn")["QueueArn"]
        sources = ["aws.ecs", "aws.ec2", "aws.autoscaling", "aws.events"]
        self._events.put_rule(Name="xds-bridge", EventPattern=json.dumps({"source": sources}))
        self._events.put_targets(Rule="xds-bridge", Targets=[{"Id": "queue", "Arn": arn}])

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


def task_detail(arn: str, cluster: str, **more: object) -> Detail:
    """The detail of an ECS Task State Change: other words than those of `DescribeTasks`, and addresses that are wrong."""
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
def moto_events(url: str, **options: int) -> Iterator[MotoEvents]:
    """Such a queue; in the end a message lets go of the question that still waits for one."""
    events = MotoEvents(url, **options)  # type: ignore[arg-type]  # the only option that tests give is a number
    try:
        yield events
    finally:
        events.send("the test is over")
