"""A quantile of a histogram, as `histogram_quantile` of Prometheus works it out: a pure function."""

from collections import Counter
from collections.abc import Iterable
from math import isinf

from prometheus_client.core import Metric


def quantile(share: float, metrics: Iterable[Metric]) -> float | None:
    """The value below which a share of what was observed lies, over all labels; None when nothing was.

    Args:
        share: 0 to 1.
        metrics: what a histogram collects.
    """
    buckets: Counter[float] = Counter()
    for metric in metrics:
        for sample in metric.samples:
            if sample.name.endswith("_bucket"):
                buckets[float(sample.labels["le"])] += int(sample.value)
    rank, below, reached = share * max(buckets.values(), default=0), 0.0, 0
    if not rank:
        return None
    for bound, count in sorted(buckets.items()):
        if count >= rank:
            return below if isinf(bound) else below + (bound - below) * (rank - reached) / (count - reached)
        below, reached = bound, count
    return below
