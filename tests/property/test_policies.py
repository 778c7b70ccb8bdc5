"""Whatever is configured, the policies are such as IAM takes, and allow nothing that the sources never call."""

import json
import re
from collections.abc import Mapping
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from adapters.ec2 import Ec2Adapter
from adapters.ecs import EcsAdapter
from bridge.cli.policy import policies, write
from bridge.config import SourceConfig
from bridge.model import SourceName
from support.iam import actions, listed, statements

READS = {
    "autoscaling:DescribeAutoScalingInstances", "ec2:DescribeAvailabilityZones", "ec2:DescribeInstanceStatus",
    "ec2:DescribeInstances", "ec2:DescribeNetworkInterfaces", "ecs:DescribeClusters",
    "ecs:DescribeContainerInstances", "ecs:DescribeTaskDefinition", "ecs:DescribeTasks", "ecs:ListClusters",
    "ecs:ListTasks", "sqs:DeleteMessage", "sqs:ReceiveMessage", "ssm:DescribeInstanceInformation",
}  # fmt: skip
REGIONS = ["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1"]
ARN = re.compile(
    r"\*|arn:aws[a-z-]*:"
    r"(ecs:([a-z0-9-]+|\*):([0-9]{12}|\*):cluster/[\w*-]+|iam::[0-9]{12}:role/[\w/-]+|sqs:[a-z0-9-]+:[0-9]{12}:[\w-]+)"
)

names = st.text("abc-_1", min_size=1, max_size=8)
accounts = st.sampled_from(["111111111111", "222222222222"])
roles = st.builds("arn:aws:iam::{}:role/{}".format, accounts, st.sampled_from(["a", "path/b"]))
account_configs = st.lists(
    st.one_of(st.just({}), st.fixed_dictionaries({"assume_role": roles}, optional={"external_id": st.just("told")})),
    max_size=3,
    unique_by=lambda each: each.get("assume_role"),
)
places = {
    "regions": st.lists(st.sampled_from(REGIONS), max_size=3, unique=True),
    "accounts": account_configs,
    "events": st.booleans(),
}
ec2_options = st.fixed_dictionaries(
    {**places, "status_checks": st.booleans(), "autoscaling": st.booleans(), "zone_ids": st.booleans()}
)
ecs_options = st.fixed_dictionaries(
    {
        **places,
        "clusters": st.none() | st.lists(names, min_size=1, max_size=3, unique=True),
        "address": st.sampled_from(["private", "public", "ipv6"]),
        "zone_ids": st.booleans(),
    }
)


def heard(options: Mapping[str, object]) -> dict[str, object]:
    """The options with a queue, where there is to be one: in the first region, of the only account."""
    if not options["events"] or len(cast("list[object]", options["accounts"])) > 1:
        return {**options, "events": None}
    regions = cast("list[str]", options["regions"]) or ["eu-west-1"]
    roles = [str(each.get("assume_role", "")) for each in cast("list[Mapping[str, object]]", options["accounts"])]
    account = roles[0].split(":")[4] if roles and roles[0] else "333333333333"
    return {**options, "events": {"queue": f"https://sqs.{regions[0]}.amazonaws.com/{account}/events"}}


def sources(options: list[dict[str, object]]) -> list[SourceConfig]:
    found = []
    for number, each in enumerate(options):
        adapter = EcsAdapter if "clusters" in each else Ec2Adapter
        config = adapter.Config.model_validate(heard(each))
        found.append(SourceConfig(name=SourceName(f"s{number}"), type="aws", adapter=adapter, options=config))
    return found


@given(st.lists(ecs_options | ec2_options, min_size=1, max_size=4), st.booleans())
def test_policies_of_any_configuration(options: list[dict[str, object]], known: bool) -> None:
    found = policies(sources(options), "arn:aws:iam::123456789012:role/bridge" if known else "")

    assert found
    assert found.permissions
    for name in found.permissions:
        policy = json.loads(write(found.policy(name)))
        assert policy == found.policy(name)
        assert policy["Version"] == "2012-10-17"
        assert actions(policy)
        assert actions(policy) <= READS | ({"sts:AssumeRole"} if name == "bridge" else set())
        sids = [str(each["Sid"]) for each in statements(policy)]
        assert len(set(sids)) == len(sids)
        assert all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in sids)
        for each in statements(policy):
            assert each["Action"]
            assert all(ARN.fullmatch(resource) for resource in listed(each["Resource"]))
            narrow = {"sts:AssumeRole", "sqs:ReceiveMessage", "sqs:DeleteMessage"} & set(listed(each["Action"]))
            assert not (narrow and each["Resource"] == "*")
        assert all(note.strip() for note in found.notes(name))
    everything = found.everything()
    assert set(everything) == set(found.permissions)
    assert policies(sources(options[::-1]), found.role) == found


@given(ecs_options)
def test_a_policy_for_named_clusters_reaches_no_other(options: dict[str, object]) -> None:
    found = policies(sources([options]))

    assert found
    named = options["clusters"]
    for name in found.permissions:
        for each in statements(found.policy(name)):
            if "ecs:ListTasks" not in listed(each["Action"]):
                continue
            conditions = cast("Mapping[str, Mapping[str, object]]", each.get("Condition", {}))
            reach = [keys["ecs:cluster"] for keys in conditions.values() if "ecs:cluster" in keys]
            clusters = {arn.partition("/")[2] for value in reach for arn in listed(value)}
            assert clusters == set(named if isinstance(named, list) else ())
