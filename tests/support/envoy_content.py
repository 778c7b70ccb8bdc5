"""What a bridge could serve to a real Envoy, for each of the four ways in which Envoy can get it; and what it must not.

Clusters and assignments are the bridge's own. Only where the endpoints come from is replaced in the clusters, by the way
under test and with a long timeout: whoever waits for it fails the test.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterEdsClusterConfig
from envoy_data_plane.envoy.config.core.v3 import Address, ConfigSource, SocketAddress
from envoy_data_plane.envoy.config.endpoint.v3 import (
    ClusterLoadAssignment,
    Endpoint as EnvoyEndpoint,
    LbEndpoint,
    LocalityLbEndpoints,
)

from bridge.model import Endpoint
from bridge.resources import ResourceBuilder
from support.builders import appeared, endpoint, service
from support.transports import Transport, config_source
from xds import CLUSTER, ENDPOINT, Resource, Snapshot, content_version

FETCH_TIMEOUT = 100.0
"""Seconds that Envoy waits for endpoints: longer than any test waits for Envoy."""

Template = Mapping[str, object]

REFUSED: Template = {"health_checks": [{"interval": "1s", "tcp_health_check": {}}]}
"""A health check that lacks what Envoy requires: it refuses the whole response unread."""

REFUSED_LATE: Template = {
    "lb_policy": "RING_HASH",
    "ring_hash_lb_config": {"minimum_ring_size": {"value": 9}, "maximum_ring_size": {"value": 3}},
}
"""A contradiction that Envoy finds when it makes the cluster, while others of the response are in effect already."""


@dataclass(frozen=True)
class Content:
    """Services with their endpoints; a change makes a new one."""

    transport: Transport
    services: Mapping[str, Iterable[Endpoint]]
    templates: Mapping[str, Template] = field(default_factory=dict)
    """Fields of clusters, by name."""
    shared: Mapping[str, str] = field(default_factory=dict)
    """By name of a cluster, whose endpoints it has where these are not its own."""
    bad_assignments: frozenset[str] = frozenset()
    """Services of which one endpoint is a host name, which Envoy refuses."""
    fetch_timeout: float = FETCH_TIMEOUT

    def endpoints(self, **services: Iterable[Endpoint]) -> "Content":
        """The same with other endpoints of some services, which may be new."""
        return replace(self, services={**self.services, **services})

    def without(self, *names: str) -> "Content":
        """The same without some services."""
        return replace(self, services={name: each for name, each in self.services.items() if name not in names})

    def template(self, **templates: Template) -> "Content":
        """The same with other fields of some clusters."""
        return replace(self, templates={**self.templates, **templates})

    def snapshot(self) -> Snapshot:
        """What to give to a `SnapshotCache`."""
        builder = ResourceBuilder({}, list(self.templates.items()))
        built = builder.apply(Snapshot(), appeared(*(service(name, each) for name, each in self.services.items())))
        clusters = [self._redirected(resource) for resource in built.resources(CLUSTER.url).values()]
        assignments = [bad_assignment(name) for name in self.bad_assignments & self.services.keys()]
        return built.replace(CLUSTER.url, clusters).replace(ENDPOINT.url, assignments)

    def _redirected(self, resource: Resource) -> Resource:
        name = self.shared.get(resource.name, resource.name)
        cluster = Cluster.parse(resource.body)
        cluster.eds_cluster_config = ClusterEdsClusterConfig(
            eds_config=ConfigSource.from_dict(config_source(self.transport, self.fetch_timeout)),
            service_name=name if name != resource.name else "",
        )
        body = bytes(cluster)
        return Resource(resource.name, body, content_version(body), requires=(name,))


def bad_assignment(name: str) -> Resource:
    """Endpoints of which one has a host name where Envoy wants an address. The bridge would set that one aside."""
    addresses = [SocketAddress(address=address, port_value=80) for address in ("10.0.0.1", "not.an.address")]
    endpoints = [
        LbEndpoint(endpoint=EnvoyEndpoint(address=Address(socket_address=address))) for address in addresses
    ]
    body = bytes(ClusterLoadAssignment(cluster_name=name, endpoints=[LocalityLbEndpoints(lb_endpoints=endpoints)]))
    return Resource(name, body, content_version(body))


def hosts(*numbers: int) -> list[Endpoint]:
    """Endpoints that nobody sends a request to, `10.0.0.NUMBER:8080`."""
    return [endpoint(f"10.0.0.{number}") for number in numbers]
