"""Every alert asks for what there is, has cases that fire it and that do not, and a section that says what to do."""

import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from scripts.panels import ROWS
from scripts.prepare import PROMTOOL
from support.monitoring import Alert, alerts, cases, names, operands
from support.shown_metrics import shown_metrics


@pytest.fixture(scope="module")
def rules(repository: Path) -> dict[str, Alert]:
    return {alert.name: alert for alert in alerts(repository)}


def test_promtool_is_content_with_rules_and_cases(repository: Path) -> None:
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(
            [PROMTOOL, *command], cwd=repository / "monitoring", check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_that_fires_it_and_one_that_does_not(repository: Path, rules: dict[str, Alert]) -> None:
    found = defaultdict(set)
    for alert, fires in cases(repository):
        found[alert].add(fires)

    assert found == {name: {True, False} for name in rules}


def test_every_alert_has_a_section_that_says_what_to_do_and_every_section_an_alert(
    repository: Path, rules: dict[str, Alert]
) -> None:
    page = (repository / "docs/runbooks.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL))

    assert set(sections) == set(rules)
    for name, text in sections.items():
        parts = re.findall(r"^\*\*(.+):\*\* \S", text, flags=re.MULTILINE)
        assert parts == ["Kept meanwhile", "Look", "Do"], name
        assert "`" in text.partition("**Look:**")[2], f"{name}: what is typed?"


def test_every_alert_leads_to_its_section_and_names_a_command(rules: dict[str, Alert]) -> None:
    for name, alert in rules.items():
        assert name.startswith("XdsBridge")
        assert set(alert.annotations) == {"summary", "description", "runbook_url"}
        assert alert.annotations["runbook_url"] == f"docs/runbooks.md#{name.lower()}"
        assert re.search(r"[Tt]ype `[^`]+`", alert.annotations["description"]), name
        assert alert.labels.keys() == {"severity"}
        assert alert.labels["severity"] in ("warning", "critical"), name


def test_every_metric_that_is_asked_for_exists(rules: dict[str, Alert]) -> None:
    known = {"up"} | {series for family in shown_metrics().values() for series in family.series}
    asked = {alert.name: names(alert.expression) for alert in rules.values()}
    asked |= {
        f"{row}: {panel.title}": names(query.expression)
        for row, panels in ROWS.items()
        for panel in panels
        for query in panel.queries
    }

    assert all(asked.values())
    assert {who: missing for who, wanted in asked.items() if (missing := wanted - known)} == {}


def test_an_expression_is_taken_apart_into_what_it_compares() -> None:
    expression = (
        'rate(xds_bridge_a_total{x="1"}[10m]) / up > 0.5\nand\nmax_over_time(process_b[1h]) >= 10\n'
        "unless on (job)\ncount(xds_bridge_d offset 1h == 1)"
    )

    assert list(operands(expression)) == [
        'rate(xds_bridge_a_total{x="1"}[10m]) / up',
        "max_over_time(process_b[1h])",
        "count(xds_bridge_d offset 1s)",
    ]
    assert names(expression) == {"xds_bridge_a_total", "up", "process_b", "xds_bridge_d"}
