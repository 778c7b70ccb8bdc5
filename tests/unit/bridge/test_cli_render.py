import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from support.cli import Command, Outcome

SERVICES: dict[str, list[dict[str, object]]] = {
    "web": [
        {"address": "10.0.0.2", "port": 80},
        {"address": "10.0.0.1", "port": 80},
        {"address": "nowhere", "port": 80},
    ],
    "api": [{"address": "10.0.1.1", "port": 8080, "weight": 3}],
}


class Written:
    """A configuration with a source for each file, and what `render` makes of it."""

    def __init__(self, directory: Path, command: Command) -> None:
        self.directory = directory
        self.config = directory / "bridge.yaml"
        self._command = command
        self.file("local", SERVICES)
        self.write([self.source("local")])

    def file(self, name: str, services: object) -> None:
        (self.directory / f"{name}.json").write_text(json.dumps({"services": services}), encoding="utf-8")

    def source(self, name: str, **keys: object) -> dict[str, object]:
        return {"name": name, "type": "file", "path": str(self.directory / f"{name}.json"), **keys}

    def write(self, sources: list[dict[str, object]], **keys: object) -> None:
        self.config.write_text(json.dumps({"sources": sources, **keys}), encoding="utf-8")

    def render(self, *arguments: str) -> Outcome:
        return self._command("render", "--config", str(self.config), *arguments)

    def names(self, *arguments: str) -> list[str]:
        outcome = self.render("-o", "json", *arguments)
        assert outcome.status == 0, outcome.error
        return [each["name"] for each in json.loads(outcome.output)["clusters"]["resources"]]


@pytest.fixture
def written(tmp_path: Path, command: Command) -> Written:
    return Written(tmp_path, command)


def test_clusters_and_endpoints_are_two_discovery_responses(written: Written) -> None:
    outcome = written.render("-o", "json")

    document = json.loads(outcome.output)
    assert outcome.status == 0
    assert list(document) == ["view", "clusters", "endpoints"]
    assert document["view"] == "default"
    assert [each["name"] for each in document["clusters"]["resources"]] == ["api", "web"]
    assert [each["cluster_name"] for each in document["endpoints"]["resources"]] == ["api", "web"]
    assert all(len(document[kind]["version_info"]) == 32 for kind in ("clusters", "endpoints"))
    assert document["endpoints"]["resources"][0]["endpoints"] == [
        {
            "lb_endpoints": [
                {
                    "endpoint": {"address": {"socket_address": {"address": "10.0.1.1", "port_value": 8080}}},
                    "health_status": "HEALTHY",
                    "load_balancing_weight": 3,
                }
            ]
        }
    ]
    assert "set aside of source local: nowhere:80 in web" in outcome.error


def test_yaml_says_the_same(written: Written) -> None:
    as_json, as_yaml = written.render("-o", "json"), written.render()

    assert YAML(typ="safe").load(as_yaml.output) == json.loads(as_json.output)


def test_the_same_content_gives_the_same_bytes(written: Written) -> None:
    first = written.render()
    written.file("local", {name: SERVICES[name][::-1] for name in reversed(SERVICES)})
    second = written.render()

    assert first.output == second.output


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        (["--node", "edge"], ["web"]),
        (["--node-cluster", "edge"], ["web"]),
        (["--node-id", "api-1"], ["api"]),
        (["--metadata", "stage=canary", "--metadata", "x=y=z"], ["api", "web"]),
        (["--san", "spiffe://prod/db"], []),
    ],
)
def test_views_go_by_who_the_envoy_is(written: Written, arguments: list[str], seen: list[str]) -> None:
    views = [
        {"match": {"cluster": "edge"}, "services": ["web"]},
        {"match": {"id": "api-*"}, "services": ["api"]},
        {"match": {"metadata": {"stage": "canary", "x": "y=z"}}},
        {"match": {"san": "spiffe://prod/db"}, "services": ["db"]},
    ]
    written.write([written.source("local")], views=views, views_required=True)

    assert written.names(*arguments) == seen


def test_an_envoy_of_a_region_has_its_own_endpoints_first(written: Written) -> None:
    near, far = ({"address": f"10.0.0.{number}", "port": 80, "region": f"r{number}"} for number in (1, 2))
    written.file("local", {"web": [far, near]})
    written.write([written.source("local")], views=[{"locality_failover": True}])

    outcome = written.render("-o", "json", "--region", "r1")

    (assigned,) = json.loads(outcome.output)["endpoints"]["resources"]
    assert [(each["locality"]["region"], each.get("priority", 0)) for each in assigned["endpoints"]] == [
        ("r1", 0),
        ("r2", 1),
    ]


def test_an_envoy_without_a_view_is_refused(written: Written) -> None:
    written.write([written.source("local")], views=[{"match": {"cluster": "edge"}}], views_required=True)

    outcome = written.render()

    assert (outcome.status, outcome.output) == (1, "")
    assert "no view is configured for this client" in outcome.error


def test_a_required_source_that_cannot_be_read_fails(written: Written) -> None:
    written.write([written.source("local"), written.source("lost")])

    outcome = written.render()

    assert (outcome.status, outcome.output) == (3, "")
    assert "source lost: cannot read" in outcome.error


def test_an_optional_one_is_left_out(written: Written) -> None:
    written.write([written.source("local"), written.source("lost", required=False)])

    outcome = written.render("-o", "json")

    assert outcome.status == 0
    assert "warning: source lost is left out: cannot read" in outcome.error


def test_sources_are_merged_by_the_rules_of_the_configuration(written: Written) -> None:
    written.file("other", {"web": [{"address": "10.0.9.9", "port": 80}]})
    rule = {"match": "web", "merge": {"policy": "failover"}}
    written.write([written.source("other"), written.source("local")], services=[rule])

    outcome = written.render("-o", "json")

    assigned = json.loads(outcome.output)["endpoints"]["resources"][1]["endpoints"]
    assert [(len(each["lb_endpoints"]), each.get("priority", 0)) for each in assigned] == [(1, 0), (2, 1)]


def test_a_source_without_endpoints_is_told_of(written: Written) -> None:
    written.file("local", {})

    outcome = written.render("-o", "json")

    assert outcome.status == 0
    assert "warning: source local: no endpoint found" in outcome.error


def test_metadata_that_is_no_pair_is_wrong_usage(written: Written) -> None:
    assert written.render("--metadata", "stage").status == 2
