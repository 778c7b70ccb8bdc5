"""What may differ in the resources of one service from one view to the next: two things, and each is a value."""

from dataclasses import dataclass
from datetime import timedelta

from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType, ClusterEdsClusterConfig
from envoy_data_plane.envoy.config.core.v3 import (
    AggregatedConfigSource,
    ApiConfigSource,
    ApiConfigSourceApiType,
    ApiVersion,
    ConfigSource,
    GrpcService,
    GrpcServiceEnvoyGrpc,
)

from bridge.bootstrap import ApiType
from bridge.resources.schema import encode

_API_TYPES = {
    ApiType.GRPC: ApiConfigSourceApiType.GRPC,
    ApiType.DELTA_GRPC: ApiConfigSourceApiType.DELTA_GRPC,
    ApiType.REST: ApiConfigSourceApiType.REST,
}


@dataclass(frozen=True, slots=True)
class EdsServer:
    """The server of endpoints, as Envoys that do without an aggregated stream call it."""

    cluster: str
    """The static cluster of the bridges in the bootstrap of these Envoys."""
    api_type: ApiType
    refresh_delay: float
    """Seconds between two requests; REST only."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """How the resources of a view are made; views of the same flavour share them."""

    eds: EdsServer | None = None
    """Where its Envoys ask for endpoints; None for the aggregated stream that the clusters come by."""
    region: str = ""
    """Endpoints of this region are preferred; empty for no preference."""


PLAIN = Flavour()


def discovery(server: EdsServer | None) -> bytes:
    """The encoded fields of a `Cluster` that say how Envoy gets its endpoints."""
    source = ConfigSource(resource_api_version=ApiVersion.V3)
    if server is None:
        source.ads = AggregatedConfigSource()
    else:
        source.api_config_source = _api_config_source(server)
    eds = ClusterEdsClusterConfig(eds_config=source)
    return encode(Cluster(type=ClusterDiscoveryType.EDS, eds_cluster_config=eds))


def _api_config_source(server: EdsServer) -> ApiConfigSource:
    source = ApiConfigSource(api_type=_API_TYPES[server.api_type], transport_api_version=ApiVersion.V3)
    if server.api_type is ApiType.REST:
        source.cluster_names = [server.cluster]
        source.refresh_delay = timedelta(seconds=server.refresh_delay)
        return source
    source.grpc_services = [GrpcService(envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=server.cluster))]
    # Envoy's description of itself is some 60 KB; by default it goes with every acknowledgement.
    source.set_node_on_first_message_only = True
    return source
