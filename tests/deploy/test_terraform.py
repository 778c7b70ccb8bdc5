"""The modules of `terraform/`, as the real Terraform plans them: least privilege, safe queues, and clear refusals."""

import base64
import gzip
import json
from pathlib import Path
from typing import cast

import pytest

from support.command import command
from support.terraform import Json, allowed, told

PROD = "arn:aws:ecs:eu-west-1:123456789012:cluster/prod"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:xds-bridge-1-ecs"
QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/xds-bridge-1-ecs"
TASK: Json = {"region": "eu-west-1", "service": "ecs-tasks.amazonaws.com"}

ROLES: dict[str, tuple[Json, list[Json]]] = {
    "clusters by name": (
        {"ecs": True, "ecs_clusters": ["prod", "edge"]},
        [{"type": "ecs", "clusters": ["prod", "edge"]}],
    ),
    "a cluster by ARN": ({"ecs": True, "ecs_clusters": [PROD]}, [{"type": "ecs", "clusters": [PROD]}]),
    "all clusters": ({"ecs": True}, [{"type": "ecs"}]),
    "public addresses and ids of zones": (
        {"ecs": True, "zone_ids": True, "public_addresses": True},
        [{"type": "ecs", "zone_ids": True, "address": "public"}],
    ),
    "instances": ({"ec2": True}, [{"type": "ec2"}]),
    "instances of Auto Scaling": (
        {"ec2": True, "zone_ids": True, "autoscaling": True},
        [{"type": "ec2", "zone_ids": True, "autoscaling": True}],
    ),
    "tasks and instances": ({"ecs": True, "ec2": True}, [{"type": "ecs"}, {"type": "ec2"}]),
    "events": ({"ecs": True, "queue_arns": [QUEUE]}, [{"type": "ecs", "events": {"queue": QUEUE_URL}}]),
}
"""Variables of the role's module, and the sources that it is for."""


SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:token-AbCdEf"
CONFIG = """
xds: {listen: "0.0.0.0:18000", insecure: true}
admin: {listen: "0.0.0.0:19000"}
sources:
  - {name: tasks, type: ecs, region: "${AWS_REGION}", api_budget: "${API_BUDGET}", events: {queue: "${QUEUE_TASKS}"}}
"""
CONSUL = """
xds: {listen: "0.0.0.0:18000", insecure: true}
admin: {listen: "0.0.0.0:19000"}
sources: [{name: dc1, type: consul, address: "http://consul.internal:8500"}]
"""
DEPLOYED: Json = {
    "config": CONFIG,
    "vpc_id": "vpc-1",
    "subnet_ids": ["subnet-a", "subnet-b"],
    "envoy_security_group_ids": {"edge": "sg-edge"},
}


def of_tasks(**variables: object) -> Json:
    """What the module ecs needs beside, but for some variables."""
    return {"image": "xds-bridge:0.1.0", "cluster_arn": PROD} | variables


def of_instances(**variables: object) -> Json:
    """What the module ec2 needs beside, but for some variables."""
    release = "https://example.com/xds_bridge-0.1.0.tar.gz"
    return {"image_id": "ami-0123456789abcdef0", "release_url": release, "release_sha256": "0" * 64} | variables


@pytest.fixture(scope="module")
def modules(request: pytest.FixtureRequest) -> Path:
    return Path(request.config.rootpath) / "terraform/modules"


@pytest.mark.parametrize(("variables", "sources"), ROLES.values(), ids=ROLES.keys())
async def test_the_role_may_do_what_its_sources_need_and_no_more(
    variables: Json, sources: list[Json], modules: Path, tmp_path: Path
) -> None:
    config = tmp_path / "bridge.yaml"
    named = [{"name": f"source-{number}", "region": "eu-west-1", **each} for number, each in enumerate(sources)]
    config.write_text(json.dumps({"sources": named}))
    needed = await command("iam-policy", "--config", str(config))

    planned = await told(modules / "iam", **TASK, **variables)

    assert planned.error == ""
    (role,) = planned.resources("aws_iam_role_policy").values()
    assert allowed(json.loads(cast("str", role["policy"]))) == allowed(json.loads(needed.output))


async def test_a_task_takes_the_role_and_an_instance_gets_a_profile_too(modules: Path) -> None:
    of_task = await told(modules / "iam", **TASK, ecs=True)
    of_instance = await told(modules / "iam", **TASK | {"service": "ec2.amazonaws.com"}, ec2=True)

    for planned, service, profiles in ((of_task, "ecs-tasks", 0), (of_instance, "ec2", 1)):
        (role,) = planned.resources("aws_iam_role").values()
        (statement,) = json.loads(cast("str", role["assume_role_policy"]))["Statement"]
        assert statement["Action"] == "sts:AssumeRole"
        assert statement["Principal"] == {"Service": f"{service}.amazonaws.com"}
        assert len(planned.resources("aws_iam_instance_profile")) == profiles


