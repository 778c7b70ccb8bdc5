"""The section `xds`: the server that Envoys connect to."""

from pathlib import Path
from typing import Self

from pydantic import field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from bridge.adapter import Duration
from bridge.config.address import Address
from bridge.config.section import ListenAddress, Section


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


class RestConfig(Section):
    """A second server, for Envoys that poll."""

    listen: ListenAddress
    """Where Envoys with `api_type: REST` poll, as host:port. Beyond loopback it needs `insecure: true`."""


class XdsConfig(Section):
    """The gRPC server that Envoys connect to."""

    insecure: bool = False
    """Allow plain text beyond this machine. Anyone who reaches the port can then read every endpoint."""
    listen: ListenAddress = Address("127.0.0.1", 18000)
    """Where Envoys connect, as host:port. Beyond loopback it needs `insecure: true`."""
    socket: Path | None = None
    """Path of a unix socket to listen on as well, for this machine: mode 0660, and at most 107 bytes long."""
    csds_allowed_sans: tuple[str, ...] = ()
    """Names of certificates that may ask for the status of Envoys on `listen`; a `*` at the end stands for any rest."""
    rest: RestConfig | None = None
    """A second server, for Envoys that poll JSON over HTTP because they cannot hold a gRPC stream."""
    debounce: Debounce = Debounce()
    """How long changes are gathered before they are pushed."""

    @field_validator("rest")
    @classmethod
    def _rest_not_exposed_by_accident(cls, value: RestConfig | None, info: ValidationInfo) -> RestConfig | None:
        if value is not None:
            cls._not_exposed_by_accident(value.listen, info)
        return value

    @field_validator("listen")
    @classmethod
    def _not_exposed_by_accident(cls, value: Address, info: ValidationInfo) -> Address:
        # `insecure` is absent from `info.data` when it was itself wrong: one mistake, one message.
        if not value.loopback and not info.data.get("insecure", True):
            raise ValueError(
                f"{value} is reachable from other machines in plain text; add `insecure: true` to allow it"
            )
        return value
