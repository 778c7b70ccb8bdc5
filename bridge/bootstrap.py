"""Writes the bootstrap of an Envoy: static listeners and routes, clusters and endpoints from the bridge.

A pure function from options to the configuration, which is YAML or JSON to whoever writes it down.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.envoy_tls import EnvoyTls, downstream_socket, transport_socket
from bridge.errors import ConfigError
from bridge.model import Locality, require_printable

BRIDGE_CLUSTER = "xds_bridge_servers"
"""The static cluster of the bridges themselves. A service of the same name could not become a cluster."""

_EXTENSIONS = "type.googleapis.com/envoy.extensions"


class ApiType(StrEnum):
    """How an Envoy asks; its bootstrap says it of clusters, and its clusters say it of endpoints."""

    GRPC = "GRPC"
    """A stream, state of the world: every answer holds all clusters."""
    DELTA_GRPC = "DELTA_GRPC"
    """A stream, incremental: an answer holds what changed."""
    REST = "REST"
    """A request over and over."""


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """A host and a TCP port.

    Raises:
        ConfigError: the host is empty or the port out of range.
    """

    host: str
    port: int

    def __post_init__(self) -> None:
        _require_name("host", self.host)
        if not 1 <= self.port <= 65535:
            raise ConfigError(f"port {self.port} of {self.host} is not between 1 and 65535")

    @property
    def is_ip(self) -> bool:
        """Whether the host is an IP address, which needs no DNS."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class PipeAddress:
    """A unix socket on the machine of the Envoy.

    Raises:
        ConfigError: the path is relative, or is none.
    """

    path: str

    def __post_init__(self) -> None:
        _require_name("socket", self.path)
        if not self.path.startswith("/"):
            raise ConfigError(f"the path of the socket {self.path!r} does not begin with /")


BridgeAddress = SocketAddress | PipeAddress


@dataclass(frozen=True, slots=True)
class Route:
    """Requests whose path begins with a prefix, of one authority or of any, go to a cluster.

    Raises:
        ConfigError: the cluster has no name, or the prefix does not begin with a slash.
    """

    cluster: str
    prefix: str = "/"
    authority: str = "*"
    """A host name without a port, a wildcard such as `*.example.com`, or `*`."""

    def __post_init__(self) -> None:
        _require_name("cluster", self.cluster)
        _require_name("authority", self.authority)
        if not self.prefix.startswith("/"):
            raise ConfigError(f"route prefix {self.prefix!r} does not begin with /")


@dataclass(frozen=True, slots=True)
class ListenerTls:
    """With what a listener proves who it is. Envoy reads the files at its start. Paths are on the Envoy's machine.

    Raises:
        ConfigError: a path does not begin with a slash.
    """

    certificate: str
    private_key: str

    def __post_init__(self) -> None:
        for path in (self.certificate, self.private_key):
            _require_name("path", path)
            if not path.startswith("/"):
                raise ConfigError(f"the path {path!r} of a listener's TLS does not begin with /")


@dataclass(frozen=True, slots=True)
class HttpListener:
    """An HTTP/1 and HTTP/2 listener. Envoy looks for the most specific authority, then for the longest prefix in it.

    Raises:
        ConfigError: it has no route, two routes for the same requests, or does not listen on an IP address.
    """

    address: SocketAddress
    routes: tuple[Route, ...]
    grpc: bool = False
    """For calls of gRPC: a stream may last for as long as it likes, where Envoy gives a request 15 s."""
    tls: ListenerTls | None = None
    """None for plain text."""

    def __post_init__(self) -> None:
        _require_ip(self.address)
        if not self.routes:
            raise ConfigError(f"the HTTP listener on port {self.address.port} has no route")
        _refuse_repeated("route", (f"{route.authority} {route.prefix}" for route in self.routes))


