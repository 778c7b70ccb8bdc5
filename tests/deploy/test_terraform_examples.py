"""The examples of `terraform/`, as the real Terraform plans them: who is let in, who may do what, who has what."""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import cast

import pytest

from support.command import command
from support.terraform import Json, Told, allowed, run_tests, told, unplannable
from support.terraform_examples import (
    CLUSTER,
    ENVOYS,
    EXAMPLES,
    IMAGE,
    PROMETHEUS,
    containers,
    environment,
    example,
    secret,
)

REPLICAS = ("xds-bridge-1", "xds-bridge-2")
SERVICES_OF_ECS = ("ecs", "complete")


@pytest.fixture(scope="module")
def planned() -> dict[str, Told]:
    return {}


async def plan(name: str, repository: Path, planned: dict[str, Told]) -> Told:
    """An example, planned once for all tests here."""
    if name not in planned:
        planned[name] = await told(example(repository, name), **EXAMPLES[name])
    assert planned[name].error == ""
    return planned[name]


def of_name(resources: dict[str, Json], key: str = "name") -> dict[str, Json]:
    return {cast("str", each[key]): each for each in resources.values()}


def replica_of(address: str) -> str:
    """Which replica a resource of it belongs to, by its address in the plan."""
    (number,) = re.findall(r'module\.replica\["(\d)"\]|this\["(\d)"\]', address)[:1]
    return f"xds-bridge-{''.join(number)}"


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example_is_planned_as_it_is_and_all_is_formatted_as_terraform_formats(
    name: str, repository: Path, planned: dict[str, Told]
) -> None:
    assert (await plan(name, repository, planned)).badly_formatted.strip() == ""


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example_can_be_planned_before_anything_is_there(name: str, repository: Path) -> None:
    assert await unplannable(example(repository, name), **EXAMPLES[name]) == ""


@pytest.mark.parametrize("name", EXAMPLES)
async def test_nobody_is_let_in_but_by_a_group_and_at_the_door_that_is_his(
    name: str, repository: Path, planned: dict[str, Told]
) -> None:
    resources = await plan(name, repository, planned)

    assert all(not each.get("ingress") for each in resources.resources("aws_security_group").values())
    rules = resources.resources("aws_vpc_security_group_ingress_rule").values()
    assert [each for each in rules if each["cidr_ipv4"] or each["cidr_ipv6"] or each["prefix_list_id"]] == []
    bridge, balancer = "sg-xds-bridge", "sg-xds-bridge-balancer"
    envoys = "sg-edge" if name == "complete" else ENVOYS
    let_in = {
        (each["security_group_id"], each["referenced_security_group_id"], each["from_port"], each["to_port"])
        for each in rules
    }
    expected = {
        "ecs": {(bridge, envoys, 18000, 18000)},
        "ec2": {(balancer, envoys, 18000, 18001), (bridge, balancer, 18000, 18000)},
        "complete": {
            (bridge, envoys, 18000, 18000),
            (bridge, bridge, 19000, 19000),
            ("sg-xds-bridge-state", bridge, 2049, 2049),
        },
    }
    assert let_in == expected[name] | {(bridge, PROMETHEUS, 19000, 19000)}


@pytest.mark.parametrize("name", EXAMPLES)
async def test_each_replica_may_do_what_its_configuration_needs_and_no_more(
    name: str, repository: Path, planned: dict[str, Told]
) -> None:
    resources = await plan(name, repository, planned)
    config = example(repository, name) / "bridge.yaml"

    policies = {
        replica_of(address): role["policy"]
        for address, role in resources.resources("aws_iam_role_policy").items()
        if address.endswith(".module.iam.aws_iam_role_policy.read[0]")
    }
    assert sorted(policies) == sorted(REPLICAS)
    for replica, policy in policies.items():
        variables = replica_environments(name, resources)[replica]
        needed = await command("iam-policy", "--config", config, environ=variables)
        assert needed.error == ""
        assert allowed(json.loads(cast("str", policy))) == allowed(json.loads(needed.output))


