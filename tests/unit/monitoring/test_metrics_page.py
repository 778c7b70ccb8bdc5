"""The page of metrics has every metric, and no other, as the bridge itself describes it."""

import re
from pathlib import Path

from support.shown_metrics import shown_metrics


def test_every_metric_is_documented_as_it_is_and_no_other(repository: Path) -> None:
    page = (repository / "docs/metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(xds_bridge_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", page, flags=re.MULTILINE)
    documented = [(name, kind, frozenset(re.findall(r"`(\w+)`", labels)), text) for name, kind, labels, text in rows]

    shown = {
        (family.name, family.type, family.labels, family.help)
        for family in shown_metrics().values()
        if family.name.startswith("xds_bridge_")
    }

    assert len(documented) == len(shown)
    assert set(documented) == shown