async def test_a_rule_for_clusters_by_name_and_by_arn_hears_of_all(modules: Path) -> None:
    mixed = CONFIG.replace("type: ecs,", f"type: ecs, clusters: [prod, '{PROD}'],")
    planned = await told(modules / "ecs", **DEPLOYED | of_tasks(config=mixed))

    assert planned.error == ""
    patterns = [rule["event_pattern"] for rule in planned.resources("aws_cloudwatch_event_rule").values()]
    changes = [json.loads(pattern) for pattern in cast("list[str | None]", patterns) if pattern]
    assert len(changes) == 2
    assert all("detail" not in pattern for pattern in changes)


async def test_a_variable_reaches_the_service_as_it_is(modules: Path) -> None:
    given = {"URL": 'http://a/%2F"b\\c', "REPLICA": "mine"}
    planned = await told(modules / "ec2", **DEPLOYED | of_instances(environment=given))

    assert planned.error == ""
    (one, _) = planned.resources("aws_launch_template").values()
    script = gzip.decompress(base64.b64decode(cast("str", one["user_data"]))).decode()
    assert json.dumps('Environment="URL=http://a/%%2F\\"b\\\\c"')[1:-1] in script
    assert "REPLICA=xds-bridge-1" in script


async def test_a_bridge_that_reads_consul_alone_may_do_nothing_in_aws(modules: Path) -> None:
    planned = await told(modules / "ecs", **DEPLOYED | of_tasks(config=CONSUL))

    assert planned.error == ""
    roles = [role["name"] for role in planned.resources("aws_iam_role").values()]
    assert sorted(cast("list[str]", roles)) == ["xds-bridge-1", "xds-bridge-2", "xds-bridge-execution"]
    assert list(planned.resources("aws_iam_role_policy")) == ["aws_iam_role_policy.execution"]


async def test_a_queue_is_encrypted_forgets_soon_and_hears_its_own_rules_alone(modules: Path) -> None:
    planned = await told(modules / "events", name="xds-bridge-1-ecs", kind="ecs", cluster_arns=[PROD])

    assert planned.error == ""
    queues = planned.resources("aws_sqs_queue")
    assert all(queue["sqs_managed_sse_enabled"] for queue in queues.values())
    own = queues["aws_sqs_queue.this"]
    assert (own["message_retention_seconds"], own["visibility_timeout_seconds"]) == (600, 30)
    assert json.loads(cast("str", own["redrive_policy"]))["maxReceiveCount"] >= 10
    rules = planned.resources("aws_cloudwatch_event_rule")
    (document,) = planned.resources("aws_iam_policy_document").values()
    (statement,) = cast("list[Json]", document["statement"])
    assert statement["actions"] == ["sqs:SendMessage"]
    assert statement["principals"] == [{"type": "Service", "identifiers": ["events.amazonaws.com"]}]
    (condition,) = cast("list[Json]", statement["condition"])
    assert (condition["test"], condition["variable"]) == ("ArnEquals", "aws:SourceArn")
    assert set(cast("list[str]", condition["values"])) == {rule["arn"] for rule in rules.values()}
    assert rules["aws_cloudwatch_event_rule.heartbeat"]["schedule_expression"] == "rate(1 minute)"
    targets = planned.resources("aws_cloudwatch_event_target").values()
    assert {(each["rule"], each["arn"]) for each in targets} == {(rule["name"], own["arn"]) for rule in rules.values()}


@pytest.mark.parametrize(
    ("kind", "clusters", "page"), [("ecs", [PROD], "ecs.md"), ("ec2", [], "ec2.md")], ids=["ecs", "ec2"]
)
async def test_rules_are_for_the_events_that_the_documentation_names(
    kind: str, clusters: list[str], page: str, modules: Path, repository: Path
) -> None:
    planned = await told(modules / "events", name="q", kind=kind, cluster_arns=clusters)

    rule = planned.resources("aws_cloudwatch_event_rule")["aws_cloudwatch_event_rule.changes"]
    text = (repository / "docs" / page).read_text()
    documented = text[text.index("`pattern.json` there") :].split("```json\n")[1].split("```")[0]
    assert json.loads(cast("str", rule["event_pattern"])) == json.loads(documented)


