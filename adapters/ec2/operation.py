"""Which operations the source calls under which configuration, and what has to be allowed for them.

None of them can be restricted to resources:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
"""

from adapters._aws import EC2_READS, Operation, grants, listening
from adapters.ec2.config import Config
from bridge.permission import Grant

DESCRIBE_INSTANCES = Operation("ec2", "DescribeInstances", "Ec2Instances", EC2_READS)
DESCRIBE_STATUS = Operation("ec2", "DescribeInstanceStatus", "Ec2StatusChecks", EC2_READS)
DESCRIBE_AUTO_SCALING = Operation("autoscaling", "DescribeAutoScalingInstances", "Ec2AutoScaling")
DESCRIBE_ZONES = Operation("ec2", "DescribeAvailabilityZones", "Ec2Zones", EC2_READS)


def operations(config: Config) -> frozenset[Operation]:
    """All that may ever be called under a configuration."""
    optional = {
        DESCRIBE_STATUS: config.status_checks,
        DESCRIBE_AUTO_SCALING: config.autoscaling,
        DESCRIBE_ZONES: config.zone_ids,
    }
    wanted = {operation for operation, wanted in optional.items() if wanted}
    return listening(config) | wanted | {DESCRIBE_INSTANCES}


def permissions(config: Config, account: str) -> tuple[Grant, ...]:
    """What has to be allowed to whom; see `bridge.adapter.Permitted`."""
    return grants(config, account, lambda reach: map(reach.permission, sorted(operations(config) - listening(config))))