@pytest.mark.parametrize("name", EXAMPLES)
async def test_the_bridge_accepts_the_configuration_that_each_replica_gets(
    name: str, repository: Path, planned: dict[str, Told], tmp_path: Path
) -> None:
    resources = await plan(name, repository, planned)
    config = example(repository, name) / "bridge.yaml"
    text = config.read_text().replace("/etc/xds-bridge/credentials", str(tmp_path))
    (tmp_path / "bridge.yaml").write_text(text)
    for file in re.findall(rf"{tmp_path}/([\w.-]+)", text):
        (tmp_path / file).touch()

    for variables in replica_environments(name, resources).values():
        outcome = await command("iam-policy", "--config", tmp_path / "bridge.yaml", environ=variables)
        assert (outcome.status, outcome.error) == (0, "")


def replica_environments(name: str, resources: Told) -> dict[str, dict[str, str]]:
    """What the configuration of each replica may refer to."""
    if name in SERVICES_OF_ECS:
        tasks = of_name(resources.resources("aws_ecs_task_definition"), "family")
        return {replica: environment(containers(tasks[replica])["xds-bridge"]) for replica in REPLICAS}
    return {
        replica: dict(re.findall(r'^Environment="(\w+)=(.*)"$', drop_in(template), re.MULTILINE))
        for replica, template in of_name(resources.resources("aws_launch_template")).items()
    }


def user_data(template: Json) -> str:
    return gzip.decompress(base64.b64decode(cast("str", template["user_data"]))).decode()


def files_of(template: Json) -> dict[str, str]:
    """What user data writes, text by path."""
    (written,) = re.findall(r"json\.loads\(r\'\'\'(.*)\'\'\'\)", user_data(template))
    files: dict[str, str] = json.loads(written)
    return files


def drop_in(template: Json) -> str:
    return files_of(template)["/etc/systemd/system/xds-bridge.service.d/replica.conf"]


@pytest.mark.parametrize("name", EXAMPLES)
async def test_replicas_share_the_budget_and_nothing_else(
    name: str, repository: Path, planned: dict[str, Told]
) -> None:
    resources = await plan(name, repository, planned)

    first, second = replica_environments(name, resources).values()
    assert (first["REPLICA"], second["REPLICA"]) == REPLICAS
    assert float(first["API_BUDGET"]) + float(second["API_BUDGET"]) == 5
    queues = {key for key in first if key.startswith("QUEUE_")}
    assert queues
    assert all(first[key] != second[key] for key in queues)
    made = of_name(resources.resources("aws_sqs_queue"))
    named = {variables[key].rpartition("/")[2] for variables in (first, second) for key in queues}
    assert set(made) == named | {f"{queue}-dead" for queue in named}


@pytest.mark.parametrize("name", SERVICES_OF_ECS)
async def test_a_replica_of_ecs_is_a_service_of_one_task_in_a_zone_of_its_own(
    name: str, repository: Path, planned: dict[str, Told]
) -> None:
    resources = await plan(name, repository, planned)

    services = of_name(resources.resources("aws_ecs_service"))
    zones = []
    for replica in REPLICAS:
        service = services[replica]
        assert service["desired_count"] == 1
        assert service["deployment_circuit_breaker"] == [{"enable": True, "rollback": True}]
        # State on EFS is locked by the bridge that has it, so that the old one has to go first.
        percents = (service["deployment_minimum_healthy_percent"], service["deployment_maximum_percent"])
        assert percents == ((0, 100) if name == "complete" else (100, 200))
        (network,) = cast("list[Json]", service["network_configuration"])
        assert (network["security_groups"], network["assign_public_ip"]) == (["sg-xds-bridge"], False)
        zones += cast("list[str]", network["subnets"])
        (registry,) = cast("list[Json]", service["service_registries"])
        assert registry["registry_arn"] == f"arn:aws:servicediscovery:eu-west-1:123456789012:service/srv-{replica}"
    assert zones == ["subnet-a", "subnet-b"]


