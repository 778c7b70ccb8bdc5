"""xDS by polling: JSON over HTTP, for Envoys that cannot hold a gRPC stream.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#rest-json-polling-subscriptions
"""

from bridge.rest.server import RestServer

__all__ = ["RestServer"]
