from collections.abc import Callable
from pathlib import Path

import pytest

from bridge import plugins
from bridge.config import Config, cluster_rules, load, merge_notes, merge_policies
from bridge.errors import ConfigError
from bridge.merge import First, Policy, Weighted, failover, union
from bridge.model import ServiceName
from bridge.resources.template import Templates

SOURCES = "sources: [{name: vms, type: file, path: /x}, {name: ecs, type: file, path: /y}]\n"

CHOICES = "'union', 'failover', 'weighted' or 'first'"

Read = Callable[[str], Config]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    path = tmp_path / "bridge.yaml"

    def from_text(text: str) -> Config:
        path.write_text(SOURCES + text, encoding="utf-8")
        return load(path, {}, plugins.discover())

    return from_text


def test_each_policy_can_be_asked_for_by_glob(read: Read) -> None:
    config = read("""services:
  - {match: payments, merge: {policy: weighted, weights: {ecs: 10, vms: 90}}}
  - {match: "pay*", merge: {policy: failover}}
  - {match: ledger, merge: {policy: first, return_after: 5m}}
  - {match: other, merge: {policy: first}}
""")

    policy = merge_policies(config.services)

    assert policy(ServiceName("payments")) == Weighted((("ecs", 10), ("vms", 90)))  # type: ignore[arg-type]  # names
    assert policy(ServiceName("payouts")) is failover
    assert policy(ServiceName("ledger")) == First(300.0)
    assert policy(ServiceName("other")) == First(30.0)
    assert policy(ServiceName("web")) is union
    assert [rule.merge.policy for rule in config.services][:2] == [Policy.WEIGHTED, Policy.FAILOVER]


@pytest.mark.parametrize(
    ("merge", "line"),
    [
        (
            "{policy: weighted}",
            "2:30: services[0].merge: policy weighted needs `weights`, such as {vms: 50, ecs: 50}",
        ),
        (
            "{policy: weighted, weights: {vms: 90, esc: 10}}",
            "2:68: services[0].merge.weights.esc: no source is called that; did you mean 'ecs'?",
        ),
        (
            "{policy: weighted, weights: {vms: 0, ecs: 0}}",
            "2:58: services[0].merge.weights: at least one must be more than 0, or no source may have requests",
        ),
        (
            "{weights: {vms: 90, ecs: 10}}",
            "2:31: services[0].merge.weights: is for policy weighted, and the policy is union",
        ),
        (
            "{policy: failover, weights: {vms: 90}}",
            "2:49: services[0].merge.weights: is for policy weighted, and the policy is failover",
        ),
        (
            "{policy: weighted, weights: {vms: 1}, return_after: 1m}",
            "2:68: services[0].merge.return_after: is for policy first, and the policy is weighted",
        ),
        (
            "{policy: weighted, weight: {vms: 1}}",
            "2:49: services[0].merge.weight: unknown key; did you mean 'weights'?",
        ),
        (
            "{policy: weighted, weights: {vms: 1001}}",
            "2:64: services[0].merge.weights.vms: 1001 should be less than or equal to 1000",
        ),
        (
            "{policy: weighted, weights: {vms: -1}}",
            "2:64: services[0].merge.weights.vms: -1 should be greater than or equal to 0",
        ),
        (
            "{policy: weighted, weights: {vms: half}}",
            "2:64: services[0].merge.weights.vms: expected a whole number, not 'half'",
        ),
        (
            "{policy: weighted, weights: [vms]}",
            "2:58: services[0].merge.weights: expected a mapping, not a list",
        ),
        (
            "{policy: weightd}",
            "2:39: services[0].merge.policy: 'weightd' is not " + CHOICES + "; did you mean 'weighted'?",
        ),
    ],
)
def test_what_cannot_be_meant_is_a_mistake_with_its_place(read: Read, tmp_path: Path, merge: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(f"services: [{{match: a, merge: {merge}}}]\n")

    assert str(caught.value).splitlines() == [f"{tmp_path / 'bridge.yaml'}:{line}"]


WEIGHTED = "merge: {policy: weighted, weights: {vms: 90, ecs: 10}}"


@pytest.mark.parametrize(
    ("defaults", "cluster", "wanted", "notes"),
    [
        ("{}", "{}", "ROUND_ROBIN", 0),
        ("{lb_policy: LEAST_REQUEST}", "{}", "ROUND_ROBIN", 0),
        ("{lb_policy: LEAST_REQUEST, least_request_lb_config: {choice_count: 3}}", "{}", "ROUND_ROBIN", 0),
        ("{}", "{lb_policy: LEAST_REQUEST}", "LEAST_REQUEST", 1),
        ("{}", "{lb_policy: RANDOM}", "RANDOM", 1),
        ("{common_lb_config: {locality_weighted_lb_config: {}}}", "{}", "ROUND_ROBIN", 1),
        ("{}", "{common_lb_config: {locality_weighted_lb_config: {}}}", "ROUND_ROBIN", 1),
        ("{}", "{load_balancing_policy: {policies: []}}", "ROUND_ROBIN", 1),
    ],
)
def test_a_cluster_with_shares_is_round_robin_unless_it_says_otherwise(
    read: Read, defaults: str, cluster: str, wanted: str, notes: int
) -> None:
    config = read(
        f"cluster_defaults: {defaults}\nservices: [{{match: web, {WEIGHTED}, cluster: {cluster}}}, {{match: api}}]\n"
    )

    found = list(merge_notes(config.services, config.cluster_defaults, ["vms", "ecs"]))

    ((_, overlay), (_, other)) = cluster_rules(config.services)
    assert overlay["lb_policy"] == wanted
    assert other == {}
    assert len(found) == notes
    assert all("does not keep to shares" in note for note in found)


def test_another_way_to_balance_in_the_defaults_is_no_way_round_it(read: Read) -> None:
    policies = "{policies: [{typed_extension_config: {name: envoy.load_balancing_policies.random}}]}"
    config = read(f"cluster_defaults: {{load_balancing_policy: {policies}}}\nservices: [{{match: web, {WEIGHTED}}}]\n")

    templates = Templates(config.cluster_defaults, cluster_rules(config.services))

    named = b"envoy.load_balancing_policies.random"
    assert named in templates.find(ServiceName("api")).encoded[None]
    assert named not in templates.find(ServiceName("web")).encoded[None]


def test_a_source_that_is_left_out_is_noted(read: Read) -> None:
    config = read("services: [{match: web, merge: {policy: weighted, weights: {ecs: 10}}}]\n")

    notes = list(merge_notes(config.services, {}, ["vms", "ecs"]))

    assert notes == ["services[0].merge.weights: vms is left out and gets no requests"]
