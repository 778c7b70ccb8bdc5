import json
from collections.abc import Callable

import pytest

from bridge.bootstrap import (
    BRIDGE_CLUSTER,
    ApiType,
    BootstrapOptions,
    BridgeAddress,
    HttpListener,
    PipeAddress,
    Route,
    SocketAddress,
    TcpListener,
    render,
)
from bridge.errors import ConfigError
from bridge.model import Locality
from support.tree import at

BRIDGE = SocketAddress("10.0.0.1", 18000)
LISTENER = SocketAddress("0.0.0.0", 8080)


def options(*listeners: HttpListener | TcpListener, bridges: tuple[BridgeAddress, ...] = (BRIDGE,)) -> BootstrapOptions:
    return BootstrapOptions("edge-1", "edge", bridges, listeners=listeners)


HTTP_FILTER = ("static_resources", "listeners", 0, "filter_chains", 0, "filters", 0, "typed_config")
ROUTES = (*HTTP_FILTER, "route_config")
BRIDGES = ("static_resources", "clusters", 0)


def test_a_bridge_on_the_same_machine_is_reached_by_its_socket() -> None:
    bootstrap = render(options(bridges=(PipeAddress("/run/xds.sock"), BRIDGE)))

    endpoints = (*BRIDGES, "load_assignment", "endpoints", 0, "lb_endpoints")
    assert at(bootstrap, *BRIDGES, "type") == "STATIC"
    assert at(bootstrap, *endpoints, 0, "endpoint", "address") == {"pipe": {"path": "/run/xds.sock"}}
    assert at(bootstrap, *endpoints, 1, "endpoint", "address", "socket_address", "address") == "10.0.0.1"


def test_it_is_json() -> None:
    bootstrap = render(options(HttpListener(LISTENER, (Route("web"),))))

    assert json.loads(json.dumps(bootstrap)) == bootstrap


def test_clusters_and_endpoints_come_by_one_incremental_stream() -> None:
    dynamic = render(options())["dynamic_resources"]

    assert at(dynamic, "ads_config", "api_type") == "DELTA_GRPC"
    assert at(dynamic, "ads_config", "set_node_on_first_message_only") is True
    assert at(dynamic, "ads_config", "grpc_services", 0, "envoy_grpc", "cluster_name") == BRIDGE_CLUSTER
    assert at(dynamic, "cds_config", "ads") == {}


def test_the_state_of_the_world_variant_can_be_chosen() -> None:
    bootstrap = render(BootstrapOptions("edge-1", "edge", (BRIDGE,), api_type=ApiType.GRPC))

    assert at(bootstrap, "dynamic_resources", "ads_config", "api_type") == "GRPC"


@pytest.mark.parametrize("api_type", [ApiType.GRPC, ApiType.DELTA_GRPC])
def test_clusters_can_come_by_a_stream_of_their_own(api_type: ApiType) -> None:
    dynamic = render(BootstrapOptions("edge-1", "edge", (BRIDGE,), api_type=api_type, aggregated=False))[
        "dynamic_resources"
    ]

    source = at(dynamic, "cds_config", "api_config_source")
    assert at(source, "api_type") == api_type
    assert at(source, "set_node_on_first_message_only") is True
    assert at(source, "grpc_services", 0, "envoy_grpc", "cluster_name") == BRIDGE_CLUSTER
    assert isinstance(dynamic, dict)
    assert set(dynamic) == {"cds_config"}


def test_every_bridge_is_an_endpoint_with_keepalive() -> None:
    bootstrap = render(options(bridges=(BRIDGE, SocketAddress("10.0.0.2", 18000))))

    endpoints = at(bootstrap, *BRIDGES, "load_assignment", "endpoints", 0, "lb_endpoints")
    addresses = [
        at(bootstrap, *BRIDGES, "load_assignment", "endpoints", 0, "lb_endpoints", index, "endpoint", "address")
        for index in range(2)
    ]
    assert isinstance(endpoints, list)
    assert len(endpoints) == 2
    assert [at(address, "socket_address", "address") for address in addresses] == ["10.0.0.1", "10.0.0.2"]
    assert "connection_keepalive" in json.dumps(at(bootstrap, *BRIDGES))


@pytest.mark.parametrize(
    ("hosts", "discovery"),
    [(["10.0.0.1", "::1"], "STATIC"), (["bridge.internal"], "STRICT_DNS"), (["10.0.0.1", "b.internal"], "STRICT_DNS")],
)
def test_host_names_of_bridges_are_resolved(hosts: list[str], discovery: str) -> None:
    bootstrap = render(options(bridges=tuple(SocketAddress(host, 18000) for host in hosts)))

    assert at(bootstrap, *BRIDGES, "type") == discovery


