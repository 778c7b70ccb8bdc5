"""The documents that `iam-policy` prints, for one configuration after the other."""

import json
from pathlib import Path

import pytest

from support.cli import Command, Outcome
from support.iam import Document, actions, statements

OTHER = "arn:aws:iam::222222222222:role/xds-bridge"
BRIDGE = "arn:aws:iam::123456789012:role/bridge"
NAMED = "arn:aws:ecs:eu-west-1:123456789012:cluster/prod"
THERE = "arn:aws:ecs:eu-west-1:222222222222:cluster/prod"
IN_REGION = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
ECS = "type: ecs, region: eu-west-1"


def source(keys: str, name: str = "aws") -> str:
    return f"  - {{name: {name}, {keys}}}\n"


def printed(command: Command, tmp_path: Path, sources: str, *arguments: str) -> Outcome:
    path = tmp_path / "bridge.yaml"
    path.write_text(f"sources:\n{sources}", encoding="utf-8")
    return command("iam-policy", "--config", str(path), *arguments)


def policy(command: Command, tmp_path: Path, sources: str, *arguments: str) -> Document:
    outcome = printed(command, tmp_path, sources, *arguments)
    assert outcome.status == 0, outcome.error
    document: Document = json.loads(outcome.output)
    assert document["Version"] == "2012-10-17"
    return document


def test_one_cluster_by_its_arn(command: Command, tmp_path: Path) -> None:
    found = policy(command, tmp_path, source(f"{ECS}, clusters: ['{NAMED}']"))

    assert statements(found) == [
        {
            "Sid": "EcsClusters",
            "Effect": "Allow",
            "Action": ["ecs:DescribeClusters"],
            "Resource": NAMED,
            "Condition": IN_REGION,
        },
        {
            "Sid": "EcsHostsEcsTaskDefinitions",
            "Effect": "Allow",
            "Action": ["ec2:DescribeInstances", "ecs:DescribeTaskDefinition", "ssm:DescribeInstanceInformation"],
            "Resource": "*",
            "Condition": IN_REGION,
        },
        {
            "Sid": "EcsTasks",
            "Effect": "Allow",
            "Action": ["ecs:DescribeContainerInstances", "ecs:DescribeTasks", "ecs:ListTasks"],
            "Resource": "*",
            "Condition": {"ArnEquals": {"ecs:cluster": NAMED}, **IN_REGION},
        },
    ]


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_a_cluster_by_its_name_is_that_of_any_account_until_the_role_is_told(
    command: Command, tmp_path: Path, region: str, partition: str
) -> None:
    sources = source(f"type: ecs, region: {region}, clusters: [prod]")
    role = BRIDGE.replace("aws", partition, 1)

    unknown, known = (policy(command, tmp_path, sources, *more) for more in ((), ("--role", role)))

    prefix = f"arn:{partition}:ecs:{region}"
    assert statements(unknown)[0]["Resource"] == f"{prefix}:*:cluster/prod"
    assert statements(unknown)[2]["Condition"] == {
        "ArnLike": {"ecs:cluster": f"{prefix}:*:cluster/prod"},
        "StringEquals": {"aws:RequestedRegion": region},
    }
    assert statements(known)[0]["Resource"] == f"{prefix}:123456789012:cluster/prod"


def test_all_clusters(command: Command, tmp_path: Path) -> None:
    found = policy(command, tmp_path, source(ECS))

    assert "ecs:ListClusters" in actions(found)
    (clusters,) = [each for each in statements(found) if each["Sid"] == "EcsClusters"]
    assert clusters["Resource"] == "arn:aws:ecs:eu-west-1:*:cluster/*"
    assert all("ArnLike" not in str(each["Condition"]) for each in statements(found))


@pytest.mark.parametrize(
    ("keys", "more"),
    [
        ("type: ecs, clusters: [a]", set()),
        ("type: ecs", {"ecs:ListClusters"}),
        ("type: ecs, clusters: [a], address: public", {"ec2:DescribeNetworkInterfaces"}),
        ("type: ecs, clusters: [a], address: ipv6", set()),
        ("type: ecs, clusters: [a], zone_ids: true", {"ec2:DescribeAvailabilityZones"}),
        ("type: ec2", set()),
        ("type: ec2, status_checks: true", {"ec2:DescribeInstanceStatus"}),
        ("type: ec2, autoscaling: true", {"autoscaling:DescribeAutoScalingInstances"}),
        ("type: ec2, zone_ids: true", {"ec2:DescribeAvailabilityZones"}),
    ],
)
def test_each_option_adds_what_it_asks_for(command: Command, tmp_path: Path, keys: str, more: set[str]) -> None:
    always = {"ec2:DescribeInstances"}
    if "ecs" in keys:
        always |= {"ecs:ListTasks", "ecs:DescribeTasks", "ecs:DescribeTaskDefinition", "ecs:DescribeClusters",
                   "ecs:DescribeContainerInstances", "ssm:DescribeInstanceInformation"}  # fmt: skip

    assert actions(policy(command, tmp_path, source(f"{keys}, region: eu-west-1"))) == always | more