@dataclass(frozen=True, slots=True)
class TcpListener:
    """Connections are passed on to a cluster.

    Raises:
        ConfigError: the cluster has no name, or it does not listen on an IP address.
    """

    address: SocketAddress
    cluster: str

    def __post_init__(self) -> None:
        _require_ip(self.address)
        _require_name("cluster", self.cluster)


@dataclass(frozen=True, slots=True)
class BootstrapOptions:
    """What differs from one Envoy to the next.

    Raises:
        ConfigError: no bridge is named, it is asked without a stream, two listeners share an address, or one bridge is
            named by its host and another by its socket, which Envoy cannot have in one cluster.
    """

    node_id: str
    node_cluster: str
    bridges: tuple[BridgeAddress, ...]
    """Every replica; Envoy keeps one stream and goes to the next when it fails."""
    locality: Locality = field(default_factory=Locality)
    """Where this Envoy runs."""
    admin_port: int = 9901
    """Of Envoy's own admin interface, which listens on loopback: whoever reaches it can stop the Envoy."""
    api_type: ApiType = ApiType.DELTA_GRPC
    """GRPC or DELTA_GRPC."""
    aggregated: bool = True
    """One stream for everything (ADS). Otherwise each cluster has a stream of its own, to where the cluster says."""
    listeners: tuple[HttpListener | TcpListener, ...] = ()
    tls: EnvoyTls | None = None
    """For bridges with TLS; None for plain text."""

    def __post_init__(self) -> None:
        _require_name("node id", self.node_id)
        _require_name("node cluster", self.node_cluster)
        SocketAddress("127.0.0.1", self.admin_port)
        if self.api_type is ApiType.REST:
            raise ConfigError("an Envoy gets its clusters from the bridges by a stream, GRPC or DELTA_GRPC")
        if not self.bridges:
            raise ConfigError("an Envoy needs the address of at least one bridge")
        _refuse_repeated("bridge", map(_spelled, self.bridges))
        if _needs_dns(self.bridges) and any(isinstance(bridge, PipeAddress) for bridge in self.bridges):
            raise ConfigError("bridges by host name and by socket do not go together; name the hosts by their IP")
        if self.tls and len(_hosts(self.bridges)) < len(self.bridges):
            raise ConfigError("there is no TLS on a bridge's socket; name its host, or leave TLS out")
        _refuse_repeated("listener", (f"{one.address.host} port {one.address.port}" for one in self.listeners))


def render(options: BootstrapOptions) -> dict[str, object]:
    """The bootstrap (`envoy.config.bootstrap.v3.Bootstrap`) in protobuf's JSON form."""
    return {
        "node": _node(options),
        "admin": {"address": _address(SocketAddress("127.0.0.1", options.admin_port))},
        "dynamic_resources": _dynamic_resources(options),
        "static_resources": {
            "clusters": [_bridge_cluster(options)],
            "listeners": [_listener(listener) for listener in options.listeners],
        },
    }


def _dynamic_resources(options: BootstrapOptions) -> dict[str, object]:
    bridges = {
        "api_type": str(options.api_type),
        "transport_api_version": "V3",
        # Envoy's description of itself is some 60 KB; by default it goes with every acknowledgement.
        "set_node_on_first_message_only": True,
        "grpc_services": [{"envoy_grpc": {"cluster_name": BRIDGE_CLUSTER}}],
    }
    if options.aggregated:
        return {"ads_config": bridges, "cds_config": {"ads": {}, "resource_api_version": "V3"}}
    return {"cds_config": {"api_config_source": bridges, "resource_api_version": "V3"}}


def _node(options: BootstrapOptions) -> dict[str, object]:
    names = ("region", "zone", "sub_zone")
    locality = {name: value for name in names if (value := getattr(options.locality, name))}
    node: dict[str, object] = {"id": options.node_id, "cluster": options.node_cluster}
    return {**node, "locality": locality} if locality else node


def _spelled(bridge: BridgeAddress) -> str:
    return f"at {bridge.path}" if isinstance(bridge, PipeAddress) else f"{bridge.host} port {bridge.port}"


