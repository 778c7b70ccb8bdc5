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
    """The bridge's certificate (RSA, P-256 or P-384), followed by the intermediate ones up to what Envoys trust."""
    private_key: Path
    """The key to `certificate`, without a passphrase."""
    client_ca: Path | None = None
    """The authorities that sign the certificates of Envoys.

    With it, nobody connects without one. Without it, whoever reaches the port can read every endpoint, and beyond
    loopback the bridge warns of that.
    """
    allowed_sans: Annotated[tuple[AllowedName, ...], AfterValidator(_not_empty)] | None = None
    """The names, one of which an Envoy's certificate must have, beside being signed; needs `client_ca`.

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
    """The most streams that are open in all; one more is refused at once.

    Each costs some 40 KB, beside the names that are asked for on it (`names`).
    """
    streams_per_client: Annotated[int, Field(ge=1)] = 5_000
    """The most streams of one client; one more is refused at once.

    A client is the first name in a certificate where there is one, else a host address; all who use a unix socket are
    one. Without ADS an Envoy opens one stream for each cluster: Envoys behind one address need as much together.
    """
    accept_rate: Annotated[int, Field(ge=1)] = 1_000
    """New streams per second.

    Two seconds' worth are let in at once; more wait, clients taking turns, up to 5 s and are refused after that.
    """
    request_rate: Annotated[int, Field(ge=1)] = 100
    """Requests per second on one stream.

    Twenty seconds' worth may come at once; a client that sends more is read more slowly, not ended (`stream.slowed`,
    `xds_bridge_xds_streams_slowed_total`). A request with more than 1,000 fields that have to be read counts as one
    more for each further 100, and any for each 256 KiB; one with more than 2,000 is read in portions, while others go
    on.
    """
    names: Annotated[int, Field(ge=1000)] = 2_000_000
    """The most names that are asked for in all and of which there is no resource, at least 1000; a request for more
    ends its stream (`excessive_request`). Each costs up to 400 bytes. What exists is not counted, and what several
    streams ask for alike counts once. Until the first answer nothing exists yet.
    """
    names_per_client: Annotated[int, Field(ge=1000)] = 250_000
    """The most such names of one client, as in `streams_per_client`; at least 1000.

    Of each type, one stream may ask for 100,000 names of 1,024 characters.
    """
    request_size: Annotated[Size, Field(ge=64 << 10, le=1 << 30)] = 16 << 20
    """The largest request, 64 KiB to 1 GiB.

    A larger one ends its stream; one that is more than twice as large is refused before it is read, and neither counted
    nor logged. In State of the World each request names everything that the Envoy asks for.
    """
    in_flight: Annotated[Size, Field(ge=1 << 20)] = 64 << 20
    """The most bytes of responses above 64 KiB that are being written at once, at least 1 MiB; others wait their turn.

    Writes that take longer than a second make room and may hold as much again; when that is full too and others wait,
    the slowest are hung up on. One response that is larger than this goes alone. On `socket`, where nobody can be hung
    up on, what clients were given up with counts until they close their connections; when that is as much again, they
    get no more large responses (`unread`).
    """
    write_timeout: Annotated[Duration, Field(ge=1)] = 30.0
    """An Envoy that has not taken a response after this time is given up (`stream.stalled`,
    `xds_bridge_xds_streams_stalled_total`); at least 1 s. Its connection is shut down with all streams on it, unless
    another of them has sent a request since.
    """
    keepalive_interval: Annotated[Duration, Field(ge=1, le=3600)] = 7.0
    """How often an idle connection is probed, 1 s to 1 h."""
    keepalive_timeout: Annotated[Duration, Field(ge=1, le=3600)] = 4.0
    """How long the answer to a probe may take, 1 s to 1 h. An Envoy that is frozen or cut off is gone after both."""


class RestConfig(Section):
    """A second server, for Envoys that poll."""

    listen: ListenAddress
    """Where they poll: with the certificates, authorities and names of `xds.tls` where there is that section.

    Beyond loopback it needs `tls`, or `insecure: true`, in the section `xds`.
    """


class XdsConfig(Section):
    """The gRPC server that Envoys connect to."""

    insecure: bool = False
    """Allow plain text beyond this machine.

    Anyone who reaches the port can then read every endpoint. Not together with `tls`.
    """
    tls: TlsConfig | None = None
    """Certificates, of the bridge and of those who may connect. Without it, everything is plain text."""
    listen: ListenAddress = Address("127.0.0.1", 18000)
    """Where Envoys connect, as host:port. Beyond loopback it needs `tls`, or `insecure: true`."""
    socket: Path | None = None
    """A unix socket to listen on as well, in plain text, for Envoys and tools on this machine.

    Only the bridge's user and group may connect (mode 0660). The path may have 107 bytes: the operating system has no
    room for more. A socket that a dead process left there is replaced; one in use is an error.
    """
    csds_allowed_sans: tuple[AllowedName, ...] = ()
    """The names, one of which a client certificate must have to ask for the status of Envoys on `listen`, written as in
    `allowed_sans` and beside it; needs `tls.client_ca`. On `socket` anybody may who can connect.
    """
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