def test_without_a_region_the_policy_is_for_all_and_says_so(command: Command, tmp_path: Path) -> None:
    outcome = printed(command, tmp_path, source("type: ecs, clusters: [prod]"))

    assert "RequestedRegion" not in outcome.output
    assert "arn:aws:ecs:*:*:cluster/prod" in outcome.output
    assert "no region is configured" in outcome.error


def test_several_regions(command: Command, tmp_path: Path) -> None:
    found = policy(command, tmp_path, source("type: ecs, regions: [us-east-1, eu-west-1], clusters: [prod]"))

    assert statements(found)[0]["Resource"] == [
        "arn:aws:ecs:eu-west-1:*:cluster/prod", "arn:aws:ecs:us-east-1:*:cluster/prod",
    ]  # fmt: skip
    assert statements(found)[0]["Condition"] == {"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "us-east-1"]}}


def test_other_accounts_have_documents_of_their_own(command: Command, tmp_path: Path) -> None:
    accounts = f"accounts: [{{}}, {{assume_role: '{OTHER}', external_id: abc}}]"
    sources = source(f"{ECS}, clusters: ['{NAMED}', '{THERE}'], {accounts}")

    own = printed(command, tmp_path, sources)
    role = policy(command, tmp_path, sources, "--for", OTHER)
    trust = policy(command, tmp_path, sources, "--for", OTHER, "--trust", "--role", BRIDGE)
    everything = json.loads(printed(command, tmp_path, sources, "--all", "--role", BRIDGE).output)

    assert statements(json.loads(own.output))[0] == {
        "Sid": "AssumeRoles", "Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": OTHER,
    }  # fmt: skip
    assert THERE not in own.output, "that cluster is read by the role"
    assert f"note: there are policies for others too; print them with --for or --all: {OTHER}" in own.error
    assert statements(role)[0]["Resource"] == THERE
    assert "sts:AssumeRole" not in actions(role)
    assert statements(trust) == [
        {
            "Sid": "Bridge",
            "Effect": "Allow",
            "Principal": {"AWS": BRIDGE},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": "abc"}},
        }
    ]
    assert everything == {"bridge": {"policy": json.loads(own.output)}, OTHER: {"policy": role, "trust": trust}}


def test_the_bridge_needs_nothing_but_the_roles_where_it_reads_under_roles_only(
    command: Command, tmp_path: Path
) -> None:
    sources = source(f"type: ec2, region: eu-west-1, accounts: [{{assume_role: '{OTHER}'}}]")

    own = policy(command, tmp_path, sources)
    trust = policy(command, tmp_path, sources, "--for", OTHER, "--trust", "--role", BRIDGE)

    assert actions(own) == {"sts:AssumeRole"}
    assert "Condition" not in statements(trust)[0]


def test_sources_share_a_document_in_which_nothing_is_said_twice(command: Command, tmp_path: Path) -> None:
    both = source(f"{ECS}, clusters: [a]", "one") + source("type: ec2, region: eu-west-1", "two")
    more = source(f"{ECS}, clusters: [b]", "three")

    found = policy(command, tmp_path, both + more)
    turned = policy(command, tmp_path, more + both)

    assert turned == found, "the order of the sources makes no difference"
    named = [(action, str(each.get("Condition"))) for each in statements(found) for action in each["Action"]]  # type: ignore[attr-defined]  # a list in each
    assert len(named) == len(set(named))
    sids = [each["Sid"] for each in statements(found)]
    assert sids == ["Ec2InstancesEcsHostsEcsTaskDefinitions", "EcsClusters", "EcsTasks", "EcsTasksx2"]


def test_a_configuration_without_aws_is_a_finding(command: Command, tmp_path: Path) -> None:
    outcome = printed(command, tmp_path, source("type: file, path: /tmp/endpoints.yaml"))

    assert outcome.status == 1
    assert "no source of" in outcome.error
    assert outcome.output == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--for", OTHER), "is nobody that reads for this configuration"),
        (("--trust",), "name one with --for"),
        (("--role", "bridge"), "is no role"),
    ],
)
def test_what_cannot_be_printed_is_wrong_usage(
    command: Command, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    outcome = printed(command, tmp_path, source("type: ec2, region: eu-west-1"), *arguments)

    assert outcome.status == 2
    assert words in " ".join(outcome.error.replace("│", " ").split())


def test_a_trust_policy_needs_to_know_whom_to_trust(command: Command, tmp_path: Path) -> None:
    sources = source(f"type: ec2, region: eu-west-1, accounts: [{{assume_role: '{OTHER}'}}]")

    outcome = printed(command, tmp_path, sources, "--for", OTHER, "--trust")

    assert outcome.status == 2
    assert "give it with --role ARN" in " ".join(outcome.error.replace("│", " ").split())
