"""The read-only HTTP server for operators, probes and Prometheus; nothing over it changes anything."""

from bridge.admin.server import AdminServer
from bridge.admin.view import ListedSource, View

__all__ = ["AdminServer", "ListedSource", "View"]
