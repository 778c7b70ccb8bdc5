"""The section `services`: settings for some services, by their name."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field

from bridge.adapter import Duration, Glob
from bridge.config.section import Section
from bridge.merge import First, MergePolicy, Policy, Weighted, failover, union
from bridge.model import ServiceName, SourceName
from bridge.problem import Path, Problem, nearest

MAX_WEIGHT = 1000
"""Enough for a share of one in a thousand; smaller ones would not survive the rounding of large services."""

_BALANCED = {"lb_policy": "ROUND_ROBIN", "load_balancing_policy": None}
"""What makes Envoy keep to shares. Its other policies look at load or at hashes beside the weights, or at no weights:
https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/load_balancers"""

_OPTIONS = {Policy.WEIGHTED: "weights", Policy.FIRST: "return_after"}
"""The keys that one policy has and the others do not."""


class MergeConfig(Section):
    """What happens when several sources report one service."""

    policy: Policy = Policy.UNION
    """`union`: every endpoint of every source.

    `failover`: the order of the sources is the priority in Envoy. `weighted`: each source has its share of the
    requests. `first`: the first source that has an available endpoint, alone.
    """
    weights: Mapping[str, Annotated[int, Field(ge=0, le=MAX_WEIGHT)]] = Field(default_factory=dict)
    """`weighted` only, and required there: the share of each source by its name, 0 to 1000, in proportion to the
    others. At least one is more than 0. With 0, as for a source that is left out, its endpoints get no new requests.
    """
    return_after: Duration = 30.0
    """`first` only: how long an earlier source must have been available without a break before it is served again."""

    def build(self) -> MergePolicy:
        """The policy."""
        if self.policy is Policy.WEIGHTED:
            return Weighted(tuple((SourceName(source), weight) for source, weight in self.weights.items()))
        if self.policy is Policy.FIRST:
            return First(self.return_after)
        return failover if self.policy is Policy.FAILOVER else union


class ServiceRule(Section):
    """Settings for the services whose name matches; the first rule that matches a service is the one that counts."""

    match: Glob
    """The names of the services that the rule is for, such as `api-*`."""
    merge: MergeConfig = MergeConfig()
    """What happens when several sources report one of these services."""
    cluster: Mapping[str, object] = Field(default_factory=dict)
    """Fields of Envoy's Cluster, laid over `cluster_defaults`."""

    @property
    def overlay(self) -> Mapping[str, object]:
        """The fields that are laid over `cluster_defaults`, among them what shares need and the operator left out."""
        return {**_BALANCED, **self.cluster} if self.merge.policy is Policy.WEIGHTED else self.cluster

    def matches(self, service: ServiceName) -> bool:
        """Whether the rule's glob matches a name."""
        return fnmatchcase(service, self.match)


def merge_policies(rules: Sequence[ServiceRule]) -> Callable[[ServiceName], MergePolicy]:
    """The merge policy of a service: that of the first rule that matches, else `union`."""
    built = [(rule, rule.merge.build()) for rule in rules]
    return lambda service: next((policy for rule, policy in built if rule.matches(service)), union)


def cluster_rules(rules: Sequence[ServiceRule]) -> list[tuple[str, Mapping[str, object]]]:
    """The globs, each with the fields that are laid over `cluster_defaults`."""
    return [(rule.match, rule.overlay) for rule in rules]


def merge_notes(rules: Sequence[ServiceRule], defaults: Mapping[str, object], sources: Sequence[str]) -> Iterator[str]:
    """What is no mistake in the `merge` of the rules, and may still be another thing than was meant."""
    for index, rule in enumerate(rules):
        if rule.merge.policy is not Policy.WEIGHTED:
            continue
        policy = "load_balancing_policy" if rule.overlay["load_balancing_policy"] else rule.overlay["lb_policy"]
        if policy != _BALANCED["lb_policy"]:
            yield f"services[{index}].cluster: {policy} does not keep to shares; leave it out to have ROUND_ROBIN"
        if any(_weighs_localities(fields) for fields in (defaults, rule.cluster)):
            yield f"services[{index}]: locality_weighted_lb_config does not keep to shares; a locality is picked first"
        if left_out := [source for source in sources if source not in rule.merge.weights]:
            yield f"services[{index}].merge.weights: {', '.join(left_out)} is left out and gets no requests"


def _weighs_localities(fields: Mapping[str, object]) -> bool:
    common = fields.get("common_lb_config")
    return isinstance(common, Mapping) and common.get("locality_weighted_lb_config") is not None


def merge_problems(rules: Sequence[ServiceRule], sources: Sequence[str]) -> Iterator[Problem]:
    """What cannot be meant in the `merge` of the rules, given the names of the sources."""
    for index, rule in enumerate(rules):
        path: Path = ("services", index, "merge")
        yield from _misplaced(rule.merge, path)
        if rule.merge.policy is Policy.WEIGHTED:
            yield from _impossible(rule.merge.weights, path, sources)


def _misplaced(merge: MergeConfig, path: Path) -> Iterator[Problem]:
    for policy, key in _OPTIONS.items():
        if key in merge.model_fields_set and merge.policy is not policy:
            yield Problem((*path, key), f"is for policy {policy}, and the policy is {merge.policy}", key=True)


def _impossible(weights: Mapping[str, int], path: Path, sources: Sequence[str]) -> Iterator[Problem]:
    at = (*path, "weights")
    if not weights:
        example = ", ".join(f"{source}: 50" for source in sources[:2])
        yield Problem(path, f"policy weighted needs `weights`, such as {{{example}}}")
    elif not any(weights.values()):
        yield Problem(at, "at least one must be more than 0, or no source may have requests")
    for source in weights:
        if source not in sources:
            yield Problem((*at, source), f"no source is called that{nearest(source, sources)}", key=True)
