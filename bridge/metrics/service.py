"""Series of their own for each service: as many as there are services, so they are counted before they are shown."""

from collections import Counter
from collections.abc import Collection, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from bridge.config import PerService
from bridge.merge import Service
from bridge.model import Health, ServiceName

MOST = 500
"""Services up to which `metrics.per_service: auto` shows each."""


def service_family(services: Sequence[Service], retained: Collection[ServiceName], mode: PerService) -> Metric:
    """Endpoints of each service by health; without any series where the configuration does not want them.

    Health that none of them has is left out, but for `healthy`: a scrape costs a fifth of what it would with all.

    Args:
        services: those served.
        retained: those among them that no source names any more, which are not shown.
        mode: what the configuration wants.
    """
    family = GaugeMetricFamily(
        "xds_bridge_service_endpoints",
        "Endpoints served of a service; beside `healthy`, the health that some have.",
        labels=["service", "health"],
    )
    if mode is PerService.OFF or (mode is PerService.AUTO and len(services) > MOST):
        return family
    for service in sorted(services, key=lambda service: service.name):
        if service.name in retained:
            continue
        healths = Counter(served.endpoint.health for served in service.endpoints)
        for health in Health:
            if health is Health.HEALTHY or healths[health]:
                family.add_metric([service.name, health.value], healths[health])
    return family
