"""The operations of AWS that a source calls, declared once: what may be called, what has to be allowed, what it costs.

`Api` refuses a call that its source has not declared, so a policy that is made of the declarations lacks none.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from adapters._aws.config import AccountConfig, AwsConfig
from adapters._aws.queue import Queue
from bridge.permission import ANYTHING, Condition, Grant, Identity, Permission
from bridge.poll import Bucket

ASSUME_ROLE = "sts:AssumeRole"

EC2_READS = Bucket("EC2 reads by filter or page", 20, 100)
"""https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html"""

_PARTITIONS: Mapping[str, str] = MappingProxyType(
    {
        "cn-": "aws-cn",
        "us-gov-": "aws-us-gov",
        "us-iso-": "aws-iso",
        "us-isob-": "aws-iso-b",
        "eu-isoe-": "aws-iso-e",
        "us-isof-": "aws-iso-f",
        "eusc-": "aws-eusc",
    }
)
"""By how a region's name begins (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html)."""


@dataclass(frozen=True, slots=True, order=True)
class Operation:
    """One operation of AWS."""

    service: str
    """As the SDK calls it."""
    name: str
    purpose: str
    """What it is for, as the name of a statement: `EcsTasks`."""
    bucket: Bucket | None = None
    """What AWS takes the calls out of; None where it does not say."""
    prefix: str = ""
    """What policies call the service, where that is not what the SDK calls it."""

    @property
    def action(self) -> str:
        """What a policy has to allow."""
        return f"{self.prefix or self.service}:{self.name.removesuffix('Batch')}"  # several are allowed as one is


@dataclass(frozen=True, slots=True)
class Reach:
    """Where one identity reads: what the ARNs and conditions of its policy are made of."""

    regions: tuple[str, ...]
    """Empty where the bridge reads the region that it runs in, which a policy does not know."""
    account: str
    """Number of the account; empty where nobody has told it."""
    role: str = ""
    """The role that is assumed there; empty for the bridge's own credentials."""

    def arns(self, service: str, resource: str) -> tuple[str, ...]:
        """A resource in every region that is read."""
        return tuple(
            f"arn:{self._partition(region)}:{service}:{region or '*'}:{self.account or '*'}:{resource}"
            for region in self.regions or ("",)
        )

    def permission(
        self, operation: Operation, resources: tuple[str, ...] = ANYTHING, conditions: tuple[Condition, ...] = ()
    ) -> Permission:
        """An operation in the regions that are read, and in no other."""
        if self.regions:
            conditions += (Condition("StringEquals", "aws:RequestedRegion", tuple(sorted(self.regions))),)
        return Permission(operation.purpose, (operation.action,), resources, conditions)

    def queue(self, queue: Queue) -> str:
        """The ARN of a queue."""
        return f"arn:{self._partition(queue.region)}:sqs:{queue.region or '*'}:{queue.account}:{queue.name}"

    def _partition(self, region: str) -> str:
        if self.role:
            return self.role.split(":")[1]
        return next((name for prefix, name in _PARTITIONS.items() if region.startswith(prefix)), "aws")


_LISTENING = frozenset({Operation("sqs", "ReceiveMessage", "Events"), Operation("sqs", "DeleteMessageBatch", "Events")})


def listening(config: AwsConfig) -> frozenset[Operation]:
    """What is called to hear of events; nothing where there are none."""
    return _LISTENING if config.events else frozenset()


def grants(config: AwsConfig, account: str, needed: Callable[[Reach], Iterable[Permission]]) -> tuple[Grant, ...]:
    """What each identity of a source needs; for roles to assume, the bridge needs only to be allowed that.

    Args:
        config: of the source.
        account: number of the account of the bridge's own credentials; empty where it is not known.
        needed: what is needed in a place; nothing where it would not be read.
    """
    regions = (config.region,) if config.region else config.regions
    found, roles = [], []
    for each in config.accounts or (AccountConfig(),):
        role = each.assume_role or ""
        reach = Reach(regions, role.split(":")[4] if role else account, role)
        permissions = (*needed(reach), *_heard(config, reach))
        if permissions:
            found.append(Grant(permissions, Identity(role, each.external_id or "")))
            roles += [role] if role else []
    if roles:
        found.insert(0, Grant((Permission("AssumeRoles", (ASSUME_ROLE,), tuple(sorted(roles))),)))
    return tuple(found)


def _heard(config: AwsConfig, reach: Reach) -> Iterator[Permission]:
    """What the identity needs to receive events: those of the queues in its account."""
    roles = {each.assume_role.split(":")[4] for each in config.accounts if each.assume_role}
    queues = config.events.queues if config.events else ()
    mine = [queue for queue in queues if (queue.account == reach.account if reach.role else queue.account not in roles)]
    for operation in sorted(listening(config)) if mine else ():
        yield Permission(operation.purpose, (operation.action,), tuple(sorted(map(reach.queue, mine))))
