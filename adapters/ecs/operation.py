"""Which operations the source calls under which configuration, and what has to be allowed for them.

Actions, resources and conditions: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
Buckets: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
"""

from collections.abc import Iterator

from adapters._aws import EC2_READS, Operation, Reach, grants, listening
from adapters.ecs.arn import account as account_of
from adapters.ecs.arn import region as region_of
from adapters.ecs.config import AddressType, Config
from bridge.permission import Condition, Grant, Permission
from bridge.poll import Bucket

_RESOURCES = Bucket("ECS cluster resource reads", 20, 100)
_CLUSTERS = Bucket("ECS cluster reads", 20, 50)
_DEFINITIONS = Bucket("ECS task definition reads", 20, 50)

LIST_CLUSTERS = Operation("ecs", "ListClusters", "EcsClusterList", _CLUSTERS)
DESCRIBE_CLUSTERS = Operation("ecs", "DescribeClusters", "EcsClusters", _CLUSTERS)
LIST_TASKS = Operation("ecs", "ListTasks", "EcsTasks", _RESOURCES)
DESCRIBE_TASKS = Operation("ecs", "DescribeTasks", "EcsTasks", _RESOURCES)
DESCRIBE_CONTAINER_INSTANCES = Operation("ecs", "DescribeContainerInstances", "EcsTasks", _RESOURCES)
DESCRIBE_TASK_DEFINITION = Operation("ecs", "DescribeTaskDefinition", "EcsTaskDefinitions", _DEFINITIONS)
DESCRIBE_INSTANCES = Operation("ec2", "DescribeInstances", "EcsHosts", EC2_READS)
DESCRIBE_MACHINES = Operation("ssm", "DescribeInstanceInformation", "EcsHosts")
DESCRIBE_INTERFACES = Operation("ec2", "DescribeNetworkInterfaces", "EcsPublicAddresses", EC2_READS)
DESCRIBE_ZONES = Operation("ec2", "DescribeAvailabilityZones", "EcsZones", EC2_READS)

_OF_A_CLUSTER = frozenset({LIST_TASKS, DESCRIBE_TASKS, DESCRIBE_CONTAINER_INSTANCES})
"""Restricted by the condition `ecs:cluster`, not by a resource: tasks and container instances are not known ahead."""


def operations(config: Config) -> frozenset[Operation]:
    """All that may ever be called under a configuration."""
    always = _OF_A_CLUSTER | {DESCRIBE_CLUSTERS, DESCRIBE_TASK_DEFINITION, DESCRIBE_INSTANCES, DESCRIBE_MACHINES}
    optional = {
        LIST_CLUSTERS: config.clusters is None,
        DESCRIBE_INTERFACES: config.address is AddressType.PUBLIC,
        DESCRIBE_ZONES: config.zone_ids,
    }
    return always | listening(config) | {operation for operation, wanted in optional.items() if wanted}


def permissions(config: Config, account: str) -> tuple[Grant, ...]:
    """What has to be allowed to whom; see `bridge.adapter.Permitted`."""
    return grants(config, account, lambda reach: _needed(config, reach))


def _needed(config: Config, reach: Reach) -> Iterator[Permission]:
    clusters = _clusters(config, reach)
    if not clusters:
        return
    for operation in sorted(operations(config) - listening(config)):
        if operation in _OF_A_CLUSTER and config.clusters is not None:
            test = "ArnLike" if any("*" in arn for arn in clusters) else "ArnEquals"
            yield reach.permission(operation, conditions=(Condition(test, "ecs:cluster", clusters),))
        elif operation is DESCRIBE_CLUSTERS:
            yield reach.permission(operation, resources=clusters)
        else:
            yield reach.permission(operation)


def _clusters(config: Config, reach: Reach) -> tuple[str, ...]:
    """The ARNs of the clusters that are read by an identity: names are looked for by each, an ARN is read by one."""
    found: set[str] = set()
    for cluster in ("*",) if config.clusters is None else config.clusters:
        if not region_of(cluster):
            found.update(reach.arns("ecs", f"cluster/{cluster}"))
        elif _reader(config, cluster) == reach.role:
            found.add(cluster)
    return tuple(sorted(found))


def _reader(config: Config, cluster: str) -> str:
    """Which role reads a cluster that is given by its ARN; empty for the bridge's own credentials."""
    roles = [account.assume_role for account in config.accounts if account.assume_role]
    return next((role for role in roles if account_of(role) == account_of(cluster)), "")
