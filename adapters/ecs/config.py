"""What an operator can write under a source of `type: ecs`."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from adapters._aws import AwsConfig
from adapters.ecs.arn import CLUSTER_ARN, CLUSTER_NAME, region
from bridge.adapter import Duration
from bridge.labels import DEFAULT_PREFIX


class AddressType(StrEnum):
    """Which address of a task, or of the host whose port it has, becomes the endpoint's."""

    PRIVATE = "private"
    PUBLIC = "public"
    IPV6 = "ipv6"


class TaskHealth(StrEnum):
    """Whose health counts."""

    CONTAINER = "container"
    ANY = "any"


class StartingHealth(StrEnum):
    """What an endpoint is whose health check has not had an outcome yet."""

    UNHEALTHY = "unhealthy"
    HEALTHY = "healthy"


class Fact(StrEnum):
    """What is known of a task and can become metadata of its endpoints."""

    CLUSTER = "cluster"
    SERVICE = "service"
    FAMILY = "family"
    REVISION = "revision"
    CONTAINER = "container"
    TASK = "task"
    DEPLOYMENT = "deployment"
    LAUNCH_TYPE = "launch_type"
    CAPACITY_PROVIDER = "capacity_provider"


def _cluster(value: str) -> str:
    if CLUSTER_NAME.fullmatch(value) or CLUSTER_ARN.fullmatch(value):
        return value
    raise ValueError(
        f"{value[:100]!r} is neither the name of a cluster nor an ARN such as"
        " arn:aws:ecs:eu-west-1:123456789012:cluster/prod"
    )


class Config(AwsConfig):
    """Clusters of ECS, in every account and region that is named."""

    clusters: Annotated[tuple[Annotated[str, AfterValidator(_cluster)], ...] | None, Field(min_length=1)] = None
    """Names or ARNs of the clusters to read; all that there are when left out.

    Names are looked for in every account and region of the source.
    """
    interval: Annotated[Duration, Field(ge=0.01, le=3600)] = 15.0
    """How often the tasks are read, at least every hour. A cluster too large for `api_budget` is read less often."""
    label_prefix: Annotated[str, Field(min_length=1)] = DEFAULT_PREFIX
    """Prefix of the bridge's own keys in docker labels and task tags, such as `xds-service`."""
    address: AddressType = AddressType.PRIVATE
    """Which address of a task, or of the host whose port it has: the private or public IPv4 address, or the IPv6
    address.
    """
    starting: StartingHealth = StartingHealth.UNHEALTHY
    """What a container with a health check is until the check has had its first outcome."""
    task_health: TaskHealth = TaskHealth.CONTAINER
    """`container`: the health of the container that has the port. `any`: that of the whole task as well."""
    drain_max: Annotated[Duration, Field(ge=0)] = 600.0
    """How long a task that is to stop stays as `DRAINING` at the most; less when it has stopped."""
    zone_ids: bool = False
    """Zones are ids (`euw1-az1`): names such as `eu-west-1a` mean another zone in each account."""
    metadata: tuple[Fact, ...] = ()
    """What becomes `envoy.lb` metadata beside the `xds-meta-` labels, each under its own name."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        clusters = self.clusters or ()
        if len(set(clusters)) != len(clusters):
            raise ValueError("clusters names one twice")
        regions = {self.region} - {None} | set(self.regions)
        for cluster in clusters:
            if region(cluster) and regions and region(cluster) not in regions:
                raise ValueError(
                    f"{cluster} is in none of the regions that are read: {', '.join(sorted(map(str, regions)))}"
                )
        return self


def searched(config: Config) -> str:
    """Where the source looks; see `bridge.adapter.Searching`."""
    clusters = " and ".join(config.clusters) if config.clusters else "all clusters"
    return (
        f"it looks for running tasks with the docker label or task tag `{config.label_prefix}service`"
        f" in {clusters} of {config.where}: are these the right region, clusters and label prefix?"
    )
