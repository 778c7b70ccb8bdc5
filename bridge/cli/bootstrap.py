"""The options of `xds-bridge bootstrap`, as people type them, turned into an Envoy's bootstrap and written down."""

import io
import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated

import typer
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from bridge.bootstrap import (
    BootstrapOptions,
    BridgeAddress,
    HttpListener,
    ListenerTls,
    PipeAddress,
    Route,
    SocketAddress,
    TcpListener,
    render,
)
from bridge.config.address import parse_address
from bridge.envoy_tls import EnvoyTls, Secret, secret
from bridge.errors import ConfigError

_WIDTH = 4096  # no line is worth breaking


DEFAULT_BRIDGE = "127.0.0.1:18000"
DEFAULT_LISTENER = "127.0.0.1:10000"

Bridges = Annotated[
    list[str] | None,
    typer.Option(metavar="HOST:PORT", help="A bridge; again for each replica.", show_default=DEFAULT_BRIDGE),
]
Listeners = Annotated[
    list[str] | None,
    typer.Option(metavar="HOST:PORT", help="An HTTP listener, with every route.", show_default=DEFAULT_LISTENER),
]
Routes = Annotated[
    list[str] | None, typer.Option(metavar="[HOST]/PREFIX=CLUSTER", help="Where requests go; again for each route.")
]
TcpListeners = Annotated[
    list[str] | None, typer.Option(metavar="HOST:PORT=CLUSTER", help="A TCP listener; again for each.")
]
GrpcListeners = Annotated[
    list[str] | None, typer.Option(metavar="HOST:PORT", help="The same for gRPC, whose streams have no time limit.")
]
ListenCertificate = Annotated[
    str, typer.Option(metavar="PATH", help="With this, HTTP and gRPC listeners prove who they are (PEM).")
]
ListenKey = Annotated[str, typer.Option(metavar="PATH", help="The key to --listen-certificate (PEM).")]
NodeId = Annotated[
    str, typer.Option(help="Name of this Envoy, unlike that of any other.", show_default="of --from-… if given")
]
FromImds = Annotated[
    bool,
    typer.Option("--from-imds", help="Node id, region and zone from the metadata of this EC2 instance."),
]
FromEcsMetadata = Annotated[
    bool,
    typer.Option("--from-ecs-metadata", help="Node id, region and zone from the metadata of this ECS task."),
]
NoAds = Annotated[
    bool, typer.Option("--no-ads", help="A stream for each cluster; needs a view with `eds` in the bridge.")
]
TlsCa = Annotated[str, typer.Option(metavar="PATH", help="By these authorities, Envoy verifies bridges (PEM).")]
TlsCertificate = Annotated[str, typer.Option(metavar="PATH", help="With this, Envoy proves who it is (PEM).")]
TlsKey = Annotated[str, typer.Option(metavar="PATH", help="The key to --tls-certificate (PEM).")]
TlsServerName = Annotated[
    str, typer.Option(metavar="NAME", help="What the bridges' certificates are for.", show_default="their hosts")
]
TlsSecrets = Annotated[
    str, typer.Option(metavar="DIR", help="Where Envoy finds the other two parts, by which it sees renewals.")
]


class Output(StrEnum):
    """How the bootstrap is written; Envoy reads either."""

    YAML = "yaml"
    JSON = "json"


class Part(StrEnum):
    """Which of an Envoy's files is printed."""

    BOOTSTRAP = "bootstrap"
    CERTIFICATE = "certificate"
    CA = "ca"


def content(options: BootstrapOptions, part: Part) -> dict[str, object]:
    """What one of an Envoy's files holds.

    Raises:
        ConfigError: the Envoy has no such file.
    """
    if part is Part.BOOTSTRAP:
        return render(options)
    if options.tls is None or options.tls.secrets is None:
        raise ConfigError(f"there is no file of the {part} without --tls-secrets")
    return secret(options.tls, Secret.CERTIFICATE if part is Part.CERTIFICATE else Secret.CA)


