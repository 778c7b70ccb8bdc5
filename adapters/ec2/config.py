"""What an operator can write under a source of `type: ec2`."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from adapters._aws import AwsConfig
from bridge.adapter import Duration
from bridge.labels import DEFAULT_PREFIX


class AddressKind(StrEnum):
    """Which of an instance's addresses Envoy is to use."""

    PRIVATE = "private"
    PUBLIC = "public"
    IPV6 = "ipv6"


class Fact(StrEnum):
    """What is known of an instance and can become metadata of its endpoints."""

    INSTANCE_ID = "instance_id"
    TYPE = "type"
    SUBNET = "subnet"
    VPC = "vpc"
    LIFECYCLE = "lifecycle"


def _filters(value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    if "tag-key" in value:
        raise ValueError("tag-key is the bridge's own filter; select by the value of a tag instead, such as tag:env")
    return value


FilterValues = Annotated[tuple[str, ...], Field(min_length=1, max_length=200)]


class Config(AwsConfig):
    """The tagged instances of some accounts and regions."""

    filters: Annotated[dict[str, FilterValues], AfterValidator(_filters)] = Field(default_factory=dict)
    """Only instances that match all of these
    [filters](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html), such as `tag:env:
    [prod]`. Set none on the state of instances: one that hides those that are ending delays their removal.
    """
    interval: Annotated[Duration, Field(ge=0.1)] = 30.0
    """How often each account and region is read; longer while the budget or AWS asks for it."""
    address: AddressKind = AddressKind.PRIVATE
    """Which address of an instance is used: its private or public IPv4 address, or its (primary) IPv6 address."""
    device_index: Annotated[int, Field(ge=0, le=31)] | None = None
    """Take the address of the network interface with this device index; the instance's own when left out."""
    status_checks: bool = False
    """An instance is `UNHEALTHY` while a status check of EC2's says that it is impaired; two more calls a pass."""
    autoscaling: bool = False
    """Heed what Auto Scaling does with its instances; one more call a pass for each 50 of them.

    Only those in service take traffic; those on their way out or in standby are `DRAINING`, those of a warm pool wait.
    """
    zone_ids: bool = False
    """Zones are ids (`euw1-az1`): names such as `eu-west-1a` mean another zone in each account."""
    metadata: tuple[Fact, ...] = ()
    """What becomes `envoy.lb` metadata beside the `xds-meta-` tags, each under its own name.

    `lifecycle` is what EC2 calls so: `spot` and the like, and nothing for an instance on demand.
    """
    label_prefix: str = Field(default=DEFAULT_PREFIX, min_length=1, max_length=100, pattern=r"^[^*?\\]+$")
    """Prefix of the bridge's own tags, such as `xds-service`."""


def searched(config: Config) -> str:
    """Where the source looks; see `bridge.adapter.Searching`."""
    filters = " and ".join(f"{name} = {' or '.join(values)}" for name, values in sorted(config.filters.items()))
    return (
        f"it looks for instances with the tag `{config.label_prefix}service`{f' and {filters}' if filters else ''}"
        f" in {config.where}: are these the right region, tag prefix and filters?"
    )
