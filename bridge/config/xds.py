"""The section `xds`: the server that Envoys connect to."""

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from bridge.adapter import Duration
from bridge.config.address import Address
from bridge.config.section import ListenAddress, Section
from bridge.config.size import Size


class Debounce(Section):
    """How long changes are gathered before they are pushed. The first change after a pause is pushed at once."""

    quiet: Duration = 0.025
    """A push waits until nothing has changed for this long."""
    max: Duration = 0.25
    """A push waits no longer than this, however busy the sources are."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max < self.quiet:
            raise ValueError("max must not be shorter than quiet")
        return self


class LimitsConfig(Section):
    """How much clients may ask of the server."""

    streams: Annotated[int, Field(ge=1)] = 50_000
    """The most streams that are open in all. One more is refused (`RESOURCE_EXHAUSTED`)."""
    streams_per_client: Annotated[int, Field(ge=1)] = 5_000
    """The most streams of one client. Without ADS an Envoy opens one for each cluster."""
    accept_rate: Annotated[int, Field(ge=1)] = 1_000
    """New streams per second, two seconds' worth of which may come at once."""
    request_rate: Annotated[int, Field(ge=1)] = 100
    """Requests per second on one stream, twenty seconds' worth of which may come at once; more are read later."""
    request_size: Annotated[Size, Field(ge=64 << 10, le=1 << 30)] = 16 << 20
    """The largest request. In State of the World each one names everything that the Envoy asks for."""
    in_flight: Annotated[Size, Field(ge=1 << 20)] = 64 << 20
    """The most bytes of large responses that are being written at once, and as many again to Envoys that are slow."""
    write_timeout: Annotated[Duration, Field(ge=1)] = 30.0
    """An Envoy that has not taken a response after this time is hung up on."""
    keepalive_interval: Annotated[Duration, Field(ge=1)] = 7.0
    """How often an idle connection is probed."""
    keepalive_timeout: Annotated[Duration, Field(ge=1)] = 4.0
    """How long the answer to a probe may take before the connection is closed."""


class XdsConfig(Section):
    """The gRPC server that Envoys connect to."""

    insecure: bool = False
    """Allow plain text beyond this machine. Anyone who reaches the port can then read every endpoint."""
    listen: ListenAddress = Address("127.0.0.1", 18000)
    """Where Envoys connect, as host:port. Beyond loopback it needs `insecure: true`."""
    debounce: Debounce = Debounce()
    """How long changes are gathered before they are pushed."""
    limits: LimitsConfig = LimitsConfig()
    """How much clients may ask of the server."""

    @field_validator("listen")
    @classmethod
    def _not_exposed_by_accident(cls, value: Address, info: ValidationInfo) -> Address:
        # `insecure` is absent from `info.data` when it was itself wrong: one mistake, one message.
        if not value.loopback and not info.data.get("insecure", True):
            raise ValueError(
                f"{value} is reachable from other machines in plain text; add `insecure: true` to allow it"
            )
        return value
