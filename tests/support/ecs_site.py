"""What the Terraform example `complete` needs around it: moto in place of AWS, a real Consul, certificates."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from botocore.exceptions import ClientError

from scripts.step import ROOT
from support.aws import REGION
from support.aws_traffic import AwsSite, aws_site
from support.certificates import Authority
from support.confidential import hand_out_key
from support.consul import ConsulAgent, consul_agent
from support.consul_rights import READ_ALL
from support.ecs_task import EcsTask, ecs_endpoints
from support.envoy import envoy_binary
from support.events import moto_events
from support.moto_iam import MotoRole, judging
from support.terraform import Json, Told, told
from support.terraform_examples import EXAMPLES, example, secret

NAMES = ("xds-bridge-1.mesh.internal", "xds-bridge-2.mesh.internal")


@asynccontextmanager
async def tasks(
    directory: Path, root: Path, image: dict[str, object]
) -> AsyncIterator[tuple[AwsSite, EcsTask, EcsTask]]:
    """The first replica and the Envoys of the example, not started; and what they read.

    There are a task `t1`, an instance `v1` and in Consul `c1`; a task `t2` is there, and does not run yet.
    """
    planned = await told(example(ROOT, "complete"), **EXAMPLES["complete"])
    assert planned.error == ""
    definitions = {each["family"]: each for each in planned.resources("aws_ecs_task_definition").values()}
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(aws_site("t1", "v1"))
        await site.prepare("t2")
        consul = await stack.enter_async_context(consul_agent(acl=True))
        secrets = certificates() | {secret("consul"): await registered(site, consul)}
        queues = [stack.enter_context(moto_events(site.moto, name)).queue for name in ("tasks", "vms")]
        role = MotoRole(site.moto, "xds-bridge-1", *policies(planned))
        await stack.enter_async_context(ecs_endpoints(role.credentials(), TASK))
        stack.enter_context(judging())
        refused(role)
        files = {"/etc/hosts": hosts(directory), "/usr/local/bin/envoy": envoy_binary()}
        environment = {
            "AWS_ENDPOINT_URL": site.proxy.address,
            "QUEUE_TASKS": queues[0],
            "QUEUE_VMS": queues[1],
            "CONSUL": consul.address,
        }
        bridge = EcsTask(
            directory, definitions["xds-bridge-1"], root, image, secrets=secrets, environment=environment, files=files
        )
        edge = EcsTask(directory, definitions["edge"], root, image, secrets=secrets, environment={}, files=files)
        for task in (bridge, edge):
            stack.push_async_callback(task.remove)
        yield site, bridge, edge


TASK = f"arn:aws:ecs:{REGION}:123456789012:task/prod/158d1c8083dd49d6b527399fd6414f5c"


def hosts(directory: Path) -> Path:
    """The names that Cloud Map would know: all of this machine, where one replica runs."""
    file = directory / "hosts"
    file.write_text(f"127.0.0.1 localhost {' '.join(NAMES)}\n")
    return file


def certificates() -> dict[str, str]:
    """Those of bridge and Envoys, as the secrets that the example has."""
    authority = Authority()
    found: dict[str, str] = {}
    for who, names in (("bridge", NAMES), ("envoy", ("edge",))):
        pair = authority.issue(*names)
        parts = {"certificate": pair.certificate, "private_key": hand_out_key(pair.private_key)}
        parts["ca"] = authority.certificate
        found |= {f"{secret(who)}:{key}::": text.decode() for key, text in parts.items()}
    return found


async def registered(site: AwsSite, consul: ConsulAgent) -> str:
    """Have a backend in Consul; returns a token that may read it."""
    key = await site.running.start("c1", "127.0.2.1", site.port)
    await consul.register("web", key.address, port=key.port)
    await consul.policy("bridge", READ_ALL)
    return (await consul.token("bridge"))[0]


def policies(planned: Told) -> tuple[Json, Json]:
    """What the first replica may do, and who may be it."""
    of_replica = 'module.xds_bridge.module.replica["1"].module.iam.'
    resources = planned.resources()
    read = resources[f"{of_replica}aws_iam_role_policy.read[0]"]["policy"]
    trust = resources[f"{of_replica}aws_iam_role.this"]["assume_role_policy"]
    return json.loads(cast("str", read)), json.loads(cast("str", trust))


def refused(role: MotoRole) -> None:
    """That moto judges, which everything here rests on."""
    with pytest.raises(ClientError, match="AccessDenied"):
        role.client("ecs").list_services(cluster="prod")  # type: ignore[attr-defined]  # boto3 has no types
