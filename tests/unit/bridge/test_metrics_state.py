import time

from prometheus_client import CollectorRegistry

from bridge.metrics import StateMetrics


def test_writes_and_failures_are_counted() -> None:
    registry, before = CollectorRegistry(), time.time()
    metrics = StateMetrics(registry)
    assert registry.get_sample_value("xds_bridge_snapshot_timestamp_seconds") == 0

    metrics.written()
    metrics.write_failed()
    metrics.write_failed()
    metrics.event_lost()

    assert registry.get_sample_value("xds_bridge_snapshot_write_errors_total") == 2
    assert registry.get_sample_value("xds_bridge_audit_events_lost_total") == 1
    assert before <= (registry.get_sample_value("xds_bridge_snapshot_timestamp_seconds") or 0) <= time.time()