@pytest.mark.parametrize("name", SERVICES_OF_ECS)
async def test_a_task_is_not_root_writes_to_its_volumes_and_has_secrets_by_their_arns(
    name: str, repository: Path, planned: dict[str, Told]
) -> None:
    resources = await plan(name, repository, planned)

    tasks = of_name(resources.resources("aws_ecs_task_definition"), "family")
    for replica in REPLICAS:
        task = tasks[replica]
        assert (task["network_mode"], task["requires_compatibilities"]) == ("awsvpc", ["FARGATE"])
        files, bridge = containers(task)["files"], containers(task)["xds-bridge"]
        for container in (files, bridge):
            assert container["image"] == IMAGE
            assert container["user"] == "65532:65532"
            assert container["readonlyRootFilesystem"] is True
            assert container["linuxParameters"] == {"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}}
        assert bridge["dependsOn"] == [{"containerName": "files", "condition": "SUCCESS"}]
        assert bridge["healthCheck"]["command"] == ["CMD", "xds-bridge-health"]  # type: ignore[index]
        writable = {each["containerPath"] for each in cast("list[Json]", bridge["mountPoints"]) if not each["readOnly"]}
        assert writable == {"/var/lib/xds-bridge", "/run/xds-bridge"}
        written = json.loads(environment(files)["FILES"])
        assert written == {"bridge.yaml": (example(repository, name) / "bridge.yaml").read_text()}
        by_variable = {each["name"]: each["valueFrom"] for each in cast("list[dict[str, str]]", files["secrets"])}
        given = {path: by_variable[variable] for path, variable in json.loads(environment(files)["SECRETS"]).items()}
        assert given == ({} if name == "ecs" else SECRETS)
    assert {log["retention_in_days"] for log in resources.resources("aws_cloudwatch_log_group").values()} == {30}


SECRETS = {
    "credentials/tls.crt": f"{secret('bridge')}:certificate::",
    "credentials/tls.key": f"{secret('bridge')}:private_key::",
    "credentials/ca.crt": f"{secret('bridge')}:ca::",
    "credentials/consul-token": secret("consul"),
}


async def test_ecs_starts_a_task_with_its_image_its_log_and_its_secrets_alone(
    repository: Path, planned: dict[str, Told]
) -> None:
    resources = await plan("complete", repository, planned)

    start = stated(resources, "module.xds_bridge.data.aws_iam_policy_document.execution")
    (secrets,) = (
        json.loads(cast("str", role["policy"]))
        for address, role in resources.resources("aws_iam_role_policy").items()
        if "module.secrets" in address
    )
    log = "arn:aws:logs:eu-west-1:123456789012:log-group:/xds-bridge/xds-bridge:*"
    image = "arn:aws:ecr:eu-west-1:123456789012:repository/xds-bridge"
    assert start | {(action, resource) for action, resource, _ in allowed(secrets)} == {
        ("logs:CreateLogStream", log),
        ("logs:PutLogEvents", log),
        ("ecr:BatchCheckLayerAvailability", image),
        ("ecr:BatchGetImage", image),
        ("ecr:GetDownloadUrlForLayer", image),
        ("ecr:GetAuthorizationToken", "*"),
        ("secretsmanager:GetSecretValue", secret("bridge")),
        ("secretsmanager:GetSecretValue", secret("consul")),
    }


async def test_state_on_efs_is_encrypted_and_each_replica_writes_to_its_own_folder(
    repository: Path, planned: dict[str, Told]
) -> None:
    resources = await plan("complete", repository, planned)

    (system,) = resources.resources("aws_efs_file_system").values()
    assert system["encrypted"] is True
    places = resources.resources("aws_efs_access_point")
    for address, place in places.items():
        (root,) = cast("list[Json]", place["root_directory"])
        assert root["path"] == f"/{replica_of(address)}"
        assert place["posix_user"] == [{"uid": 65532, "gid": 65532, "secondary_gids": None}]
    documents = resources.resources("aws_iam_policy_document")
    for number in ("1", "2"):
        document = documents[f'module.xds_bridge.data.aws_iam_policy_document.state["{number}"]']
        (statement,) = cast("list[dict[str, list[Json]]]", document["statement"])
        (condition,) = statement["condition"]
        assert condition["variable"] == "elasticfilesystem:AccessPointArn"
        assert condition["values"] == [places[f'module.xds_bridge.aws_efs_access_point.this["{number}"]']["arn"]]


def stated(resources: Told, address: str) -> set[tuple[str, str]]:
    """What a policy document allows that refers to what is not there yet, so that it has no text before apply."""
    statements = cast("list[dict[str, list[str]]]", resources.resources()[address]["statement"])
    return {(action, resource) for each in statements for action in each["actions"] for resource in each["resources"]}


async def test_an_instance_is_asked_by_token_has_an_encrypted_disk_and_is_replaced_before_it_goes(
    repository: Path, planned: dict[str, Told]
) -> None:
    resources = await plan("ec2", repository, planned)

    for template in resources.resources("aws_launch_template").values():
        (metadata,) = cast("list[Json]", template["metadata_options"])
        assert (metadata["http_tokens"], metadata["http_put_response_hop_limit"]) == ("required", 1)
        ((disk,),) = (each["ebs"] for each in cast("list[dict[str, list[Json]]]", template["block_device_mappings"]))
        assert disk["encrypted"] in (True, "true")
        named = json.loads(files_of(template)["/usr/local/lib/xds-bridge/secrets.json"])
        parts = {"tls.crt": "certificate", "tls.key": "private_key", "ca.crt": "client_ca"}
        assert named == {f"credentials/{file}": f"{secret('tls')}:{key}::" for file, key in parts.items()}
    for group in resources.resources("aws_autoscaling_group").values():
        assert (group["min_size"], group["desired_capacity"], group["max_size"]) == (1, 1, 2)
        (refresh,) = cast("list[Json]", group["instance_refresh"])
        (preferences,) = cast("list[Json]", refresh["preferences"])
        assert (preferences["min_healthy_percentage"], preferences["max_healthy_percentage"]) == (100, 200)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ecs", [f"xds-bridge-{each}.mesh.internal:18000" for each in (1, 2)]),
        ("ec2", [f"xds-bridge.elb.eu-west-1.amazonaws.com:{port}" for port in (18000, 18001)]),
    ],
    ids=["Cloud Map", "load balancer"],
)
async def test_the_addresses_for_the_bootstrap_are_told(
    name: str, expected: list[str], repository: Path, planned: dict[str, Told]
) -> None:
    line = cast("str", (await plan(name, repository, planned)).outputs()["bootstrap"])

    assert re.findall(r"--bridge (\S+)", line) == expected


