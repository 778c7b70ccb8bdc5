"""What the admin server is asked for when it is measured, in two worlds: many small services, and one large one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bridge.peers import VERSIONS, alias

CHANGING = "control"
"""The service that every Envoy follows."""

FOLLOWER = "first"
"""The node id of one of these."""

ROUTES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "/": ("/",),
        "/services": ("/services", "/services?q=service-01", "/services?q=10.0.1&health=healthy"),
        "/services/{name}": ("/services/service-00001",),
        "/envoys": ("/envoys",),
        "/events": ("/events",),
        "/config": ("/config",),
        "/static/{file}": ("/static/page.css",),
        "/livez": ("/livez",),
        "/readyz": ("/readyz",),
        "/metrics": ("/metrics",),
        "/api/v1/status": ("/api/v1/status",),
        "/api/v1/sources": ("/api/v1/sources",),
        "/api/v1/services": ("/api/v1/services",),
        "/api/v1/services/{name}": ("/api/v1/services/service-00001",),
        "/api/v1/endpoints": (
            "/api/v1/endpoints",
            "/api/v1/endpoints?zone=eu-west-1a&after=10.0.39.10:8080+service-01999",
        ),
        "/api/v1/envoys": ("/api/v1/envoys",),
        "/api/v1/envoys/{node}": (f"/api/v1/envoys/{FOLLOWER}",),
        "/api/v1/events": ("/api/v1/events",),
        "/api/v1/guard": ("/api/v1/guard",),
        "/api/v1/views": ("/api/v1/views",),
        "/api/v1/resources": tuple(f"/api/v1/resources?view=default&type={kind}" for kind in ("cluster", "endpoint")),
        "/api/v1/explain": tuple(
            f"/api/v1/explain?target={what}" for what in (CHANGING, "service-00001", "10.0.7.7:8080")
        ),
        VERSIONS: (VERSIONS,),
        f"{VERSIONS}/{{view}}": (f"{VERSIONS}/{alias('default')}",),
    }
)
"""Every path that the admin server answers, with what is asked for there; a test compares it with the server."""


@dataclass(frozen=True, slots=True)
class World:
    """What is served while questions are asked: so many services, of so many endpoints each (`synthetic.py`)."""

    services: int
    endpoints: int
    paths: Sequence[str]

    def __str__(self) -> str:
        what = "one service" if self.services == 1 else f"{self.services:,} services"
        return f"{what} of {self.endpoints:,} endpoints"


MANY = World(2000, 5, [path for asked in ROUTES.values() for path in asked])
"""Many services of a few endpoints, asked for everything."""

LARGE = World(
    services=1,
    endpoints=10_000,
    paths=(
        *("/", "/services", "/services?q=10.0.1&health=healthy", "/services/service-00000"),
        *(f"/services/service-00000?{query}" for query in ("page=200", "q=10.0.7", "health=healthy")),
        *("/api/v1/status", "/api/v1/services", "/api/v1/services/service-00000"),
        "/api/v1/services/service-00000?after=10.0.37.27:8080",
        *("/api/v1/endpoints", "/api/v1/endpoints?service=service-00000&after=10.0.37.27:8080+service-00000"),
        "/api/v1/resources?view=default&type=endpoint",
        *(f"/api/v1/explain?target={what}" for what in ("service-00000", "10.0.7.7:8080")),
        f"{VERSIONS}/{alias('default')}",
    ),
)
"""One service that has as many, asked for what has to do with them."""
