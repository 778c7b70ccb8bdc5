"""The shape of the configuration: every key with its type, its default and what it means."""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Never, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SkipValidation,
    WithJsonSchema,
    model_validator,
)

from bridge.adapter import Adapter, AdapterConfig, AdapterType, Duration
from bridge.config.address import Address
from bridge.config.section import ListenAddress, Section
from bridge.config.service import ServiceRule
from bridge.config.share import Share
from bridge.config.view import ViewRule
from bridge.config.xds import XdsConfig
from bridge.errors import ConfigError
from bridge.model import SourceName, require_printable
from bridge.permission import Grant
from bridge.problem import Path as KeyPath

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"


def _source_name(value: str) -> str:
    if not re.fullmatch(NAME_PATTERN, value):
        raise ValueError(f"{value!r} is no name for a source; use 1 to 63 letters, digits, '-', '_' and '.'")
    return value


def _state_directory(value: Path) -> Path:
    require_printable(str(value))
    if not value.is_absolute():
        raise ValueError(f"{str(value)!r} is not absolute; write a path such as /var/lib/xds-bridge")
    return value


def _peer(value: str) -> str:
    """The URL of a peer as it is shown: without a path, and without a slash at its end."""
    require_printable(value)
    parts = urlsplit(value)
    try:
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{value!r} is no admin server; write it as http://10.0.0.6:19000, without path and user")
    return f"{parts.scheme}://{parts.netloc}"


def _socket(value: Path) -> Path:
    if not value.is_absolute():
        example = "/run/xds-bridge/admin.sock"
        raise ValueError(f"{str(value)!r} is not absolute, and commands run elsewhere; write a path such as {example}")
    return value


class Expose(StrEnum):
    """What the admin server answers to other machines."""

    PROBES = "probes"
    ALL = "all"


class AdminConfig(Section):
    """The HTTP server for operators and Prometheus: read-only, but for the unix socket."""

    listen: ListenAddress = Address("127.0.0.1", 19000)
    """Where it listens, as host:port. Not the address and port of `xds.listen`."""
    expose: Expose = Expose.PROBES
    """What other machines are answered when `listen` is beyond loopback: `probes` is `/metrics`, `/livez` and `/readyz`
    alone; `all` is everything. Requests from this machine are answered all of it, when they name it by address or as
    `localhost`.
    """
    socket: Annotated[Path, AfterValidator(_socket)] | None = None
    """A unix socket for operators: everything that HTTP shows, and what changes a running bridge, which goes through
    nothing else. Mode 0660; write an absolute path of at most 107 bytes. A socket that a dead process left there is
    replaced; one in use is an error.
    """
    socket_group: Annotated[str, Field(min_length=1)] | None = None
    """The group that may use `socket`, by name or number; the bridge's own when left out.

    Unless the bridge runs as root, it has to be a member.
    """

    peers: tuple[Annotated[str, AfterValidator(_peer), Field(json_schema_extra={"x-kind": "URL"})], ...] = ()
    """The admin servers of the other replicas, such as `http://10.0.0.6:19000`: what they serve is compared with what
    this one serves. Its own URL may be among them. With it, other machines may also read `/api/v1/versions`,
    whatever `expose` says: hashes, without a name or an address.
    """

    peer_patience: Duration = 60.0
    """How long a peer may serve something else before that is told.

    Sources that are polled reach one replica before another one: make it longer than the longest `interval`.
    """

    @model_validator(mode="after")
    def _peers_differ(self) -> Self:
        if twice := sorted({url for url in self.peers if self.peers.count(url) > 1}):
            raise ValueError(f"peers: {', '.join(twice)} is there twice")
        return self

    @model_validator(mode="after")
    def _group_of_something(self) -> Self:
        if self.socket_group is not None and self.socket is None:
            raise ValueError("socket_group is for the file of `socket`; name one, or leave it out")
        return self


class LogFormat(StrEnum):
    """How a record is written."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"
    JOURNAL = "journal"


class LogLevel(StrEnum):
    """The least severe record that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogConfig(Section):
    """What is logged, to standard error."""

    format: LogFormat = LogFormat.AUTO
    """`json`: one object per line.

    `console`: for people, in colour on a terminal unless `NO_COLOR` is set. `journal`: with priorities for systemd.
    `auto`: journal under systemd, console on a terminal, json elsewhere.
    """
    level: LogLevel = LogLevel.INFO
    """The least severe level that is logged."""


class PerService(StrEnum):
    """Whether `/metrics` has series for each service."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class MetricsConfig(Section):
    """What `/metrics` shows."""

    per_service: PerService = PerService.AUTO
    """Whether each service has series of its own, `xds_bridge_service_endpoints` by health.

    `auto` shows them up to 500 services and none beyond.
    """


class GuardConfig(Section):
    """When a loss is not believed: a source that fails or lies must not take endpoints away."""

    max_loss: Share = 0.5
    """Share of a source's endpoints that may vanish within ten minutes; what would exceed it is held."""
    min_endpoints: Annotated[int, Field(ge=1)] = 10
    """A source that never had so many endpoints within ten minutes may lose any share of them."""
    release_after: Duration = 600.0
    """How long a loss is held before it is believed, if no read fails then. An emptied source never is."""


