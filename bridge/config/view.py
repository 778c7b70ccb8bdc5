"""The section `views`: which Envoys see which services, and how."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from bridge.adapter import Duration, Glob
from bridge.bootstrap import BRIDGE_CLUSTER, ApiType
from bridge.config.section import Section
from bridge.config.xds import possible_name

ALL: tuple[str, ...] = ("*",)
"""The globs that every name matches."""


class ViewMatch(Section):
    """Which Envoys a rule is for: those of which everything that is given here holds. Without anything, all."""

    id: Glob | None = None
    """The Envoy's node id."""
    cluster: Glob | None = None
    """The Envoy's node cluster."""
    metadata: Mapping[str, Glob] = Field(default_factory=dict)
    """Values of the Envoy's node metadata by key: texts, numbers and switches at its top, of which the first 64 are
    read. Each key must be there.
    """
    san: Annotated[Glob, AfterValidator(possible_name)] | None = None
    """One of the names (subject alternative names) in the Envoy's certificate, such as `spiffe://prod/edge/*`: of URIs
    with `://` in the glob, of IP addresses where it is made like one (`10.*`), else of DNS names; `*` for any name, as
    in `allowed_sans`. The only thing here that an Envoy has to prove; it never matches a connection without a verified
    certificate.
    """


class EdsConfig(Section):
    """Where Envoys that do without an aggregated stream ask for endpoints."""

    cluster: Annotated[str, Field(min_length=1)] = BRIDGE_CLUSTER
    """The cluster of the bridges in the bootstrap of these Envoys; what `xds-bridge bootstrap` writes when left out.

    An Envoy whose bootstrap has no such cluster refuses the clusters that name it.
    """
    api_type: ApiType = ApiType.DELTA_GRPC
    """How they ask: `DELTA_GRPC` and `GRPC` are streams, one for each cluster; `REST` is a request over and over."""
    refresh_delay: Duration = 5.0
    """`REST` only: how long an Envoy waits between two requests."""

    @model_validator(mode="after")
    def _delays_what_is_repeated(self) -> Self:
        if "refresh_delay" in self.model_fields_set and self.api_type is not ApiType.REST:
            raise ValueError(f"refresh_delay is for api_type REST; a stream of {self.api_type} is not refreshed")
        return self


class ViewRule(Section):
    """What some Envoys see."""

    match: ViewMatch = ViewMatch()
    """Which Envoys the rule is for; all when left out."""
    services: Annotated[tuple[Glob, ...], Field(min_length=1)] = ALL
    """The names of the services that they see."""
    locality_failover: bool = False
    """Prefer endpoints of the Envoy's own region; those of others are used as far as these are not healthy."""
    eds: EdsConfig | None = None
    """Where they ask for endpoints; left out, on the aggregated stream that the clusters come by."""

    @property
    def selective(self) -> bool:
        """Whether there may be services that they do not see."""
        return "*" not in self.services