def named(node_id: str) -> str:
    """The same name.

    Raises:
        ConfigError: there is none.
    """
    if not node_id:
        raise ConfigError("give the Envoy a --node-id; --from-imds and --from-ecs-metadata take one from AWS")
    return node_id


def tls(ca: str, certificate: str, key: str, server_name: str, secrets: str) -> EnvoyTls | None:
    """The TLS of an Envoy from options that are empty where they are not given; None when none is.

    Raises:
        ConfigError: there is something without `ca`, or a path is none.
    """
    if not ca:
        if certificate or key or server_name or secrets:
            raise ConfigError("TLS needs --tls-ca, by which Envoy verifies the bridges")
        return None
    return EnvoyTls(
        ca=PurePosixPath(ca),
        certificate=PurePosixPath(certificate) if certificate else None,
        private_key=PurePosixPath(key) if key else None,
        server_name=server_name,
        secrets=PurePosixPath(secrets) if secrets else None,
    )


def bridges(texts: Sequence[str]) -> tuple[BridgeAddress, ...]:
    """Addresses of bridges from `HOST:PORT` or `unix:/PATH`.

    Raises:
        ConfigError: one is something else.
    """
    return tuple(
        PipeAddress(text.removeprefix("unix:")) if text.startswith("unix:") else _address(text) for text in texts
    )


def listeners(
    http: Sequence[str] | None,
    grpc: Sequence[str] | None,
    tcp: Sequence[str] | None,
    routes: Sequence[str],
    tls: ListenerTls | None,
) -> tuple[HttpListener | TcpListener, ...]:
    """Listeners from `HOST:PORT`, with every route from `[HOST]/PREFIX=CLUSTER`, and from `HOST:PORT=CLUSTER` for TCP.

    Raises:
        ConfigError: one of them is something else, or there is a gRPC listener and no route.
    """
    parsed = tuple(_route(text) for text in routes)
    if grpc and not parsed:
        raise ConfigError("a listener for gRPC needs a --route, such as /=api")
    plain = [] if not parsed else http or ([] if grpc else [DEFAULT_LISTENER])
    return (
        *(HttpListener(_address(text), parsed, tls=tls) for text in plain),
        *(HttpListener(_address(text), parsed, grpc=True, tls=tls) for text in grpc or ()),
        *(TcpListener(_address(address), cluster) for address, cluster in map(_tcp, tcp or ())),
    )


def listener_tls(certificate: str, key: str) -> ListenerTls | None:
    """The TLS of listeners from options that are empty where they are not given; None when neither is.

    Raises:
        ConfigError: there is one without the other.
    """
    if bool(certificate) != bool(key):
        raise ConfigError("--listen-certificate and --listen-key belong together")
    return ListenerTls(certificate, key) if certificate else None


def write(content: dict[str, object], output: Output) -> str:
    """A bootstrap as text that ends with a line end."""
    if output is Output.JSON:
        return json.dumps(content, indent=2) + "\n"
    stream = io.StringIO()
    yaml = YAML(typ="rt", pure=True)
    yaml.width = _WIDTH
    yaml.dump(_quoted(content), stream)
    return stream.getvalue()


def _quoted(value: object) -> object:
    """The same with every text in quotes: Envoy's reader of YAML takes `on`, `y` or `1_0` for something else."""
    if isinstance(value, dict):
        return {key: _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) else value


def _address(text: str) -> SocketAddress:
    try:
        address = parse_address(text)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return SocketAddress(address.host, address.port)


def _route(text: str) -> Route:
    match, cluster = _pair(text, "[HOST]/PREFIX=CLUSTER, such as /api=api or shop.example.com/=shop")
    authority, _, prefix = match.partition("/")
    return Route(cluster, prefix=f"/{prefix}", authority=authority or "*")


def _tcp(text: str) -> tuple[str, str]:
    return _pair(text, "HOST:PORT=CLUSTER, such as 127.0.0.1:6379=redis")


def _pair(text: str, form: str) -> tuple[str, str]:
    left, equals, cluster = text.rpartition("=")
    if not (left and equals and cluster):
        raise ConfigError(f"{text!r} is not {form}")
    return left, cluster
