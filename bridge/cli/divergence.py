"""What a bridge serves beside what an Envoy has, cluster by cluster and endpoint by endpoint: pure functions of both.

The forms of Envoy's answers are those of its admin interface.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/admin/v3/admin.proto
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import BaseModel, Field

from bridge.cli.served import Endpoints, Scalar
from bridge.model import EndpointKey
from bridge.wording import gist


@dataclass(frozen=True, slots=True)
class Served:
    """What a bridge serves to those who see one view, at one moment."""

    version: str
    """Of all clusters together."""
    clusters: Mapping[str, str]
    """The version of each cluster, by its name."""
    assignments: Mapping[str, Endpoints]
    """The endpoints of each cluster that has an assignment, by address and port, with the fields that Envoy gets."""


_CLUSTERS = "type.googleapis.com/envoy.admin.v3.ClustersConfigDump"


class _Named(BaseModel):
    name: str


class _Error(BaseModel):
    details: str = ""


class _DynamicCluster(BaseModel):
    version_info: str = ""
    cluster: _Named | None = None
    error_state: _Error | None = None


class _Node(BaseModel):
    id: str = ""


class _Bootstrap(BaseModel):
    node: _Node = _Node()


class _Part(BaseModel):
    """A part of the configuration; of most of them nothing is read."""

    kind: str = Field("", alias="@type")
    version_info: str = ""
    dynamic_active_clusters: tuple[_DynamicCluster, ...] = ()
    dynamic_warming_clusters: tuple[_DynamicCluster, ...] = ()
    bootstrap: _Bootstrap = _Bootstrap()


class ConfigDump(BaseModel):
    """`/config_dump` of an Envoy."""

    configs: tuple[_Part, ...] = ()

    @property
    def node(self) -> str:
        """Who it says it is."""
        return next((part.bootstrap.node.id for part in self.configs if part.bootstrap.node.id), "")

    @property
    def version(self) -> str:
        """Of all clusters that it took from a control plane."""
        return next((part.version_info for part in self.configs if part.kind == _CLUSTERS), "")

    @cached_property
    def active(self) -> Mapping[str, _DynamicCluster]:
        """The clusters from a control plane that are in use, by name."""
        return {
            each.cluster.name: each for part in self.configs for each in part.dynamic_active_clusters if each.cluster
        }

    @cached_property
    def warming(self) -> Mapping[str, _DynamicCluster]:
        """Those that are not, because they wait for something; another version may be in use meanwhile."""
        return {
            each.cluster.name: each for part in self.configs for each in part.dynamic_warming_clusters if each.cluster
        }


class _SocketAddress(BaseModel):
    address: str
    port_value: int = 0


class _Address(BaseModel):
    socket_address: _SocketAddress | None = None


class _Health(BaseModel):
    eds_health_status: str = "UNKNOWN"
    pending_dynamic_removal: bool = False


class _Host(BaseModel):
    address: _Address = _Address()
    health_status: _Health = _Health()
    weight: int = 1
    priority: int = 0


class _ClusterHosts(BaseModel):
    name: str
    host_statuses: tuple[_Host, ...] = ()


class Clusters(BaseModel):
    """`/clusters?format=json` of an Envoy."""

    cluster_statuses: tuple[_ClusterHosts, ...] = ()

    def hosts(self) -> Mapping[str, Mapping[str, _Host]]:
        """The hosts of each cluster by address and port."""
        return {cluster.name: dict(_by_key(cluster.host_statuses)) for cluster in self.cluster_statuses}


class Difference(BaseModel, frozen=True):
    """Something that an Envoy has otherwise than it is served; texts are empty where it is about more than one."""

    cluster: str
    endpoint: str
    what: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What can be compared, by what an Envoy asks for."""

    everything: bool
    """It asks for all clusters. Otherwise those are compared that it has."""
    incremental: bool
    """It is told the version of each cluster, and not of all together."""


def differences(served: Served, dump: ConfigDump, clusters: Clusters, scope: Scope) -> tuple[Difference, ...]:
    """Everything that an Envoy has otherwise than it is served.

    Args:
        served: by the bridge.
        dump: of the Envoy.
        clusters: of the Envoy.
        scope: what can be compared.
    """
    return tuple(_differences(served, dump, clusters, scope))


def _differences(served: Served, dump: ConfigDump, clusters: Clusters, scope: Scope) -> Iterator[Difference]:
    hosts, active = clusters.hosts(), dump.active
    if scope.everything and not scope.incremental and dump.version != served.version:
        yield _difference("", f"Envoy has version {dump.version or '(none)'} of the clusters, not {served.version}")
    for name, version in sorted(served.clusters.items()):
        if scope.everything:
            yield from _of_cluster(name, version if scope.incremental else "", dump)
        if name in hosts and name in served.assignments:
            yield from _of_endpoints(name, served.assignments[name], hosts[name])
    if scope.everything:
        for name in sorted((active.keys() | dump.warming.keys()) - served.clusters.keys()):
            yield _difference(name, "is not served, and Envoy has it from a control plane")


def _of_cluster(name: str, version: str, dump: ConfigDump) -> Iterator[Difference]:
    """Of one cluster that is served, in this version if that can be compared."""
    has, warming = dump.active.get(name), dump.warming.get(name)
    if warming:
        yield _difference(name, "is not in use as it is served: Envoy waits for its endpoints (warming)")
    elif has is None:
        yield _difference(name, "is served, and Envoy does not have it")
    elif version and has.version_info != version:
        yield _difference(name, f"Envoy has version {has.version_info}, not {version}")
    errors = (each.error_state.details for each in (has, warming) if each and each.error_state)
    for details in dict.fromkeys(filter(None, errors)):
        yield _difference(name, f"Envoy refused another version: {gist(details)}")


def _of_endpoints(cluster: str, served: Endpoints, has: Mapping[str, _Host]) -> Iterator[Difference]:
    for key, fields in served.items():
        host = has.get(key)
        if host is None:
            yield _difference(cluster, "is served, and Envoy does not have it", key)
            continue
        for what, ours, theirs in (
            ("health", _health(fields.get("health_status")), _health(host.health_status.eds_health_status)),
            ("weight", fields.get("load_balancing_weight", 1), host.weight),
            ("priority", fields.get("priority", 0), host.priority),
        ):
            if ours != theirs:
                yield _difference(cluster, f"Envoy has {what} {theirs}, not {ours}", key)
    for key in sorted(has.keys() - served.keys()):
        # Envoy keeps one that its own health checks find well until they do not.
        if not has[key].health_status.pending_dynamic_removal:
            yield _difference(cluster, "is not served, and Envoy has it", key)


def _health(status: Scalar) -> str:
    """As Envoy counts: it shows a host of which it was told nothing as healthy."""
    text = str(status or "UNKNOWN").lower()
    return "healthy" if text == "unknown" else text


def _by_key(hosts: Sequence[_Host]) -> Iterator[tuple[str, _Host]]:
    for host in hosts:
        if where := host.address.socket_address:
            yield str(EndpointKey(where.address, where.port_value)), host


def _difference(cluster: str, what: str, endpoint: str = "") -> Difference:
    return Difference(cluster=cluster, endpoint=endpoint, what=what)


class Comparison(BaseModel):
    """What came of comparing."""

    clusters: int
    """How many are served."""
    endpoints: int
    differences: tuple[Difference, ...]
    """What stayed different when it was looked at twice."""
