import pytest
from prometheus_client import CollectorRegistry, Histogram

from bridge.metrics.quantile import quantile


def histogram(*labels: str) -> Histogram:
    return Histogram("seconds", "Some.", labels, buckets=(0.1, 0.2, 1.0), registry=CollectorRegistry())


def test_nothing_observed_is_no_quantile() -> None:
    assert quantile(0.99, histogram().collect()) is None


def test_a_quantile_is_interpolated_between_the_buckets() -> None:
    seconds = histogram()
    for value in (0.05, 0.15, 0.15, 0.5):
        seconds.observe(value)

    assert quantile(0.5, seconds.collect()) == pytest.approx(0.15)
    assert quantile(1.0, seconds.collect()) == pytest.approx(1.0)


def test_what_is_beyond_the_last_bucket_counts_as_its_bound() -> None:
    seconds = histogram()
    seconds.observe(30.0)

    assert quantile(0.99, seconds.collect()) == 1.0


def test_labels_count_together() -> None:
    seconds = histogram("source")
    seconds.labels("one").observe(0.05)
    seconds.labels("two").observe(0.15)

    assert quantile(0.5, seconds.collect()) == pytest.approx(0.1)
