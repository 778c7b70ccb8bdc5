"""The series of `/metrics` as a test reads them."""

from prometheus_client.parser import text_string_to_metric_families

from bridge.metrics import Metrics, Sample

NOTHING = Sample((), {}, (), (), ready=False)


def series(metrics: Metrics, taken: Sample | None = None) -> dict[str, float]:
    """Every series as `name{label=value,…}`, without the common prefix."""
    found = {}
    for family in text_string_to_metric_families(metrics.render(taken or NOTHING).decode()):
        for each in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(each.labels.items()))
            found[each.name.removeprefix("xds_bridge_") + (f"{{{labels}}}" if labels else "")] = each.value
    return found
