import time

from prometheus_client import CollectorRegistry

from bridge.metrics import ReloadMetrics


def test_a_failure_leaves_the_time_of_the_last_success() -> None:
    registry, before = CollectorRegistry(), time.time()
    metrics = ReloadMetrics(registry)

    assert registry.get_sample_value("xds_bridge_config_last_reload_successful") == 1
    at = registry.get_sample_value("xds_bridge_config_last_reload_success_timestamp_seconds") or 0
    metrics.failed()

    assert registry.get_sample_value("xds_bridge_config_last_reload_successful") == 0
    assert registry.get_sample_value("xds_bridge_config_last_reload_success_timestamp_seconds") == at
    assert before <= at <= time.time()
