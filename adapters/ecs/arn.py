"""The names of things in AWS, taken apart (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html)."""

import re

CLUSTER_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
CLUSTER_ARN = re.compile(rf"arn:aws[a-z-]*:ecs:([a-z0-9-]+):([0-9]{{12}}):cluster/({CLUSTER_NAME.pattern})")


def region(arn: str) -> str:
    """The region that an ARN names; empty where it names none."""
    parts = arn.split(":", 5)
    return parts[3] if len(parts) == 6 else ""


def account(arn: str) -> str:
    """The account that an ARN names; empty where it names none."""
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 else ""


def last_part(arn: str) -> str:
    """What is behind the last slash: a task's id, a cluster's name, a definition's family and revision."""
    return arn.rpartition("/")[2]