def _hosts(bridges: Iterable[BridgeAddress]) -> list[str]:
    return [bridge.host for bridge in bridges if isinstance(bridge, SocketAddress)]


def _needs_dns(bridges: Iterable[BridgeAddress]) -> bool:
    return any(isinstance(bridge, SocketAddress) and not bridge.is_ip for bridge in bridges)


def _bridge_cluster(options: BootstrapOptions) -> dict[str, object]:
    bridges, tls = options.bridges, options.tls
    keepalive = {"interval": "10s", "timeout": "5s"}  # a bridge whose host is gone is noticed within 15 s
    return {
        "name": BRIDGE_CLUSTER,
        "type": "STRICT_DNS" if _needs_dns(bridges) else "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {"connection_keepalive": keepalive}},
            }
        },
        "load_assignment": {
            "cluster_name": BRIDGE_CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(bridge)}} for bridge in bridges]}],
        },
        **({"transport_socket": transport_socket(tls, _hosts(bridges))} if tls else {}),
    }


def _listener(listener: HttpListener | TcpListener) -> dict[str, object]:
    kind = "tcp" if isinstance(listener, TcpListener) else "grpc" if listener.grpc else "http"
    name = f"{kind}_{listener.address.host}_{listener.address.port}"
    network_filter = _http_filter(listener, name) if isinstance(listener, HttpListener) else _tcp_filter(listener, name)
    chain: dict[str, object] = {"filters": [network_filter]}
    if isinstance(listener, HttpListener) and listener.tls:
        chain["transport_socket"] = downstream_socket(listener.tls.certificate, listener.tls.private_key)
    return {"name": name, "address": _address(listener.address), "filter_chains": [chain]}


def _tcp_filter(listener: TcpListener, name: str) -> dict[str, object]:
    return {
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": name,
            "cluster": listener.cluster,
        },
    }


def _http_filter(listener: HttpListener, name: str) -> dict[str, object]:
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_EXTENSIONS}.filters.http.router.v3.Router"},
    }
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "route_config": _route_configuration(listener, name),
            "http_filters": [router],
        },
    }


def _route_configuration(listener: HttpListener, name: str) -> dict[str, object]:
    by_authority: dict[str, list[Route]] = {}
    for route in listener.routes:
        by_authority.setdefault(route.authority, []).append(route)
    return {
        "name": name,
        # Static routes name clusters that come later, from the bridge; Envoy would refuse them otherwise.
        "validate_clusters": False,
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [
            _virtual_host(authority, routes, {"timeout": "0s"} if listener.grpc else {})
            for authority, routes in sorted(by_authority.items())
        ],
    }


def _virtual_host(authority: str, routes: Iterable[Route], times: Mapping[str, object]) -> dict[str, object]:
    # Envoy takes the first route that matches.
    longest_first = sorted(routes, key=lambda route: (-len(route.prefix), route.prefix))
    return {
        "name": authority,
        "domains": [authority],
        # Neither of these has reached the endpoint, so trying another one is safe for every request.
        "retry_policy": {"retry_on": "connect-failure,refused-stream", "num_retries": 2},
        "routes": [
            {"match": {"prefix": route.prefix}, "route": {"cluster": route.cluster, **times}} for route in longest_first
        ],
    }


def _address(address: BridgeAddress) -> dict[str, object]:
    if isinstance(address, PipeAddress):
        return {"pipe": {"path": address.path}}
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def _require_name(what: str, name: str) -> None:
    if not name or name != name.strip():
        raise ConfigError(f"{what} {name!r} is empty or has space around it")
    try:
        require_printable(name)
    except ValueError as error:
        raise ConfigError(f"{what} {error}") from error


def _require_ip(address: SocketAddress) -> None:
    if not address.is_ip:
        raise ConfigError(f"a listener listens on an IP address, and {address.host!r} is not one")


def _refuse_repeated(what: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ConfigError(f"{what} {name} is named {count} times")
