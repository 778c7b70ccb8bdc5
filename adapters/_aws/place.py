"""One account in one region: what can fail alone, and what AWS counts calls by."""

import re
from dataclasses import dataclass

REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+")
"""What a region is called, such as `eu-west-1` or `us-gov-east-1`."""

SELF = "self"
"""The account whose credentials the process has, by whatever number."""


@dataclass(frozen=True, slots=True)
class Place:
    """An account and a region, with the way there."""

    region: str
    role: str | None = None
    """ARN of the role to assume; None for the credentials that the process has."""
    external_id: str | None = None
    endpoint_url: str | None = None
    """Where every call goes, in place of AWS's own addresses."""
    timeout: float = 10.0
    """Seconds that a call may go without an answer before it is tried again."""

    def __str__(self) -> str:
        return f"{self.account}/{self.region}"

    @property
    def account(self) -> str:
        """The number of the account that the role is in; `SELF` where there is none."""
        return self.role.split(":")[4] if self.role else SELF
