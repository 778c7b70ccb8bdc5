import json

import pytest

from adapters._aws.message import (
    LIFECYCLE_NOTICE,
    SPOT_NOTICE,
    Event,
    Heartbeat,
    InstanceChanged,
    TaskChanged,
    Unknown,
    parse,
)
from support.ecs import CLUSTER, task_arn
from support.events import task_detail


def body(kind: str, detail: object) -> str:
    """An event as EventBridge sends it."""
    envelope = {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": kind,
        "source": "aws.test",
        "account": "123456789012",
        "time": "2026-11-27T00:06:24Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": detail,
    }
    return json.dumps(envelope)


LIFECYCLE = {
    "LifecycleActionToken": "87654321-4321-4321-4321-210987654321",
    "AutoScalingGroupName": "my-asg",
    "LifecycleHookName": "my-lifecycle-hook",
    "EC2InstanceId": "i-1234567890abcdef0",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
    "Origin": "AutoScalingGroup",
    "Destination": "EC2",
}


@pytest.mark.parametrize(
    ("kind", "detail", "event"),
    [
        ("ECS Task State Change", task_detail(task_arn("t1"), CLUSTER), TaskChanged(task_arn("t1"), CLUSTER, 3)),
        ("ECS Task State Change", {"taskArn": "arn:t", "clusterArn": "arn:c"}, TaskChanged("arn:t", "arn:c", 0)),
        (
            "EC2 Instance State-change Notification",
            {"instance-id": "i-1", "state": "shutting-down"},
            InstanceChanged("i-1", "shutting-down"),
        ),
        (
            "EC2 Spot Instance Interruption Warning",
            {"instance-id": "i-1", "instance-action": "terminate"},
            InstanceChanged("i-1", notice=SPOT_NOTICE),
        ),
        (
            "EC2 Instance-terminate Lifecycle Action",
            LIFECYCLE,
            InstanceChanged("i-1234567890abcdef0", notice=LIFECYCLE_NOTICE),
        ),
        ("EC2 Instance Launch Successful", {"EC2InstanceId": "i-1"}, InstanceChanged("i-1")),
        ("Scheduled Event", {}, Heartbeat()),
    ],
)
def test_events_name_what_is_to_be_described(kind: str, detail: object, event: Event) -> None:
    assert parse(body(kind, detail)) == event


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a message cannot be read as an event"),
        ("[]", "a message cannot be read as an event"),
        ('{"Type": "Notification", "Message": "{}"}', "detail-type: Field required"),
        (body("ECS Deployment State Change", {}), "'ECS Deployment State Change' is none of the events that are read"),
        (body("ECS Task State Change", {"taskArn": "arn:t"}), "clusterArn: Field required"),
        (body("ECS Task State Change", {"taskArn": "t1", "clusterArn": "arn:c"}), "taskArn: String should match"),
        (
            body("EC2 Instance State-change Notification", {"instance-id": 7}),
            "instance-id: Input should be a valid str",
        ),
        (body("EC2 Instance-terminate Lifecycle Action", None), "detail: Input should be"),
    ],
)
def test_anything_else_is_told_with_the_reason(text: str, reason: str) -> None:
    event = parse(text)

    assert isinstance(event, Unknown)
    assert reason in event.reason
