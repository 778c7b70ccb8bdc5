"""The modules of `terraform/`, as the real Terraform plans them: least privilege, safe queues, and clear refusals."""

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


REFUSED = {
    "a queue without a name": ("events", {"name": "", "kind": "ecs"}, "name has letters, digits, - and _"),
    "a queue with a name too long": ("events", {"name": "q" * 55, "kind": "ecs"}, "54 of them at most"),
    "another kind": ("events", {"name": "q", "kind": "eks"}, "kind is ecs or ec2"),
    "a cluster by name": ("events", {"name": "q", "kind": "ecs", "cluster_arns": ["prod"]}, "are ARNs of ECS clusters"),
    "a role of nobody": ("iam", {**TASK, "service": "lambda.amazonaws.com"}, "where the bridge runs"),
    "a region that is none": ("iam", {**TASK, "region": "Ireland"}, "such as eu-west-1"),
    "a role that may read nothing": ("iam", TASK, "set ecs or ec2 to true"),
    "a role by name": ("iam", {**TASK, "assume_role_arns": ["reader"]}, "are ARNs of roles"),
}


@pytest.mark.parametrize(("module", "variables", "why"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_out_of_range_is_refused_with_a_sentence(
    module: str, variables: Json, why: str, modules: Path
) -> None:
    refused = await told(modules / module, **variables)

    assert why in " ".join(refused.error.replace("│", " ").replace("\\n", " ").split())


@pytest.mark.parametrize("module", ["events", "iam"])
async def test_modules_are_formatted_as_terraform_formats(module: str, modules: Path) -> None:
    name = {"name": "q", "kind": "ecs"} if module == "events" else {**TASK, "ecs": True}

    assert (await told(modules / module, **name)).badly_formatted.strip() == ""
