from prometheus_client import CollectorRegistry

from bridge.metrics import Metrics, Sample
from bridge.model import SourceName
from bridge.registry import SourceStatistics


def test_pauses_and_drains_are_counted() -> None:
    metrics, nothing = Metrics(CollectorRegistry()), SourceStatistics(0, {}, 0)
    dc1, ecs = SourceName("dc1"), SourceName("ecs")

    text = metrics.render(
        Sample((), {dc1: nothing, ecs: nothing}, (), (), ready=True, paused=frozenset({ecs}), drains=2)
    ).decode()

    assert 'xds_bridge_source_paused{source="dc1"} 0.0' in text
    assert 'xds_bridge_source_paused{source="ecs"} 1.0' in text
    assert "xds_bridge_operator_drains 2.0" in text
