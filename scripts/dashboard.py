"""Writes the dashboard: `python3 -m scripts.dashboard` makes `monitoring/dashboard.json` of `scripts/panels.py`."""

import json
from collections.abc import Iterator

from scripts.panels import ROWS, Panel, Query
from scripts.step import ROOT

DASHBOARD = ROOT / "monitoring" / "dashboard.json"
WIDTH = 24
"""Columns of Grafana's grid."""
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

Json = dict[str, object]


def dashboard() -> str:
    """The text of the file."""
    content = {
        "title": "xds-bridge",
        "uid": "xds-bridge",
        "tags": ["xds-bridge"],
        "schemaVersion": 38,
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": _variables()},
        "panels": list(_panels()),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _variables() -> list[Json]:
    return [
        {"name": "datasource", "type": "datasource", "query": "prometheus"},
        {
            "name": "instance",
            "type": "query",
            "datasource": DATASOURCE,
            "query": "label_values(xds_bridge_ready, instance)",
            "refresh": 2,
            "includeAll": True,
            "multi": True,
            "current": {"text": "All", "value": "$__all"},
        },
    ]


def _panels() -> Iterator[Json]:
    number, top = 0, 0
    for title, panels in ROWS.items():
        number += 1
        yield {"id": number, "type": "row", "title": title, "gridPos": _place(0, top, WIDTH, 1), "panels": []}
        left, top = 0, top + 1
        for panel in panels:
            number += 1
            width, height = panel.size
            if left + width > WIDTH:
                left, top = 0, top + height
            yield _panel(number, panel, _place(left, top, width, height))
            left += width
        top += panels[-1].size[1]


def _place(left: int, top: int, width: int, height: int) -> Json:
    return {"x": left, "y": top, "w": width, "h": height}


def _panel(number: int, panel: Panel, place: Json) -> Json:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.meaning,
        "datasource": DATASOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [_target(panel, query, chr(ord("A") + index)) for index, query in enumerate(panel.queries)],
    }


def _target(panel: Panel, query: Query, reference: str) -> Json:
    target: Json = {
        "refId": reference,
        "datasource": DATASOURCE,
        "expr": query.expression,
        "legendFormat": query.legend or "__auto",
    }
    if panel.kind in ("heatmap", "table"):
        target["format"] = panel.kind
        target["instant"] = panel.kind == "table"
    return target


if __name__ == "__main__":
    DASHBOARD.write_text(dashboard(), encoding="utf-8")
