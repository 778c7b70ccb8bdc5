from collections.abc import Callable
from pathlib import Path

import pytest

from bridge import plugins
from bridge.bootstrap import BRIDGE_CLUSTER, ApiType
from bridge.config import Config, EdsConfig, ViewMatch, load
from bridge.errors import ConfigError

SOURCES = "sources: [{name: local, type: file, path: /x}]\n"

Read = Callable[[str], Config]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    path = tmp_path / "bridge.yaml"

    def from_text(text: str) -> Config:
        path.write_text(SOURCES + text, encoding="utf-8")
        return load(path, {}, plugins.discover())

    return from_text


def test_everybody_sees_everything_unless_it_is_said_otherwise(read: Read) -> None:
    config = read("")

    assert config.views == ()
    assert config.views_required is False


def test_every_key_can_be_set(read: Read) -> None:
    config = read("""views_required: true
views:
  - match: {id: "edge-*", cluster: edge, metadata: {team: "pay*"}, san: "spiffe://prod/edge/*"}
    services: [web, "api-*"]
    locality_failover: true
    eds: {cluster: bridges, api_type: REST, refresh_delay: 2s}
""")

    match = ViewMatch(id="edge-*", cluster="edge", metadata={"team": "pay*"}, san="spiffe://prod/edge/*")
    (rule,) = config.views
    assert (rule.match, rule.services, rule.locality_failover) == (match, ("web", "api-*"), True)
    assert rule.eds is not None
    assert (rule.eds.cluster, rule.eds.api_type, rule.eds.refresh_delay) == ("bridges", ApiType.REST, 2.0)
    assert config.views_required is True


def test_a_glob_for_names_that_can_match_none_is_refused(read: Read) -> None:
    with pytest.raises(ConfigError, match="a URI is written with its scheme"):
        read('views: [{match: {san: "*/payments/*"}}]\n')


def test_a_rule_has_defaults_that_go_with_our_bootstrap(read: Read) -> None:
    (rule,) = read("views: [{eds: {}}]\n").views

    assert rule.match == ViewMatch()
    assert rule.services == ("*",)
    assert not rule.selective
    assert not rule.locality_failover
    assert rule.eds == EdsConfig(cluster=BRIDGE_CLUSTER, api_type=ApiType.DELTA_GRPC)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("views: [{mtch: {}}]", "2:10: views[0].mtch: unknown key; did you mean 'match'?"),
        ("views: [{match: {name: a}}]", "2:18: views[0].match.name: unknown key; there are cluster, id, metadata, san"),
        (
            "views: [{services: []}]",
            "2:20: views[0].services: a list should have at least 1 item after validation, not 0",
        ),
        ("views: [{services: web}]", "2:20: views[0].services: expected a list, not 'web'"),
        (
            "views: [{eds: {api_type: GPRC}}]",
            "2:26: views[0].eds.api_type: 'GPRC' is not 'GRPC', 'DELTA_GRPC' or 'REST'; did you mean 'GRPC'?",
        ),
        (
            "views: [{eds: {refresh_delay: 1s}}]",
            "2:15: views[0].eds: refresh_delay is for api_type REST; a stream of DELTA_GRPC is not refreshed",
        ),
        (
            "views_required: true",
            "2:17: views_required: without `views` every Envoy would be refused; add a rule for those to serve",
        ),
        (
            "views: [{services: [a]}, {match: {id: b}}]",
            "2:26: views[1]: is never reached: views[0] matches the same Envoys first",
        ),
        (
            "views: [{match: {id: b}}, {match: {id: c}}, {match: {id: b}, services: [a]}]",
            "2:45: views[2]: is never reached: views[0] matches the same Envoys first",
        ),
    ],
)
def test_what_cannot_be_meant_is_a_mistake_with_its_place(read: Read, text: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(f"{text}\n")

    assert str(caught.value) == f"{tmp_path / 'bridge.yaml'}:{line}"
