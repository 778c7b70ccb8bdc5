"""AWS as every source of it needs it: the one door to boto3.

Calls that wait for a budget, never block the event loop, and fail as `AwsError` alone, whatever the SDK or the network
made of them; with one client for each account, region and service in the whole process.
"""

from adapters._aws.api import Api, Cloud, connected
from adapters._aws.config import AccountConfig, AwsConfig, exclusive
from adapters._aws.error import AwsError, Kind, together
from adapters._aws.hints import Hint, Listeners
from adapters._aws.message import InstanceChanged, TaskChanged
from adapters._aws.operation import EC2_READS, Operation, Reach, grants, listening
from adapters._aws.pace import Pace
from adapters._aws.place import Place

__all__ = [
    "EC2_READS",
    "AccountConfig",
    "Api",
    "AwsConfig",
    "AwsError",
    "Cloud",
    "Hint",
    "InstanceChanged",
    "Kind",
    "Listeners",
    "Operation",
    "Pace",
    "Place",
    "Reach",
    "TaskChanged",
    "connected",
    "exclusive",
    "grants",
    "listening",
    "together",
]
