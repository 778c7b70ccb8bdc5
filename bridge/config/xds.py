"""The section `xds`: the server that Envoys connect to."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from bridge.adapter import Duration
from bridge.config.address import Address
from bridge.config.section import ListenAddress, Section
from bridge.config.size import Size


def possible_name(pattern: str) -> str:
    """A pattern for names in certificates, as it is.

    Raises:
        ValueError: no name could ever match it.
    """
    from xds import possible_pattern  # noqa: PLC0415 (with it comes gRPC, which help must not wait for)

    return possible_pattern(pattern)


def _allowed_name(value: str) -> str:
    if "*" in value[:-1]:
        raise ValueError(f"{value!r} has a '*' before its end; it can only stand for the rest of a name")
    return possible_name(value)


def _not_empty(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("nobody is on the list; leave it out to let in everybody with a certificate")
    return value


AllowedName = Annotated[str, Field(min_length=1), AfterValidator(_allowed_name)]


class TlsConfig(Section):
    """TLS on the port that Envoys connect to. The files are PEM; they may be replaced at any time."""

    certificate: Path
    """The bridge's certificate, followed by the intermediate ones up to what Envoys trust."""
    private_key: Path
    """The key to `certificate`, without a passphrase."""
    client_ca: Path | None = None
    """The authorities that sign the certificates of Envoys. With it, nobody connects without one."""
    allowed_sans: Annotated[tuple[AllowedName, ...], AfterValidator(_not_empty)] | None = None
    """The names, one of which an Envoy's certificate must have, beside being signed: DNS names, URIs, IP addresses.

    A `*` at the end stands for the rest of a name. Everybody with a certificate when left out.
    """

    @model_validator(mode="after")
    def _names_of_verified_clients(self) -> Self:
        if self.allowed_sans and self.client_ca is None:
            raise ValueError("allowed_sans needs client_ca: a name counts only when an authority vouches for it")
        return self


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
    names: Annotated[int, Field(ge=1000)] = 2_000_000
    """The most names that are asked for in all and of which there is no resource."""
    names_per_client: Annotated[int, Field(ge=1000)] = 250_000
    """The most such names that one client asks for, on all its streams."""
    request_size: Annotated[Size, Field(ge=64 << 10, le=1 << 30)] = 16 << 20
    """The largest request. In State of the World each one names everything that the Envoy asks for."""
    in_flight: Annotated[Size, Field(ge=1 << 20)] = 64 << 20
    """The most bytes of large responses that are being written at once, and as many again to Envoys that are slow."""
    write_timeout: Annotated[Duration, Field(ge=1)] = 30.0
    """An Envoy that has not taken a response after this time is hung up on."""
    keepalive_interval: Annotated[Duration, Field(ge=1, le=3600)] = 7.0
    """How often an idle connection is probed."""
    keepalive_timeout: Annotated[Duration, Field(ge=1, le=3600)] = 4.0
    """How long the answer to a probe may take before the connection is closed."""


class RestConfig(Section):
    """A second server, for Envoys that poll."""

    listen: ListenAddress
    """Where Envoys with `api_type: REST` poll, as host:port. Beyond loopback it needs `tls`, or `insecure: true`."""


class XdsConfig(Section):
    """The gRPC server that Envoys connect to."""

    insecure: bool = False
    """Allow plain text beyond this machine. Anyone who reaches the port can then read every endpoint."""
    tls: TlsConfig | None = None
    """Certificates, of the bridge and of those who may connect. Without it, everything is plain text."""
    listen: ListenAddress = Address("127.0.0.1", 18000)
    """Where Envoys connect, as host:port. Beyond loopback it needs `tls`, or `insecure: true`."""
    socket: Path | None = None
    """Path of a unix socket to listen on as well, for this machine: mode 0660, and at most 107 bytes long."""
    csds_allowed_sans: tuple[AllowedName, ...] = ()
    """The names, one of which a certificate must have to ask for the status of Envoys other than on `socket`."""
    rest: RestConfig | None = None
    """A second server, for Envoys that poll JSON over HTTP because they cannot hold a gRPC stream."""
    debounce: Debounce = Debounce()
    """How long changes are gathered before they are pushed."""
    limits: LimitsConfig = LimitsConfig()
    """How much clients may ask of the server."""

    @field_validator("rest")
    @classmethod
    def _rest_not_exposed_by_accident(cls, value: RestConfig | None, info: ValidationInfo) -> RestConfig | None:
        if value is not None:
            cls._not_exposed_by_accident(value.listen, info)
        return value

    @field_validator("listen")
    @classmethod
    def _not_exposed_by_accident(cls, value: Address, info: ValidationInfo) -> Address:
        # What was itself wrong is absent from `info.data`: one mistake, one message.
        plain = not info.data.get("insecure", True) and info.data.get("tls", ...) is None
        if plain and not value.loopback:
            raise ValueError(f"{value} is reachable from other machines in plain text; add `tls` or `insecure: true`")
        return value

    @model_validator(mode="after")
    def _plain_or_not(self) -> Self:
        if self.insecure and self.tls:
            raise ValueError("with tls nothing is plain text; take `insecure: true` away")
        return self

    @model_validator(mode="after")
    def _status_for_verified_clients(self) -> Self:
        if self.csds_allowed_sans and not (self.tls and self.tls.client_ca):
            raise ValueError(
                "csds_allowed_sans needs tls.client_ca: a name counts only when an authority vouches for it"
            )
        return self

    @property
    def allowed_sans(self) -> tuple[str, ...]:
        """The names, one of which a client must have; none where nobody is asked for a name."""
        return (self.tls.allowed_sans if self.tls else None) or ()

    @property
    def open_to_strangers(self) -> bool:
        """Whether other machines can connect without showing who they are, although nobody said that they may."""
        listening = [self.listen, *([self.rest.listen] if self.rest else [])]
        verified = self.tls is None or self.tls.client_ca is not None
        return not verified and not all(address.loopback for address in listening)
