"""What `fetch` refuses, and how it shows what other servers send; how it talks to them is for the tests of `xds`."""

from pathlib import Path

import pytest
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType, ClusterEdsClusterConfig
from envoy_data_plane.envoy.config.core.v3 import Address, HealthStatus, Locality, SocketAddress
from envoy_data_plane.envoy.config.endpoint.v3 import (
    ClusterLoadAssignment,
    Endpoint,
    LbEndpoint,
    LocalityLbEndpoints,
)
from envoy_data_plane.google.protobuf import Any

from bridge.cli import decoded, fetch
from bridge.cli.comparison import Content
from support.cli import Command
from support.ports import free_port
from xds import CLUSTER, Holding


def assignment(name: str) -> ClusterLoadAssignment:
    place = Address(socket_address=SocketAddress(address="10.0.0.1", port_value=80))
    host = LbEndpoint(endpoint=Endpoint(address=place), health_status=HealthStatus.HEALTHY, load_balancing_weight=3)
    group = LocalityLbEndpoints(locality=Locality(region="eu", zone="a"), lb_endpoints=[host], priority=1)
    return ClusterLoadAssignment(cluster_name=name, endpoints=[group])


def rows(*clusters: Cluster, assignments: tuple[ClusterLoadAssignment, ...] = ()) -> list[tuple[str, ...]]:
    content = Content({each.name: bytes(each) for each in clusters}, {a.cluster_name: bytes(a) for a in assignments})
    return list(fetch._rows(content, decoded.reader()))


ROW = ("10.0.0.1:80", "HEALTHY", "3", "1", "eu/a")


def test_a_cluster_has_a_line_for_each_endpoint() -> None:
    named = Cluster(
        name="web", type=ClusterDiscoveryType.EDS, eds_cluster_config=ClusterEdsClusterConfig(service_name="web-v2")
    )

    assert rows(named, assignments=(assignment("web-v2"),)) == [("web", *ROW)]


def test_endpoints_may_be_in_the_cluster_itself() -> None:
    static = Cluster(name="web", type=ClusterDiscoveryType.STATIC, load_assignment=assignment("web"))

    assert rows(static) == [("web", *ROW)]


def test_a_cluster_without_endpoints_has_a_line_too() -> None:
    assert rows(Cluster(name="web")) == [("web", "(no endpoint)", "", "", "", "")]


def test_what_envoy_does_not_know_is_shown_as_it_came() -> None:
    strange = Any(type_url="type.googleapis.com/acme.v1.Filter", value=b"\x0a\x01a")
    cluster = bytes(Cluster(name="web", typed_extension_protocol_options={"acme": strange}))

    document = decoded.reader().cluster(cluster)

    options = {"acme": {"@type": "type.googleapis.com/acme.v1.Filter", "value": "CgFh"}}
    assert document == {"@type": CLUSTER.url, "name": "web", "typed_extension_protocol_options": options}


def test_what_is_no_cluster_is_told_by_its_type() -> None:
    with pytest.raises(decoded.UnreadableError, match="a Cluster among the answers cannot be read"):
        decoded.reader().cluster(b"\x0a\x01\xff")


def test_what_did_not_come_is_named() -> None:
    some = Holding({"a": b"", "b": b""}, {}, {CLUSTER.url: "1"}, frozenset({"b", "a"}))
    many = Holding({}, {}, {CLUSTER.url: "1"}, frozenset(f"s{number:02}" for number in range(12)))

    assert fetch._lacking(None) == "no answer came"
    assert fetch._lacking(some) == "2 clusters came, but no endpoints of a, b"
    assert fetch._lacking(many).endswith("s09 and 2 more")


def test_a_server_that_is_not_there_is_one_line(command: Command) -> None:
    port = free_port()

    outcome = command("fetch", f"127.0.0.1:{port}")

    assert (outcome.status, outcome.output, outcome.error.count("\n")) == (3, "", 1)
    assert outcome.error.startswith(f"127.0.0.1:{port}: UNAVAILABLE: ")


def test_a_file_that_cannot_be_read_is_named(command: Command, tmp_path: Path) -> None:
    outcome = command("fetch", "127.0.0.1:1", "--tls-ca", str(tmp_path / "ca.pem"))

    assert (outcome.status, outcome.output) == (3, "")
    assert outcome.error == f"cannot read {tmp_path / 'ca.pem'} (No such file or directory)\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tls-certificate", "a.pem", "--tls-key", "a.key"],
        ["--tls-ca", "ca.pem", "--tls-key", "a.key"],
        ["--tls-server-name", "bridge"],
        ["--metadata", "stage"],
        ["--timeout", "soon"],
    ],
)
def test_wrong_usage_exits_with_2(command: Command, arguments: list[str]) -> None:
    assert command("fetch", "127.0.0.1:1", *arguments).status == 2
