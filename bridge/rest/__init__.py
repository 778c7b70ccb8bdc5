"""xDS by polling: JSON over HTTP, for Envoys that cannot hold a gRPC stream.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#rest-json-polling-subscriptions
"""

from bridge.rest.handshake import Handshakes
from bridge.rest.server import RestOptions, RestServer

__all__ = ["Handshakes", "RestOptions", "RestServer"]