class SourceKeys(Section):
    """The keys that every source has; beside them stand those of its type."""

    name: Annotated[str, AfterValidator(_source_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]
    """What the source is called in logs, metrics and commands: 1 to 63 letters, digits, `-`, `_` and `.`. Unique."""
    type: str
    """Which adapter reads it. Other packages may bring more."""
    required: bool = True
    """Answer no Envoy until this source has spoken. An optional source is waited for through `startup_grace` only."""
    allow_empty: bool = False
    """Believe a first read without any endpoint; otherwise such a read does not count as having spoken."""


class SourceConfig(BaseModel):
    """One source: the keys every source has, and those of its adapter, read by the adapter's own model."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: SourceName
    type: str
    required: bool = True
    allow_empty: bool = False
    adapter: SkipValidation[AdapterType[Never]]
    """The class to build; `Never` because each adapter takes its own `Config` and nothing else."""
    options: SkipValidation[AdapterConfig]
    """An instance of `adapter.Config`."""

    def grants(self, account: str) -> Sequence[Grant]:
        """What it has to be allowed where it reads, as `Permitted` says; nothing where its adapter does not say it."""
        permissions: Callable[[AdapterConfig, str], Sequence[Grant]] | None
        permissions = getattr(self.adapter, "permissions", None)
        return permissions(self.options, account) if permissions else ()

    def exclusive(self) -> Sequence[tuple[KeyPath, str]]:
        """What no other source can have, with where its keys name it, as `Exclusive` says; nothing without that."""
        exclusive: Callable[[AdapterConfig], Sequence[tuple[KeyPath, str]]] | None
        exclusive = getattr(self.adapter, "exclusive", None)
        return exclusive(self.options) if exclusive else ()

    def searched(self) -> str:
        """Where it looks, as `Searching` says; empty where its adapter does not say it."""
        searched: Callable[[AdapterConfig], str] | None = getattr(self.adapter, "searched", None)
        return searched(self.options) if searched else ""

    def build(self) -> Adapter:
        """The adapter of this source.

        Raises:
            ConfigError: the options cannot work, such as a certificate that cannot be read.
        """
        return self.adapter(self.options)  # type: ignore[arg-type]  # `options` is made by this adapter's `Config`


def build_adapters(sources: Sequence[SourceConfig]) -> dict[SourceName, Adapter]:
    """The adapters of all sources, in their order.

    Raises:
        ConfigError: the options of some cannot work; one line for each, with the name of the source.
    """
    adapters, problems = {}, []
    for source in sources:
        try:
            adapters[source.name] = source.build()
        except ConfigError as error:
            problems.append(f'source "{source.name}": {error}')
    if problems:
        raise ConfigError("\n".join(problems))
    return adapters


class Config(Section):
    """Everything there is to configure."""

    xds: XdsConfig = XdsConfig()
    """The gRPC server that Envoys connect to."""
    admin: AdminConfig = AdminConfig()
    """The HTTP server for operators and Prometheus: read-only, but for the unix socket."""
    startup_grace: Duration = 30.0
    """How long an optional source may take to speak after the start before Envoys are answered without it."""
    guard: GuardConfig = GuardConfig()
    """When endpoints that a source no longer reports are kept all the same."""
    cluster_retention: Duration = 3600.0
    """How long the cluster of a service that nobody reports any more stays, empty: static routes may still name it."""
    state_directory: Annotated[Path, AfterValidator(_state_directory)] | None = None
    """Where what is known is kept across a restart: a directory for this bridge alone. Nothing is kept without it."""
    restore_max_age: Duration = 24 * 3600.0
    """How old what was kept of a source may be to be used after a restart; needs `state_directory`."""
    log: LogConfig = LogConfig()
    """What is logged, to standard error."""
    metrics: MetricsConfig = MetricsConfig()
    """What `/metrics` shows."""
    sources: Annotated[tuple[SourceConfig, ...], WithJsonSchema({"type": "array", "minItems": 1})]
    """Where endpoints come from, at least one.

    The order matters: of one address and port the first source wins, and it is the precedence for merging.
    """
    cluster_defaults: Mapping[str, object] = Field(default_factory=dict)
    """Fields of Envoy's Cluster for every service."""
    services: tuple[ServiceRule, ...] = ()
    """Settings for some services, by their name."""
    views: tuple[ViewRule, ...] = ()
    """Who sees what; the first rule that matches an Envoy is the one that counts. Without any, all see everything."""
    views_required: bool = False
    """Refuse an Envoy that no rule of `views` matches, in place of showing it everything."""
    _written: Mapping[str, object] = PrivateAttr(default_factory=dict)

    @property
    def written(self) -> Mapping[str, object]:
        """The file as it was written, `${NAME}` not replaced; empty for one that was read from no file."""
        return self._written

    def remember(self, written: Mapping[str, object]) -> None:
        """Know how it was written; for the loader, once."""
        self._written = written