def test_admin_is_on_loopback_only() -> None:
    bootstrap = render(BootstrapOptions("edge-1", "edge", (BRIDGE,), admin_port=9999))

    assert at(bootstrap, "admin", "address", "socket_address") == {"address": "127.0.0.1", "port_value": 9999}


@pytest.mark.parametrize(
    ("locality", "expected"),
    [
        (Locality(), None),
        (Locality("eu"), {"region": "eu"}),
        (Locality("eu", "eu-1a", "rack"), {"region": "eu", "zone": "eu-1a", "sub_zone": "rack"}),
    ],
)
def test_the_node_says_where_it_is_if_it_is_known(locality: Locality, expected: object) -> None:
    node = render(BootstrapOptions("edge-1", "edge", (BRIDGE,), locality))["node"]

    assert isinstance(node, dict)
    assert node.get("locality") == expected


def test_static_routes_do_not_need_their_clusters_at_start() -> None:
    bootstrap = render(options(HttpListener(LISTENER, (Route("web"),))))

    assert at(bootstrap, *ROUTES, "validate_clusters") is False


def test_longer_prefixes_go_first_whatever_their_order() -> None:
    routes = (Route("web"), Route("v2", "/api/v2"), Route("api", "/api"))

    bootstraps = [render(options(HttpListener(LISTENER, order))) for order in (routes, routes[::-1])]

    prefixes = [
        at(bootstraps[0], *ROUTES, "virtual_hosts", 0, "routes", index, "match", "prefix") for index in range(3)
    ]
    assert prefixes == ["/api/v2", "/api", "/"]
    assert bootstraps[0] == bootstraps[1]


def test_each_authority_is_a_virtual_host() -> None:
    routes = (Route("web"), Route("shop", authority="shop.example.com"), Route("cart", "/cart", "shop.example.com"))

    hosts = at(render(options(HttpListener(LISTENER, routes))), *ROUTES, "virtual_hosts")

    assert isinstance(hosts, list)
    assert [(host["domains"], len(host["routes"])) for host in hosts] == [(["*"], 1), (["shop.example.com"], 2)]


def test_a_tcp_listener_names_its_cluster() -> None:
    bootstrap = render(options(TcpListener(LISTENER, "postgres")))

    assert at(bootstrap, *HTTP_FILTER, "cluster") == "postgres"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SocketAddress("10.0.0.1", 0), "port 0 of 10.0.0.1 is not between 1 and 65535"),
        (lambda: SocketAddress("10.0.0.1", 65536), "port 65536"),
        (lambda: SocketAddress("", 80), "host '' is empty"),
        (lambda: SocketAddress("a\nb", 80), "control character"),
        (lambda: Route(""), "cluster '' is empty"),
        (lambda: Route("web", "api"), "route prefix 'api' does not begin with /"),
        (lambda: Route("web", authority=""), "authority '' is empty"),
        (lambda: HttpListener(LISTENER, ()), "port 8080 has no route"),
        (lambda: HttpListener(LISTENER, (Route("a"), Route("b"))), r"route \* / is named 2 times"),
        (lambda: HttpListener(SocketAddress("localhost", 1), (Route("a"),)), "'localhost' is not one"),
        (lambda: TcpListener(SocketAddress("localhost", 1), "a"), "'localhost' is not one"),
        (lambda: TcpListener(LISTENER, " a"), "space around it"),
        (lambda: options(bridges=()), "at least one bridge"),
        (lambda: options(bridges=(BRIDGE, BRIDGE)), "bridge 10.0.0.1 port 18000 is named 2 times"),
        (lambda: options(bridges=(PipeAddress("/a"), PipeAddress("/a"))), "bridge at /a is named 2 times"),
        (lambda: options(bridges=(PipeAddress("/a"), SocketAddress("host", 1))), "do not go together"),
        (lambda: PipeAddress("run/a.sock"), "does not begin with /"),
        (lambda: PipeAddress(""), "socket '' is empty"),
        (lambda: options(TcpListener(LISTENER, "a"), TcpListener(LISTENER, "b")), "listener 0.0.0.0 port 8080"),
        (lambda: BootstrapOptions("", "edge", (BRIDGE,)), "node id '' is empty"),
        (lambda: BootstrapOptions("edge-1", "", (BRIDGE,)), "node cluster '' is empty"),
        (lambda: BootstrapOptions("edge-1", "edge", (BRIDGE,), admin_port=0), "port 0"),
        (lambda: BootstrapOptions("edge-1", "edge", (BRIDGE,), api_type=ApiType.REST), "by a stream"),
    ],
)
def test_options_that_envoy_could_not_run_with_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
