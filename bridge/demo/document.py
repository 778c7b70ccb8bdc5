"""The files that the demo writes: the bridge's configuration, its endpoints, and the bootstrap of the Envoy."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.bootstrap import BootstrapOptions, HttpListener, Route, SocketAddress, render
from bridge.demo.option import HOST, Ports

SERVICE = "web"
FILE_SOURCE = "local"
CONSUL_SOURCE = "dc1"

_CONFIGURATION = """\
# Written by `xds-bridge demo` each time it starts.
xds:
  listen: {host}:{ports.bridge_xds}
admin:
  listen: {host}:{ports.bridge_admin}
sources:
  - {{name: {file_source}, type: file, path: {endpoints}}}
"""

_CONSUL = """\
  - name: {consul_source}
    type: consul
    address: http://{host}:{ports.consul_http}
    services: {{exclude: [consul]}}
"""

_ENDPOINTS = """\
# Change this file and save it: Envoy follows at once.
# health is one of healthy, degraded, unhealthy, draining; a weight is a number from 1 to 128.
services:
  {service}:
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One endpoint in the file."""

    port: int
    health: str = "healthy"


def write_configuration(directory: Path, ports: Ports, *, consul: bool) -> Path:
    """Write `bridge.yaml`.

    Args:
        directory: where.
        ports: who listens where.
        consul: whether Consul is a source too.
    """
    text = _CONFIGURATION + (_CONSUL if consul else "")
    values = {"host": HOST, "ports": ports, "file_source": FILE_SOURCE, "consul_source": CONSUL_SOURCE}
    path = directory / "bridge.yaml"
    _replace(path, text.format(**values, endpoints=endpoints_path(directory)))
    return path


def endpoints_path(directory: Path) -> Path:
    """Where the endpoints of the file source are."""
    return directory / "endpoints.yaml"


def write_endpoints(directory: Path, rows: Sequence[Row]) -> None:
    """Write `endpoints.yaml`, so that a reader sees the old file or the new one."""
    lines = [f"    - {{address: {HOST}, port: {row.port}, health: {row.health}}}\n" for row in rows]
    _replace(endpoints_path(directory), _ENDPOINTS.format(service=SERVICE) + "".join(lines))


def write_bootstrap(directory: Path, ports: Ports) -> Path:
    """Write `envoy.json`: one listener, every request of which goes to the service."""
    listener = HttpListener(SocketAddress(HOST, ports.envoy_listener), (Route(SERVICE),))
    options = BootstrapOptions(
        node_id="demo",
        node_cluster="demo",
        bridges=(SocketAddress(HOST, ports.bridge_xds),),
        admin_port=ports.envoy_admin,
        listeners=(listener,),
    )
    path = directory / "envoy.json"
    _replace(path, json.dumps(render(options), indent=2))
    return path


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
