"""The HTTP server for operators, probes and Prometheus: read-only on the network, with changes on a unix socket."""

from bridge.admin.server import AdminServer
from bridge.admin.view import ListedSource, Upkeep, View

__all__ = ["AdminServer", "ListedSource", "Upkeep", "View"]
