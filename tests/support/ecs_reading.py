"""The ECS source against the canned server, under a context that remembers everything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters._aws import Cloud
from adapters.ecs import Config, EcsAdapter
from support.ec2 import failures, passes
from support.ecs import CLUSTER, REGION
from support.ecs_server import EcsServer
from support.recording import RecordingContext, running

__all__ = ["failures", "passes", "reading"]


@asynccontextmanager
async def reading(server: EcsServer, cloud: Cloud, **config: object) -> AsyncIterator[RecordingContext]:
    """Read the cluster `prod` ten times a second; `config` replaces and adds keys."""
    keys: dict[str, object] = {
        "region": REGION,
        "endpoint_url": server.aws.url,
        "clusters": [CLUSTER],
        "interval": "100ms",
        "api_budget": 100,
    }
    adapter = EcsAdapter(Config.model_validate(keys | config))
    async with running(adapter, RecordingContext(process={"aws": cloud})) as context:
        yield context
