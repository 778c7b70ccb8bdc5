"""The four ways in which an Envoy can get its clusters and endpoints, as bootstraps for tests."""

from enum import StrEnum

from bridge.bootstrap import (
    BRIDGE_CLUSTER,
    ApiType,
    BootstrapOptions,
    HttpListener,
    Route,
    SocketAddress,
    render,
)
from support.ports import free_port

Json = dict[str, object]


class Transport(StrEnum):
    """State of the world or incremental, on one aggregated stream or on a stream for each type."""

    SOTW_ADS = "sotw-ads"
    DELTA_ADS = "delta-ads"
    SOTW_SEPARATE = "sotw-separate"
    DELTA_SEPARATE = "delta-separate"

    @property
    def api_type(self) -> ApiType:
        return ApiType.DELTA_GRPC if self in (Transport.DELTA_ADS, Transport.DELTA_SEPARATE) else ApiType.GRPC

    @property
    def separate(self) -> bool:
        return self in (Transport.SOTW_SEPARATE, Transport.DELTA_SEPARATE)

    def cluster(self, service: str) -> str:
        """The cluster in which Envoy holds the endpoints of a service that it gets in this way."""
        return f"{service}-by-eds" if self.separate else service


class Bootstrap:
    """A bootstrap with one listener that sends every request to one service, without any retry.

    Args:
        transport: how Envoy gets its clusters, and their endpoints.
        bridge_ports: of every replica.
        service: that the listener leads to.
        node: `id` of this Envoy.
        static: give the service's endpoints to a static cluster where they come on a stream of their own; for bridges
            whose clusters name the aggregated stream.
        host: where the bridges are.
    """

    def __init__(
        self,
        transport: Transport,
        bridge_ports: list[int],
        service: str,
        node: str = "test",
        *,
        static: bool = True,
        host: str = "127.0.0.1",
    ) -> None:
        self.port = free_port()
        cluster = transport.cluster(service) if static else service
        self.url = f"http://127.0.0.1:{self.port}/"
        options = BootstrapOptions(
            node_id=node,
            node_cluster="tests",
            bridges=tuple(SocketAddress(host, port) for port in bridge_ports),
            api_type=transport.api_type,
            listeners=(HttpListener(SocketAddress("127.0.0.1", self.port), (Route(cluster),)),),
        )
        self.config = without_retries(render(options))
        if transport.separate:
            self._dynamic["cds_config"] = config_source(transport)
            if static:
                self._add_static_cluster(transport, service)
            else:
                del self._dynamic["ads_config"]

    def probe(self, interval: str, timeout: str) -> None:
        """Have Envoy find out sooner that a bridge no longer answers."""
        static = self.config["static_resources"]
        assert isinstance(static, dict)
        (bridges,) = (each for each in static["clusters"] if each["name"] == BRIDGE_CLUSTER)
        (protocol,) = bridges["typed_extension_protocol_options"].values()
        keepalive = {"interval": interval, "timeout": timeout}
        protocol["explicit_http_config"]["http2_protocol_options"]["connection_keepalive"] = keepalive

    def return_soon(self) -> None:
        """Have Envoy try again and again to come back to its bridges on ADS; by default it waits up to 30 s."""
        ads = self._dynamic["ads_config"]
        assert isinstance(ads, dict)
        for service in ads["grpc_services"]:
            service["envoy_grpc"]["retry_policy"] = {
                "retry_back_off": {"base_interval": "0.2s", "max_interval": "0.5s"}
            }

    @property
    def _dynamic(self) -> Json:
        dynamic = self.config["dynamic_resources"]
        assert isinstance(dynamic, dict)
        return dynamic

    def _add_static_cluster(self, transport: Transport, service: str) -> None:
        static = self.config["static_resources"]
        assert isinstance(static, dict)
        static["clusters"].append(
            {
                "name": transport.cluster(service),
                "type": "EDS",
                "connect_timeout": "1s",
                "eds_cluster_config": {"eds_config": config_source(transport), "service_name": service},
            }
        )


def without_retries(value: Json) -> Json:
    """The bootstrap without its retry policies: a retry would hide a request sent to a dead endpoint."""

    def cleaned(part: object) -> object:
        if isinstance(part, dict):
            return {key: cleaned(item) for key, item in part.items() if key != "retry_policy"}
        return [cleaned(item) for item in part] if isinstance(part, list) else part

    result = cleaned(value)
    assert isinstance(result, dict)
    return result


def config_source(transport: Transport, fetch_timeout: float | None = None) -> Json:
    """Where resources come from in this way, as `envoy.config.core.v3.ConfigSource` in JSON.

    Args:
        transport: the way.
        fetch_timeout: seconds that Envoy waits for the first answer; None for its default of 15.
    """
    timeout: Json = {} if fetch_timeout is None else {"initial_fetch_timeout": f"{fetch_timeout:g}s"}
    if not transport.separate:
        return {"ads": {}, "resource_api_version": "V3", **timeout}
    stream: Json = {
        "api_type": str(transport.api_type),
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": BRIDGE_CLUSTER}}],
    }
    return {"api_config_source": stream, "resource_api_version": "V3", **timeout}
