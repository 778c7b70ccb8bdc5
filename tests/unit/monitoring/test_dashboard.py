"""The dashboard that is committed is the one that is generated."""

import json
from pathlib import Path

from scripts.dashboard import DASHBOARD, dashboard


def test_the_committed_dashboard_is_the_generated_one(repository: Path) -> None:
    assert DASHBOARD.read_text(encoding="utf-8") == dashboard(), "python3 -m scripts.dashboard"


def test_no_two_panels_lie_over_each_other() -> None:
    panels = json.loads(dashboard())["panels"]
    places = [panel["gridPos"] for panel in panels]

    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)
