"""The configuration keys that every source in AWS has: which accounts and regions, and how they are called."""

import re
from collections.abc import Sequence
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from adapters._aws import queue as queues
from adapters._aws.place import REGION, Place
from adapters._aws.queue import Queue
from bridge.adapter import AdapterConfig, Duration


def _endpoint_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("an endpoint is a URL such as https://vpce-1234.ec2.eu-west-1.vpce.amazonaws.com")
    return value.rstrip("/")


def _region(value: str) -> str:
    if not REGION.fullmatch(value):
        raise ValueError(f"{value[:60]!r} is not a region; write one such as eu-west-1")
    return value


def _role(value: str) -> str:
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,575}", value, re.ASCII):
        raise ValueError("a role is an ARN such as arn:aws:iam::123456789012:role/xds-bridge")
    return value


def _queue(value: str) -> str:
    return queues.parsed(value).url


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


Region = Annotated[str, AfterValidator(_region)]
QueueUrl = Annotated[str, AfterValidator(_queue), Field(json_schema_extra={"x-kind": "URL"})]


class AccountConfig(BaseModel):
    """An account that is read under a role of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    assume_role: Annotated[str, AfterValidator(_role)] | None = None
    """ARN of the role to assume in the account; left out, the bridge's own credentials are used as they are."""
    external_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+=,.@:/-]+$", min_length=2, max_length=1224)] | None = None
    """The external id that the role's trust policy asks for."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.external_id is not None and self.assume_role is None:
            raise ValueError("external_id is for a role to assume; set assume_role")
        return self


class EventsConfig(BaseModel):
    """Events of EventBridge, by way of SQS, that say what to read again at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    queue: Annotated[
        tuple[QueueUrl, ...],
        BeforeValidator(_several, json_schema_input_type=QueueUrl | list[QueueUrl]),
        Field(min_length=1),
    ]
    """The queue of SQS, or several, one for each account and region; nobody else may read from it.

    A place without a queue is read every `interval`.
    """
    heartbeat: Annotated[Duration, Field(ge=0.1, le=3600)] = 180.0
    """How long no message from the schedule may come until everything is read every `interval` again."""
    reconcile: Annotated[Duration, Field(ge=0.1, le=24 * 3600)] = 300.0
    """How often everything is read while the heartbeat is there; `interval` where that is longer."""

    @property
    def queues(self) -> tuple[Queue, ...]:
        """The queues, taken apart."""
        return tuple(map(queues.parsed, self.queue))


def exclusive(config: "AwsConfig") -> Sequence[tuple[tuple[str, ...], str]]:
    """The queues of events; see `bridge.adapter.Exclusive`."""
    return [(("events", "queue"), url) for url in config.events.queue] if config.events else ()


class AwsConfig(AdapterConfig):
    """Where a source reads in AWS, and how much it may ask.

    Credentials come from the SDK's own chain, never from here.
    """

    region: Region | None = None
    """The region to read.

    Without this and `regions`: `AWS_REGION`, `AWS_DEFAULT_REGION`, the SDK's configuration file, or the machine's
    metadata.
    """
    regions: tuple[Region, ...] = ()
    """Several regions to read, in place of `region`. Each can fail alone."""
    accounts: tuple[AccountConfig, ...] = ()
    """The accounts to read, each in every region; the one of the bridge's own credentials when left out."""
    endpoint_url: Annotated[str, AfterValidator(_endpoint_url), Field(json_schema_extra={"x-kind": "URL"})] | None = (
        None
    )
    """Where every call goes in place of AWS's own addresses: for tests and emulators."""
    api_budget: Annotated[float, Field(gt=0, le=100)] = 5.0
    """Calls per second in one account and region, on average, of all sources of this process together; of several
    values the lowest counts. The buckets that AWS takes calls from belong to the whole account, refill with 10 to 20
    calls a second, and are shared with consoles and deployments. A pass that needs more stretches the interval
    (`aws.interval_stretched`).
    """
    timeout: Annotated[Duration, Field(ge=0.1, le=60)] = 10.0
    """How long a call may go without an answer before it is tried again, up to four times in all.

    The deadline of a pass (a minute, or two intervals) is longer where these tries need it.
    """
    events: EventsConfig | None = None
    """Changes as EventBridge tells of them, so that none has to wait for the next pass."""

    @property
    def where(self) -> str:
        """The regions to read, and under which roles, in words."""
        regions = " and ".join(self.regions or filter(None, (self.region,))) or "the region that the bridge runs in"
        roles = " and ".join(account.assume_role or "its own credentials" for account in self.accounts)
        return f"{regions} under {roles}" if roles else regions

    def places(self, regions: tuple[str, ...]) -> tuple[Place, ...]:
        """What is read: every account in every one of these regions."""
        return tuple(
            Place(region, account.assume_role, account.external_id, self.endpoint_url, self.timeout)
            for account in self.accounts or (AccountConfig(),)
            for region in regions
        )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.region is not None and self.regions:
            raise ValueError("region and regions exclude each other; name all regions in regions")
        if len(set(self.regions)) != len(self.regions):
            raise ValueError("regions names a region twice")
        if len({account.assume_role for account in self.accounts}) != len(self.accounts):
            raise ValueError("accounts names a role twice")
        return self

    @model_validator(mode="after")
    def _told(self) -> Self:
        regions = self.regions or ((self.region,) if self.region else ())
        if self.events and regions:  # else it is known later which region is read
            queues.assigned(self.events.queues, self.places(regions))
        return self
