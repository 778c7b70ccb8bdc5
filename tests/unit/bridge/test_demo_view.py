"""What the demo makes of Envoy's answers, and what it says about them."""

import time
from pathlib import Path

import pytest

from bridge.demo.envoy import parse_clusters
from bridge.demo.option import DemoError
from bridge.demo.screen import duration
from bridge.demo.watch import Causes, changes


def _host(port: int, **health: str) -> dict[str, object]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"address": address, "health_status": health}


def test_clusters_become_health_by_address() -> None:
    payload = {
        "cluster_statuses": [
            {"name": "web", "host_statuses": [_host(1, eds_health_status="DRAINING"), _host(2)]},
            {"name": "empty"},
        ]
    }

    clusters = parse_clusters(payload)

    assert clusters == {"web": {"127.0.0.1:1": "draining", "127.0.0.1:2": "unknown"}, "empty": {}}


@pytest.mark.parametrize("payload", [None, [], {}, {"cluster_statuses": [{}]}, {"cluster_statuses": None}])
def test_an_answer_of_another_form_is_said_to_be_one(payload: object) -> None:
    with pytest.raises(DemoError, match="unknown form"):
        parse_clusters(payload)


def test_a_change_is_one_line_per_host() -> None:
    old = {"a:1": "healthy", "b:1": "healthy", "c:1": "healthy"}
    new = {"b:1": "healthy", "c:1": "draining", "d:1": "healthy"}

    lines = list(changes(old, new))

    assert len(lines) == 3
    assert "a:1 (was healthy)" in lines[0]
    assert "c:1 healthy → draining" in lines[1]
    assert "d:1 healthy" in lines[2]


def test_the_latest_cause_explains_a_change() -> None:
    causes = Causes()
    causes.note("the file changed", at=100.0)
    causes.note("Consul said so", at=100.5)

    explanation = causes.explain(seen=100.512)

    assert explanation == "12 ms after Consul said so"


def test_an_old_cause_explains_nothing() -> None:
    causes = Causes()
    causes.note("the file changed", at=100.0)

    assert causes.explain(seen=200.0) == ""


def test_a_cause_that_was_noticed_after_its_effect_still_explains_it() -> None:
    causes = Causes()
    causes.note("Consul said so", at=100.01)

    assert causes.explain(seen=100.0) == "0 ms after Consul said so"


def test_a_saved_file_is_a_cause_and_a_missing_one_is_not(tmp_path: Path) -> None:
    causes, path = Causes(), tmp_path / "endpoints.yaml"

    causes.note_file(path)
    before = causes.explain(seen=time.time())
    path.write_text("services: {}")
    causes.note_file(path)

    assert before == ""
    assert "after the file changed" in causes.explain(seen=time.time())


@pytest.mark.parametrize(("seconds", "text"), [(0.0124, "12 ms"), (0.9994, "999 ms"), (1.44, "1.4 s")])
def test_a_duration_reads_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text
