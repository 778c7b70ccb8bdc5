"""Policies in the language of AWS's IAM, from what the sources of a configuration say that they need.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bridge.config import SourceConfig
from bridge.errors import ConfigError
from bridge.permission import Condition, Permission, combined

BRIDGE = "bridge"
"""What the bridge's own identity is called beside roles, which have ARNs."""

_VERSION = "2012-10-17"
_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::([0-9]{12}):role/[\w+=,.@/-]{1,575}", re.ASCII)
_LONGEST = 6144
"""Characters that a managed policy may have, without white space
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)."""

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Policies:
    """Everything that has to be allowed for one configuration, identity by identity; the bridge's own is first."""

    permissions: Mapping[str, tuple[Permission, ...]]
    """By the ARN of a role that the bridge assumes, or `BRIDGE`."""
    external_ids: Mapping[str, frozenset[str]]
    """What the bridge says when it assumes a role; an empty text where a source says nothing."""
    role: str
    """The role that the bridge runs as; empty where it is not known."""

    def policy(self, name: str) -> Document:
        """What an identity is to be allowed.

        Raises:
            ConfigError: there is no such identity.
        """
        statements = [_statement(each) for each in self._known(name)]
        return {"Version": _VERSION, "Statement": statements}

    def trust(self, name: str) -> Document:
        """Who may become a role.

        Raises:
            ConfigError: there is no such role, or nobody has said which role the bridge runs as.
        """
        self._known(name)
        if name == BRIDGE:
            raise ConfigError("a trust policy is for a role that the bridge assumes; name one with --for")
        if not self.role:
            raise ConfigError("a trust policy names the role that the bridge runs as; give it with --role ARN")
        statement: dict[str, object] = {
            "Sid": "Bridge",
            "Effect": "Allow",
            "Principal": {"AWS": self.role},
            "Action": "sts:AssumeRole",
        }
        if "" not in (external_ids := self.external_ids[name]):
            statement["Condition"] = {"StringEquals": {"sts:ExternalId": _one_or_list(sorted(external_ids))}}
        return {"Version": _VERSION, "Statement": [statement]}

    def everything(self) -> Document:
        """All documents by the name of their identity; trust policies where it is known whom to trust."""
        return {
            name: {
                "policy": self.policy(name),
                **({"trust": self.trust(name)} if name != BRIDGE and self.role else {}),
            }
            for name in self.permissions
        }

    def notes(self, name: str) -> Iterator[str]:
        """What is to be known about a policy that does not stand in it."""
        others = [other for other in self.permissions if other != name]
        if others:
            yield f"there are policies for others too; print them with --for or --all: {', '.join(others)}"
        if "RequestedRegion" not in (text := write(self.policy(name))) and "sts:AssumeRole" not in text:
            yield "no region is configured, so the policy is for all of them; name it in the source to restrict it"
        if len(re.sub(r"\s", "", text)) > _LONGEST:
            yield f"it is longer than the {_LONGEST} characters of a managed policy; give it to the role inline"

    def _known(self, name: str) -> tuple[Permission, ...]:
        if name not in self.permissions:
            known = ", ".join(self.permissions)
            raise ConfigError(f"{name[:100]!r} is nobody that reads for this configuration; there are: {known}")
        return self.permissions[name]


def policies(sources: Sequence[SourceConfig], role: str = "") -> Policies | None:
    """What the sources of a configuration need; None when none of them needs a policy.

    Args:
        sources: as configured.
        role: ARN of the role that the bridge runs as, if known; it makes ARNs exact.

    Raises:
        ConfigError: `role` is none.
    """
    account = _account(role) if role else ""
    needed: dict[str, list[Permission]] = defaultdict(list)
    external_ids: dict[str, set[str]] = defaultdict(set)
    for source in sources:
        for grant in source.grants(account):
            needed[grant.identity.name] += grant.permissions
            external_ids[grant.identity.name].add(grant.identity.external_id)
    if not needed:
        return None
    return Policies(
        {name or BRIDGE: combined(needed[name]) for name in sorted(needed)},
        {name or BRIDGE: frozenset(found) for name, found in external_ids.items()},
        role,
    )


def write(document: Document) -> str:
    """A document as text without a line end."""
    return json.dumps(document, indent=2)


def _account(role: str) -> str:
    found = _ROLE.fullmatch(role)
    if not found:
        raise ConfigError(f"{role[:100]!r} is no role; write an ARN such as arn:aws:iam::123456789012:role/xds-bridge")
    return found[2]


def _statement(permission: Permission) -> Document:
    statement: dict[str, object] = {
        "Sid": permission.name,
        "Effect": "Allow",
        "Action": list(permission.actions),
        "Resource": _one_or_list(permission.resources),
    }
    if permission.conditions:
        statement["Condition"] = _conditions(permission.conditions)
    return statement


def _conditions(conditions: Sequence[Condition]) -> Mapping[str, Mapping[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for each in conditions:
        found.setdefault(each.test, {})[each.key] = _one_or_list(each.values)
    return found


def _one_or_list(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)
