"""The options of `xds-bridge bootstrap`, as people type them, turned into an Envoy's bootstrap and written down."""

import io
import json
from collections.abc import Sequence
from enum import StrEnum

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from bridge.bootstrap import BridgeAddress, HttpListener, PipeAddress, Route, SocketAddress, TcpListener
from bridge.config.address import parse_address
from bridge.errors import ConfigError

_WIDTH = 4096  # no line is worth breaking


class Output(StrEnum):
    """How the bootstrap is written; Envoy reads either."""

    YAML = "yaml"
    JSON = "json"


def bridges(texts: Sequence[str]) -> tuple[BridgeAddress, ...]:
    """Addresses of bridges from `HOST:PORT` or `unix:/PATH`.

    Raises:
        ConfigError: one is something else.
    """
    return tuple(
        PipeAddress(text.removeprefix("unix:")) if text.startswith("unix:") else _address(text) for text in texts
    )


def http_listeners(texts: Sequence[str], routes: Sequence[str]) -> tuple[HttpListener, ...]:
    """HTTP listeners from `HOST:PORT`, each with every route, from `[HOST]/PREFIX=CLUSTER`.

    Raises:
        ConfigError: one of them is something else.
    """
    parsed = tuple(_route(text) for text in routes)
    return tuple(HttpListener(_address(text), parsed) for text in texts) if parsed else ()


def tcp_listeners(texts: Sequence[str]) -> tuple[TcpListener, ...]:
    """TCP listeners from `HOST:PORT=CLUSTER`.

    Raises:
        ConfigError: one is something else.
    """
    pairs = (_pair(text, "HOST:PORT=CLUSTER, such as 127.0.0.1:6379=redis") for text in texts)
    return tuple(TcpListener(_address(address), cluster) for address, cluster in pairs)


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


def _pair(text: str, form: str) -> tuple[str, str]:
    left, equals, cluster = text.rpartition("=")
    if not (left and equals and cluster):
        raise ConfigError(f"{text!r} is not {form}")
    return left, cluster
