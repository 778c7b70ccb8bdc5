"""The ECS source against the canned server, under a context that remembers everything."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from adapters._aws import Cloud
from adapters.ecs import Config, EcsAdapter
from support.ec2 import failures, passes
from support.ecs import CLUSTER, REGION, arn, container, definition_json, task_json
from support.ecs_server import EcsServer
from support.recording import RecordingContext, running

__all__ = ["adapter", "failures", "on_host", "passes", "reading"]


def adapter(url: str, patience: float | None = None, **config: object) -> EcsAdapter:
    """A source that reads the cluster `prod` ten times a second; `config` replaces and adds keys."""
    keys: dict[str, object] = {
        "region": REGION,
        "endpoint_url": url,
        "clusters": [CLUSTER],
        "interval": "100ms",
        "api_budget": 100,
    }
    return EcsAdapter(Config.model_validate(keys | config), patience)


@asynccontextmanager
async def reading(
    server: EcsServer | str, cloud: Cloud, /, patience: float | None = None, **config: object
) -> AsyncIterator[RecordingContext]:
    """Run such a source as the bridge does, quickly."""
    url = server if isinstance(server, str) else server.aws.url
    async with running(adapter(url, patience, **config), RecordingContext(process={"aws": cloud})) as context:
        yield context


def on_host(server: EcsServer, name: str = "b1", host: str = "i-1", port: int = 32768) -> Mapping[str, object]:
    """Run a task of service `db` in bridge mode on an instance of EC2, or a machine elsewhere."""
    instance = arn("container-instance", f"prod/ci-{host}")
    server.define(definition_json("db:1", mode="bridge", xds_service="db"))
    server.instances[instance] = {"containerInstanceArn": instance, "ec2InstanceId": host}
    bound = [{"bindIP": "0.0.0.0", "containerPort": 8080, "hostPort": port, "protocol": "tcp"}]
    where = {"containerInstanceArn": instance, "launchType": "EC2", "availabilityZone": ""}
    described = task_json(name, "db:1", containers=[container(bindings=bound)], **where)
    server.run(described)
    return described
