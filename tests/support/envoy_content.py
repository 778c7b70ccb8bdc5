"""What a bridge could serve to a real Envoy, for each of the four ways in which Envoy can get it; and what it must not.

Clusters and assignments are the bridge's own. Only where the endpoints come from is replaced in the clusters, by the
way under test and with a long timeout: whoever waits for it fails the test.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import cache

from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterEdsClusterConfig
from envoy_data_plane.envoy.config.core.v3 import Address, ConfigSource, SocketAddress
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment, LbEndpoint, LocalityLbEndpoints
from envoy_data_plane.envoy.config.endpoint.v3 import Endpoint as EnvoyEndpoint

from bridge.model import Endpoint
from bridge.resources import ResourceBuilder
from support.builders import appeared, endpoint, service
from support.transports import Transport, config_source
from xds import CLUSTER, ENDPOINT, Resource, ResourceType, Snapshot, content_version

FETCH_TIMEOUT = 100.0
"""Seconds that Envoy waits for endpoints: longer than any test waits for Envoy."""

Template = Mapping[str, object]


class Bad(Enum):
    """What Envoy does with a response that has a bad resource in it."""

    UNREAD = auto()
    """It refuses the whole response before it looks at any resource: a value is out of its bounds."""
    LATE = auto()
    """It refuses the response when it comes to that resource; the others are in effect, or never get their turn."""


BAD_TEMPLATE: Mapping[Bad, Template] = {
    Bad.UNREAD: {"health_checks": [{"interval": "1s", "tcp_health_check": {}}]},  # without a timeout
    Bad.LATE: {"lb_policy": "LOAD_BALANCING_POLICY_CONFIG"},  # without such a policy
}
"""Clusters that Envoy refuses, and that nobody but Envoy knows to be bad."""


@dataclass(frozen=True)
class Content:
    """Services with their endpoints; a change makes a new one."""

    transport: Transport
    services: Mapping[str, Iterable[Endpoint]]
    templates: Mapping[str, Template] = field(default_factory=dict)
    """Fields of clusters, by name."""
    shared: Mapping[str, str] = field(default_factory=dict)
    """By name of a cluster, whose endpoints it has where these are not its own."""
    bad_assignments: Mapping[str, Bad] = field(default_factory=dict)
    """Services with an endpoint that Envoy refuses."""
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
        clusters = [
            _redirected(resource, self.shared.get(name, name), self.transport, self.fetch_timeout)
            for name, resource in built.resources(CLUSTER.url).items()
        ]
        assignments = [bad_assignment(name, bad) for name, bad in self.bad_assignments.items()]
        return built.replace(CLUSTER.url, clusters).replace(ENDPOINT.url, assignments)

    def bodies(self, kind: ResourceType, *names: str) -> Mapping[str, bytes]:
        """The encoded resources of a type: those named, or all."""
        resources = self.snapshot().resources(kind.url)
        return {name: resources[name].body for name in names or resources}


@cache
def _redirected(resource: Resource, endpoints: str, transport: Transport, fetch_timeout: float) -> Resource:
    cluster = Cluster.parse(resource.body)
    cluster.eds_cluster_config = ClusterEdsClusterConfig(
        eds_config=ConfigSource.from_dict(config_source(transport, fetch_timeout)),
        service_name="" if endpoints == resource.name else endpoints,
    )
    body = bytes(cluster)
    return Resource(resource.name, body, content_version(body), requires=(endpoints,))


def bad_assignment(name: str, bad: Bad) -> Resource:
    """An endpoint without weight, or with a host name where Envoy wants an address: neither ever leaves the bridge."""
    address = Address(
        socket_address=SocketAddress(address="not.an.address" if bad is Bad.LATE else "::1", port_value=80)
    )
    endpoint = LbEndpoint(endpoint=EnvoyEndpoint(address=address), load_balancing_weight=1 if bad is Bad.LATE else 0)
    body = bytes(ClusterLoadAssignment(cluster_name=name, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]))
    return Resource(name, body, content_version(body))


def hosts(*numbers: int) -> list[Endpoint]:
    """Endpoints that nobody sends a request to, `10.0.0.NUMBER:8080`."""
    return [endpoint(f"10.0.0.{number}") for number in numbers]