async def test_capacity_of_ec2_and_a_load_balancer_are_a_matter_of_two_variables(repository: Path) -> None:
    of_network = {key: value for key, value in EXAMPLES["ecs"].items() if key in ("vpc_id", "subnet_ids", "image")}
    resources = await told(
        repository / "terraform/modules/ecs",
        **of_network,
        config=(example(repository, "ecs") / "bridge.yaml").read_text(),
        cluster_arn=CLUSTER,
        launch_type="EC2",
        envoy_security_group_ids={"edge": ENVOYS},
        replicas=3,
    )

    assert resources.error == ""
    services = resources.resources("aws_ecs_service")
    assert {service["launch_type"] for service in services.values()} == {"EC2"}
    for address, service in services.items():
        (balancer,) = cast("list[Json]", service["load_balancer"])
        assert cast("str", balancer["target_group_arn"]).endswith(f"/{replica_of(address)}/0")
        assert service["service_registries"] == []
    listeners = resources.resources("aws_lb_listener").values()
    assert {listener["port"] for listener in listeners} == {18000, 18001, 18002}
    (balancer,) = resources.resources("aws_lb").values()
    assert (balancer["internal"], balancer["enable_cross_zone_load_balancing"]) == (True, True)


@pytest.mark.parametrize("module", ["ecs", "ec2"])
async def test_the_modules_pass_their_own_tests(module: str, repository: Path) -> None:
    failed, output = await run_tests(repository / "terraform/modules" / module)

    assert failed == 0, output
    assert "0 failed" in output
