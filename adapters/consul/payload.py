"""What Consul's answers say, as far as the bridge reads them; parsed and checked in one step."""

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_pascal
from pydantic.dataclasses import dataclass

T = TypeVar("T")


def _key(name: str) -> str:
    """Consul's spelling: `check_id` is `CheckID`."""
    return re.sub(r"Id$", "ID", to_pascal(name))


_CONFIG = ConfigDict(alias_generator=_key, validate_by_name=True)

# Consul writes an empty list or map as `null`, and leaves out what its version does not know.
_Texts = Annotated[tuple[str, ...], BeforeValidator(lambda value: value or ())]
_Meta = Annotated[dict[str, str], BeforeValidator(lambda value: value or {})]


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Place:
    """Where a newer Consul says that a node or an instance runs."""

    region: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Node:
    """A node of the catalog."""

    node: str
    address: str = ""
    datacenter: str = ""
    tagged_addresses: _Meta = Field(default_factory=dict)
    meta: _Meta = Field(default_factory=dict)
    locality: Place | None = None


@dataclass(frozen=True, slots=True, config=_CONFIG)
class TaggedAddress:
    """One of several addresses of an instance."""

    address: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Weights:
    """The weights of an instance by the state of its checks."""

    passing: int = 1
    warning: int = 1


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Instance:
    """A service as one node runs it."""

    id: str
    service: str
    kind: str = ""
    address: str = ""
    port: int = 0
    tags: _Texts = ()
    meta: _Meta = Field(default_factory=dict)
    weights: Weights = Weights()
    tagged_addresses: Annotated[dict[str, TaggedAddress], BeforeValidator(lambda value: value or {})] = Field(
        default_factory=dict
    )
    locality: Place | None = None


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Check:
    """The state of a check; one without a service is the node's."""

    check_id: str
    status: str
    node: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: _Texts = ()


@dataclass(frozen=True, slots=True, config=_CONFIG)
class HealthEntry:
    """One instance, its node, and every check that says something about it."""

    node: Node
    service: Instance
    checks: Annotated[tuple[Check, ...], BeforeValidator(lambda value: value or ())] = ()


@dataclass(frozen=True, slots=True, config=_CONFIG)
class NodeServices:
    """What a node runs, by the id of the instance."""

    services: Annotated[dict[str, Instance], BeforeValidator(lambda value: value or {})] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, config=_CONFIG)
class AgentConfig:
    """What an agent says of its own configuration."""

    datacenter: str


@dataclass(frozen=True, slots=True, config=_CONFIG)
class AgentSelf:
    """What an agent says of itself."""

    config: AgentConfig


Catalog = Mapping[str, tuple[str, ...]]
"""The names of services, each with the tags that any of its instances carries."""

# Strict about `null`: an empty answer is `[]` or `{}`, and anything else comes from something that is no Consul.
CATALOG: TypeAdapter[Catalog] = TypeAdapter(dict[str, _Texts])
HEALTH: TypeAdapter[tuple[HealthEntry, ...]] = TypeAdapter(tuple[HealthEntry, ...])
CHECKS: TypeAdapter[tuple[Check, ...]] = TypeAdapter(tuple[Check, ...])
NODES: TypeAdapter[tuple[Node, ...]] = TypeAdapter(tuple[Node, ...])
NODE_SERVICES: TypeAdapter[NodeServices | None] = TypeAdapter(NodeServices | None)
SELF: TypeAdapter[AgentSelf] = TypeAdapter(AgentSelf)
LEADER: TypeAdapter[str] = TypeAdapter(str)
