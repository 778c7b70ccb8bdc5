"""What an operator can write under a source of `type: consul`."""

import ssl
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from bridge.adapter import AdapterConfig, Duration, Glob
from bridge.errors import ConfigError
from bridge.labels import DEFAULT_PREFIX


class Mode(StrEnum):
    """How changes are watched for."""

    AUTO = "auto"
    PER_SERVICE = "per_service"
    AGGREGATE = "aggregate"


class Consistency(StrEnum):
    """Consul's consistency modes (https://developer.hashicorp.com/consul/api-docs/features/consistency)."""

    DEFAULT = "default"
    STALE = "stale"
    CONSISTENT = "consistent"


class WarningHealth(StrEnum):
    """What an endpoint is whose worst check is `warning`."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"


def _agent_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the address of an agent is a URL such as http://127.0.0.1:8500")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("the address of an agent is scheme, host and port only; a token belongs in token_file")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _name_template(value: str) -> str:
    rest = value.replace("{service}", "").replace("{datacenter}", "")
    if "{service}" not in value or "{" in rest or "}" in rest:
        raise ValueError("a name holds {service}, may hold {datacenter}, and no other braces")
    return value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Services(_Section):
    """Which of the catalog's services are followed, by globs over their names."""

    include: tuple[Glob, ...] = ("*",)
    """A service is followed when one of these matches its name."""
    exclude: tuple[Glob, ...] = ()
    """A service is not followed when one of these matches its name."""


class Tls(_Section):
    """How an `https` agent is verified, and how the bridge shows who it is."""

    ca: Path | None = None
    """PEM file of the authorities that may have signed the agent's certificate; the system's when left out."""
    certificate: Path | None = None
    """PEM file of the bridge's own certificate, for an agent with `verify_incoming`."""
    private_key: Path | None = None
    """PEM file of the key to `certificate`."""
    server_name: str | None = None
    """The name in the agent's certificate, where it is not the host of the address (`server.dc1.consul`)."""
    verify: bool = True
    """`false` trusts any certificate: for trying things out only."""

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key belong together")
        return self


class Config(AdapterConfig):
    """One agent, one datacenter. Several datacenters are several sources."""

    address: Annotated[str, AfterValidator(_agent_address), Field(json_schema_extra={"x-kind": "URL"})] = (
        "http://127.0.0.1:8500"
    )
    """URL of the Consul agent, `http` or `https`. All sources that name the same agent share its connections."""
    tls: Tls | None = None
    """TLS settings of an `https` address."""
    token_file: Path | None = None
    """File with the ACL token; read again when it changes and when the agent refuses the token.

    Needs `service:read` and `node:read` on what is to be found, and on the service `consul` if it can be had.
    """
    datacenter: str | None = None
    """The datacenter to ask for; the agent's own when left out."""
    services: Services = Services()
    """Which services are followed."""
    tags: tuple[str, ...] = ()
    """Only instances that carry all of these tags."""
    filter: str | None = None
    """Only instances that this [expression](https://developer.hashicorp.com/consul/api-docs/features/filtering)
    selects, such as `Service.Meta.env == "prod"`.
    """
    mode: Mode = Mode.AUTO
    """`per_service`: one blocking query per service.

    `aggregate`: three in all, for any number of services. `auto`: the first up to `max_watches` services, then the
    second. Above `max_watches`, or when the agent refuses connections, `per_service` changes to `aggregate` too.
    """
    max_watches: int = Field(default=64, ge=1, le=5000)
    """The most blocking queries that all sources of this process together keep open at one agent for `per_service`.

    An agent refuses the 201st connection of one address
    ([`http_max_conns_per_client`](https://developer.hashicorp.com/consul/docs/reference/agent/configuration-file/general#http_max_conns_per_client))
    and still counts those of a process that died until their `wait` is over; so leave room for twice this number.
    """
    wait: Annotated[Duration, Field(ge=1, le=600)] = 55.0
    """The longest that a blocking query stays open without a change; 1 s to 10 min."""
    consistency: Consistency = Consistency.DEFAULT
    """[Consistency](https://developer.hashicorp.com/consul/api-docs/features/consistency) of reads.

    `stale` lets any server answer: for large fleets. The reads on which a removal rests are always `consistent`.
    """
    tagged_address: str | None = None
    """Key of the tagged address to use where an instance or its node has it, such as `lan_ipv4` or `wan`."""
    warning: WarningHealth = WarningHealth.HEALTHY
    """What an instance is whose worst check is `warning`; either way it gets its `Weights.Warning`."""
    zone_meta: tuple[str, ...] = ("zone", "availability-zone")
    """Keys of the service's, then the node's metadata; the first that is there is the zone."""
    region_meta: tuple[str, ...] = ()
    """Keys of the service's, then the node's metadata for the region; the datacenter where none is there."""
    label_prefix: str = Field(default=DEFAULT_PREFIX, min_length=1)
    """Prefix of the bridge's own keys in service metadata, such as `xds-weight`."""
    service_name: Annotated[str, AfterValidator(_name_template)] = "{service}"
    """Name of the bridge's service for a Consul service, such as `{service}.{datacenter}`.

    Names in `xds-service` are used as they are.
    """

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tls is not None and not self.address.startswith("https:"):
            raise ValueError("tls is set but the address is not https")
        return self


def tls_context(config: Config) -> ssl.SSLContext | None:
    """How to verify the agent; None for plain http.

    Raises:
        ConfigError: a file cannot be read or holds no certificate or key.
    """
    if not config.address.startswith("https:"):
        return None
    tls = config.tls or Tls()
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.certificate and tls.private_key:
            context.load_cert_chain(tls.certificate, tls.private_key)
    except OSError as error:
        raise ConfigError(f"cannot load the certificates for Consul agent {config.address}: {error}") from error
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
