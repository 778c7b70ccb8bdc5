"""A control plane of four resource types for the scenarios of the public xds-test-harness, which sets every version.

The server knows types by the rows of its table alone: two rows more, and it serves listeners and routes.
"""

from collections.abc import Callable, Mapping

from envoy_data_plane.envoy.config.listener.v3 import Listener
from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration

from support.xds_content import assignment, cluster
from xds import CLUSTER, ENDPOINT, TYPES, Resource, ResourceType, Snapshot, SnapshotCache

ROUTE = ResourceType(
    url="type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    service="envoy.service.route.v3.RouteDiscoveryService",
    stream_method="StreamRoutes",
    delta_method="DeltaRoutes",
    fetch_method="FetchRoutes",
    fetch_path="/v3/discovery:routes",
    legacy_wildcard=False,
    full_state=False,
    awaited=True,
)

LISTENER = ResourceType(
    url="type.googleapis.com/envoy.config.listener.v3.Listener",
    service="envoy.service.listener.v3.ListenerDiscoveryService",
    stream_method="StreamListeners",
    delta_method="DeltaListeners",
    fetch_method="FetchListeners",
    fetch_path="/v3/discovery:listeners",
    legacy_wildcard=True,
    full_state=True,
    required_type=ROUTE.url,
)

ALL_TYPES = (*TYPES, LISTENER, ROUTE)

_BODIES: Mapping[str, Callable[[str, str], bytes]] = {
    CLUSTER.url: lambda name, content: cluster(name, content).body,
    ENDPOINT.url: lambda name, content: assignment(name, content).body,
    LISTENER.url: lambda name, content: bytes(Listener(name=name, stat_prefix=content)),
    ROUTE.url: lambda name, content: bytes(RouteConfiguration(name=name, internal_only_headers=[content])),
}


class ControlPlane:
    """What the harness asks of the adapter to a server under test: to serve resources under versions of its choice."""

    def __init__(self, cache: SnapshotCache) -> None:
        self._cache = cache
        self._snapshot = Snapshot()

    def put(self, kind: ResourceType, version: str, *names: str) -> None:
        """Add or update resources; `version` is theirs, and that of the type from now on."""
        resources = [Resource(name, _BODIES[kind.url](name, version), version) for name in names]
        self._serve(self._snapshot.replace(kind.url, resources, version=version))

    def remove(self, kind: ResourceType, version: str, *names: str) -> None:
        """Remove resources; `version` is that of the type from now on."""
        self._serve(self._snapshot.replace(kind.url, removed=names, version=version))

    def _serve(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._cache.set(snapshot)