REFUSED_OF_TASKS: dict[str, tuple[Json, str]] = {
    "no YAML": ({"config": "sources: ["}, "YAML with at least one source"),
    "no sources": ({"config": "admin: {}"}, "YAML with at least one source"),
    "another port": ({"config": CONFIG.replace(":18000", ":18001")}, "these are the ports that are let in"),
    "loopback": ({"config": CONFIG.replace("0.0.0.0:18000", "127.0.0.1:18000")}, "beyond loopback, where Envoys are"),
    "neither TLS nor the word": ({"config": CONFIG.replace(", insecure: true", "")}, "or xds: {insecure: true}"),
    "a budget of its own": ({"config": CONFIG.replace("${API_BUDGET}", "5")}, "divided among them"),
    "a queue for all": ({"config": CONFIG.replace("${QUEUE_TASKS}", QUEUE_URL)}, "has a queue of its own"),
    "elsewhere": ({"config": CONFIG.replace("${AWS_REGION}", "us-east-1")}, "are not in eu-west-1, where"),
    "no replica": ({"replicas": 0}, "a whole number from 1 to 6"),
    "half a replica": ({"replicas": 1.5}, "a whole number from 1 to 6"),
    "a budget of nothing": ({"api_budget": 0}, "from 1 to 100 calls a second"),
    "a name too long": ({"name": "x" * 24}, "has 23 characters at most"),
    "no Envoys": ({"envoy_security_group_ids": {}}, "nobody else is let in"),
    "no subnet": ({"subnet_ids": []}, "name a private subnet for each zone"),
    "the latest image": ({"image": "xds-bridge:latest"}, "and not latest"),
    "another capacity": ({"launch_type": "LAMBDA"}, "launch_type is FARGATE or EC2"),
    "more cores": ({"cpu": 4096}, "does not use more than one core"),
    "too little memory": ({"memory": 64}, "from 512 to 16384 MiB"),
    "memory that Fargate does not pair with it": ({"memory": 512}, "Fargate has from 1024 to 4096 MiB"),
    "an image of a registry with a port": ({"image": "registry:5000/xds-bridge"}, "and not latest"),
    "peers without names": ({"peers": True}, "peers needs cloud_map_namespace"),
    "a variable of two lines": ({"environment": {"A": "1\nB=2"}}, "values of one line"),
    "too much to configure": ({"files": {"endpoints.yaml": "x" * 50000}}, "of which AWS takes 64 KiB"),
    "another processor": ({"cpu_architecture": "arm64"}, "is X86_64 or ARM64"),
    "a cluster by name": ({"cluster_arn": "prod"}, "is the ARN of an ECS cluster"),
    "a log for ever": ({"log_retention_days": 2}, "is one of CloudWatch's"),
    "a secret itself": ({"secret_files": {"token": "hunter2"}}, "never the secret itself"),
    "a secret elsewhere": ({"secret_files": {"../token": SECRET}}, "without .. in them"),
    "a file elsewhere": ({"files": {"/etc/passwd": ""}}, "are relative to /etc/xds-bridge"),
    "two configurations": ({"files": {"bridge.yaml": ""}}, "which is given by config"),
    "a key by alias": ({"secret_kms_key_arns": ["alias/x"]}, "an alias is not enough"),
    "a purpose with quotes": (
        {"egress": {"it's AWS": {"port": 443, "cidr": "0.0.0.0/0"}}},
        "the description of a rule",
    ),
    "nowhere to": ({"egress": {"nowhere": {"port": 443}}}, "and one of cidr"),
}
REFUSED_OF_INSTANCES: dict[str, tuple[Json, str]] = {
    "no AMI": ({"image_id": "debian-12"}, "is that of an AMI"),
    "no sum": ({"release_sha256": "0"}, "has 64 hexadecimal digits"),
    "no archive": ({"release_url": "s3://releases/xds.tar.gz"}, "is the URL of a source distribution"),
    "too much to configure": (
        {"files": {"endpoints.yaml": " ".join(str(number**7) for number in range(3000))}},
        "AWS takes 16 KiB of user data",
    ),
    "a variable with a space": ({"environment": {"A B": "1"}}, "has names of letters"),
    "no index": ({"pip_index_url": "'; reboot"}, "pip_index_url is a URL"),
}
REFUSED: dict[str, tuple[str, Json, str]] = {
    "a queue without a name": ("events", {"name": "", "kind": "ecs"}, "name has letters, digits, - and _"),
    "a queue with a name too long": ("events", {"name": "q" * 55, "kind": "ecs"}, "54 of them at most"),
    "another kind": ("events", {"name": "q", "kind": "eks"}, "kind is ecs or ec2"),
    "a cluster by name": ("events", {"name": "q", "kind": "ecs", "cluster_arns": ["prod"]}, "are ARNs of ECS clusters"),
    "a role of nobody": ("iam", {**TASK, "service": "lambda.amazonaws.com"}, "where the bridge runs"),
    "a region that is none": ("iam", {**TASK, "region": "Ireland"}, "such as eu-west-1"),
    "a role by name": ("iam", {**TASK, "assume_role_arns": ["reader"]}, "are ARNs of roles"),
    **{f"ecs: {what}": ("ecs", DEPLOYED | of_tasks(**given), why) for what, (given, why) in REFUSED_OF_TASKS.items()},
    **{
        f"ec2: {what}": ("ec2", DEPLOYED | of_instances(**given), why)
        for what, (given, why) in REFUSED_OF_INSTANCES.items()
    },
}


@pytest.mark.parametrize(("module", "variables", "why"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_out_of_range_is_refused_with_a_sentence(
    module: str, variables: Json, why: str, modules: Path
) -> None:
    refused = await told(modules / module, **variables)

    assert why in " ".join(refused.error.replace("│", " ").replace("\\n", " ").split())
