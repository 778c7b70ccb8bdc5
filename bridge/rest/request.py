"""A `DiscoveryRequest` in JSON, read into the value that a stream reads from bytes.

https://protobuf.dev/programming-guides/json
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AliasGenerator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from xds import InvalidRequest, Locality, Node, Request

_MOST_METADATA = 64
"""Entries of a node's metadata that are read: as many as of a stream."""

_LONGEST_PROBLEM = 200

_Text = Annotated[str, Field(max_length=1024)]
"""What a node says of itself, as long as on a stream."""


def discovery_request(body: bytes) -> Request:
    """The request in `body`.

    Raises:
        InvalidRequest: there is none; the message says what is wrong with it.
    """
    try:
        read = _DiscoveryRequest.model_validate_json(body, strict=True)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, problem["loc"])) or "the body"
        raise InvalidRequest(f"{where}: {problem['msg']}"[:_LONGEST_PROBLEM]) from error
    return Request(
        type_url=read.type_url,
        names=frozenset(read.resource_names),
        version=read.version_info,
        node=read.node.value,
    )


class _Message(BaseModel):
    """Fields by either of their names in JSON; others are ignored, because they come with newer clients."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=AliasGenerator(validation_alias=to_camel), populate_by_name=True
    )

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: object) -> object:
        """What is null has its default."""
        return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value


class _Locality(_Message):
    region: _Text = ""
    zone: _Text = ""
    sub_zone: _Text = ""


class _Node(_Message):
    id: _Text = ""
    cluster: _Text = ""
    locality: _Locality = _Locality()
    metadata: Mapping[str, object] = Field(default_factory=dict)

    @property
    def value(self) -> Node:
        place = self.locality
        return Node(
            id=self.id,
            cluster=self.cluster,
            locality=Locality(region=place.region, zone=place.zone, sub_zone=place.sub_zone),
            metadata=_metadata(self.metadata),
        )


class _DiscoveryRequest(_Message):
    version_info: str = ""
    node: _Node = _Node()
    resource_names: list[str] = Field(default_factory=list)
    type_url: str = ""


def _metadata(entries: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    scalars = ((key, scalar) for key, value in entries.items() if (scalar := _scalar(value)) is not None)
    return tuple(sorted(pair for pair, _ in zip(scalars, range(_MOST_METADATA), strict=False)))


def _scalar(value: object) -> str | None:
    """A text, number or switch as JSON writes it, but for the quotes; None for anything else."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case str() | int() | float():
            return str(value)
    return None
