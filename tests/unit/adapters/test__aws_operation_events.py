"""What a source needs to be allowed for its queues."""

import pytest

from adapters._aws import Operation, Reach, grants
from adapters._aws.config import AwsConfig
from bridge.permission import Permission

OWN, OTHER = "111111111111", "222222222222"
ROLE = f"arn:aws:iam::{OTHER}:role/reader"
READ = Operation("ec2", "DescribeInstances", "Ec2Instances")


def url(region: str, account: str, name: str = "events") -> str:
    return f"https://sqs.{region}.amazonaws.com/{account}/{name}"


def queues(role: str, **options: object) -> set[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Actions and resources that an identity needs of SQS."""
    config = AwsConfig.model_validate(options)

    def needed(reach: Reach) -> list[Permission]:
        return [reach.permission(READ)]

    found = {grant.identity.name: grant for grant in grants(config, "", needed)}
    return {(each.actions, each.resources) for each in found[role].permissions if each.name == "Events"}


def test_both_actions_on_the_queue_and_no_other() -> None:
    needed = queues("", region="eu-west-1", events={"queue": url("eu-west-1", OWN)})

    arn = f"arn:aws:sqs:eu-west-1:{OWN}:events"
    assert needed == {(("sqs:ReceiveMessage",), (arn,)), (("sqs:DeleteMessage",), (arn,))}


def test_nothing_without_events() -> None:
    assert queues("", region="eu-west-1") == set()


@pytest.mark.parametrize(("role", "account"), [("", OWN), (ROLE, OTHER)])
def test_a_queue_is_read_by_who_reads_its_account(role: str, account: str) -> None:
    needed = queues(
        role,
        region="eu-west-1",
        accounts=[{}, {"assume_role": ROLE}],
        events={"queue": [url("eu-west-1", OWN), url("eu-west-1", OTHER)]},
    )

    assert {resources for _, resources in needed} == {(f"arn:aws:sqs:eu-west-1:{account}:events",)}


def test_the_partition_is_that_of_the_region() -> None:
    needed = queues("", region="cn-north-1", events={"queue": url("cn-north-1", OWN)})

    assert {resources for _, resources in needed} == {(f"arn:aws-cn:sqs:cn-north-1:{OWN}:events",)}
