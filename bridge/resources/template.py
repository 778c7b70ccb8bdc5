"""What the operator says about clusters: the defaults, and what the first matching rule lays over them."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.google.protobuf import Any

from bridge.model import ServiceName, UpstreamProtocol
from bridge.problem import Path, TemplateError
from bridge.resources.overlay import overlaid
from bridge.resources.schema import build, encode, mapping

_BECAUSE = {
    "name": "a cluster has the name of its service",
    "type": "the bridge serves the endpoints of every cluster by EDS",
    "cluster_type": "the bridge serves the endpoints of every cluster by EDS",
    "eds_cluster_config": "a view says where endpoints come from, by `eds`",
    "load_assignment": "the endpoints come from the sources",
}

_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
# Deprecated for the typed options, but still the operator's word.
_LEGACY_OPTIONS = frozenset({"http_protocol_options", "http2_protocol_options", "protocol_selection"})

_DEFAULT_PANIC_THRESHOLD = 50.0


@dataclass(frozen=True, slots=True)
class ClusterTemplate:
    """All of a cluster but its name and where its endpoints come from."""

    panic_threshold: float
    """Percent of endpoints that must be available, or Envoy sends requests to all of them."""
    encoded: Mapping[UpstreamProtocol | None, bytes]
    """Encoded fields of `envoy.config.cluster.v3.Cluster`, by what the service's endpoints speak."""


class Templates:
    """The template of every service.

    Raises:
        TemplateError: Envoy would not take a template, or it sets what is the bridge's to set.
    """

    def __init__(self, defaults: Mapping[str, object], rules: Sequence[tuple[str, Mapping[str, object]]]) -> None:
        options = {protocol: _protocol_options(protocol) for protocol in (None, *UpstreamProtocol)}
        default_path: Path = ("cluster_defaults",)
        _check(defaults, default_path)
        self._default = _template(defaults, default_path, options)
        rule_templates = []
        for index, (pattern, overlay) in enumerate(rules):
            path: Path = ("services", index, "cluster")
            _check(overlay, path)
            rule_templates.append((pattern, _template(overlaid(Cluster, defaults, overlay), path, options)))
        self._rules = tuple(rule_templates)

    def find(self, service: ServiceName) -> ClusterTemplate:
        """The template of the first rule whose glob matches, or the one made of the defaults alone."""
        for pattern, template in self._rules:
            if fnmatch.fnmatchcase(service, pattern):
                return template
        return self._default


def _check(given: Mapping[str, object], path: Path) -> None:
    for key in mapping(given, path):
        if key in _BECAUSE:
            raise TemplateError((*path, key), f"cannot be set: {_BECAUSE[key]}")
    cluster = _cluster(given, path)
    if cluster.connect_timeout is not None and cluster.connect_timeout <= timedelta():
        raise TemplateError((*path, "connect_timeout"), "must be more than 0s")
    if not 0 <= _panic_threshold(cluster) <= 100:
        key_path = (*path, "common_lb_config", "healthy_panic_threshold", "value")
        raise TemplateError(key_path, f"{_panic_threshold(cluster):g} is not between 0 and 100")


def _template(
    description: Mapping[str, object], path: Path, options: Mapping[UpstreamProtocol | None, bytes]
) -> ClusterTemplate:
    cluster = _cluster(description, path)
    encoded, named = encode(cluster), _names_protocol(description)
    return ClusterTemplate(
        panic_threshold=_panic_threshold(cluster),
        encoded={protocol: encoded if named else encoded + added for protocol, added in options.items()},
    )


def _cluster(description: Mapping[str, object], path: Path) -> Cluster:
    cluster = build(Cluster, description, path)
    assert isinstance(cluster, Cluster)  # noqa: S101 (narrows the type for mypy)
    return cluster


def _panic_threshold(cluster: Cluster) -> float:
    if cluster.common_lb_config is None or cluster.common_lb_config.healthy_panic_threshold is None:
        return _DEFAULT_PANIC_THRESHOLD
    return cluster.common_lb_config.healthy_panic_threshold.value


def _protocol_options(protocol: UpstreamProtocol | None) -> bytes:
    explicit = protocol and _EXPLICIT.get(protocol)
    if not explicit:
        return b""
    packed = Any(type_url=f"type.googleapis.com/{_HTTP_OPTIONS}", value=explicit)
    return encode(Cluster(typed_extension_protocol_options={_HTTP_OPTIONS: packed}))


# `explicit_http_config {http_protocol_options {}}` and `… {http2_protocol_options {}}` of _HTTP_OPTIONS, encoded: the
# generated class brings routes and listeners with it, and a fifth of what a start costs.
_HTTP1, _HTTP2 = b"\x1a\x02\x0a\x00", b"\x1a\x02\x12\x00"
_EXPLICIT: Mapping[UpstreamProtocol, bytes] = {
    UpstreamProtocol.HTTP1: _HTTP1,
    UpstreamProtocol.HTTP2: _HTTP2,
    UpstreamProtocol.GRPC: _HTTP2,
}


def _names_protocol(description: Mapping[str, object]) -> bool:
    explicit = description.get("typed_extension_protocol_options")
    if isinstance(explicit, Mapping) and explicit.get(_HTTP_OPTIONS) is not None:
        return True
    return any(description.get(key) is not None for key in _LEGACY_OPTIONS)
