"""Laws of the merge policies, whatever is reported in whatever order."""

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.merge import AVAILABLE, First, MergePolicy, Report, ServedEndpoint, Share, Weighted, failover, union, weigh
from bridge.model import Health, Scope, ServiceName, SourceName
from bridge.registry import Registry
from bridge.resources import Flavour, ResourceBuilder
from bridge.resources.assignment import eligible, preferring
from support.reports import report
from xds import ENDPOINT, Snapshot

SOURCES = [SourceName(name) for name in ("vms", "ecs", "dc1")]
WEB = ServiceName("web")
TAKING = (Health.HEALTHY, Health.UNKNOWN)
UINT32 = 2**32 - 1

endpoints = st.lists(
    st.builds(
        report,
        source=st.just(""),
        address=st.integers(0, 300).map(lambda number: f"10.0.{number // 256}.{number % 256}"),
        health=st.sampled_from(Health),
        instance=st.sampled_from(["i1", "i2"]),
        weight=st.integers(1, 128),
        region=st.sampled_from(["eu", "us"]),
    ),
    max_size=40,
)
worlds = st.tuples(endpoints, endpoints, endpoints).map(
    lambda world: [
        report(
            source,
            each.endpoint.address,
            each.endpoint.health,
            instance=each.endpoint.instance,
            weight=each.endpoint.weight,
            region=each.endpoint.locality.region,
        )
        for source, reported in zip(SOURCES, world, strict=True)
        for each in reported
    ]
)
"""What three sources report, grouped by source."""

weights = st.tuples(*(st.integers(0, 1000) for _ in SOURCES)).filter(any)
policies = st.one_of(
    st.just(union),
    st.just(failover),
    st.just(First(30.0)),
    weights.map(lambda found: Weighted(tuple(zip(SOURCES, found, strict=True)))),
)


def key(each: Report | ServedEndpoint) -> tuple[str, int]:
    return each.endpoint.address, each.endpoint.port


def shuffled(reports: Sequence[Report], seed: int) -> list[Report]:
    """In another order, and still grouped by source."""
    mixed = random.Random(seed).sample(reports, len(reports))
    return sorted(mixed, key=lambda each: SOURCES.index(each.origin.source))


@given(worlds, policies)
def test_no_endpoint_is_lost_or_invented(world: Sequence[Report], policy: MergePolicy) -> None:
    outcome = policy(world)

    chosen = outcome.ruling.chosen
    expected = {key(each) for each in world if chosen is None or each.origin.source == chosen}
    assert [key(each) for each in outcome.endpoints] == sorted(expected)
    for each in outcome.endpoints:
        reporters = {(found.origin.source, found.origin.instance) for found in world if key(found) == key(each)}
        assert {(origin.source, origin.instance) for origin in each.origins} == reporters


@given(worlds, policies, st.integers())
def test_the_order_of_reports_makes_no_difference(world: Sequence[Report], policy: MergePolicy, seed: int) -> None:
    mixed = shuffled(world, seed)

    assert [(*key(each), each.endpoint, each.weight) for each in policy(mixed).endpoints] == [
        (*key(each), each.endpoint, each.weight) for each in policy(world).endpoints
    ]
    assert policy(mixed).ruling == policy(world).ruling


@given(worlds, weights)
def test_shares_hold_within_a_hundredth_in_every_priority(world: Sequence[Report], configured: tuple[int, ...]) -> None:
    outcome = Weighted(tuple(zip(SOURCES, configured, strict=True)))(world)

    check(outcome.endpoints, outcome.ruling.shares)
    for region in ("eu", "us"):
        check(weigh(preferring(region, outcome.endpoints), outcome.ruling.shares), outcome.ruling.shares)


def check(served: Sequence[ServedEndpoint], configured: Sequence[Share]) -> None:
    """Every weight is one that Envoy takes, and the shares of each priority are those that were asked for."""
    weight = {share.source: share.weight for share in configured}
    for priority in {each.priority for each in served}:
        members = [each for each in served if each.priority == priority]
        assert all(each.weight for each in members)
        assert sum(each.weight or 0 for each in members) <= UINT32
        taking = [each for each in members if each.endpoint.health in TAKING]
        present = {each.origins[0].source for each in taking}
        total, asked = sum(each.weight or 0 for each in taking), sum(weight[source] for source in present)
        for source in present:
            mine = sum(each.weight or 0 for each in taking if each.origins[0].source == source)
            assert mine / total == pytest.approx(weight[source] / asked, rel=0.01)
        if taking:
            rest = sum(each.weight or 0 for each in members if each not in taking)
            assert rest <= total / 100, "in a panic Envoy picks among all"


@given(worlds, weights)
def test_a_source_without_a_weight_gets_no_request(world: Sequence[Report], configured: tuple[int, ...]) -> None:
    outcome = Weighted(tuple(zip(SOURCES, configured, strict=True)))(world)

    named = eligible(outcome.endpoints, 50.0)
    without = {source for source, weight in zip(SOURCES, configured, strict=True) if not weight}
    for each in named:
        if each.origins[0].source in without:
            assert each.endpoint.health is Health.DRAINING


@given(st.lists(st.tuples(worlds, st.floats(0.0, 20.0)), min_size=1, max_size=8))
def test_first_serves_one_source_that_can_take_requests_if_there_is_one(
    story: list[tuple[Sequence[Report], float]],
) -> None:
    policy, ruling, now = First(30.0), None, 0.0
    for world, passed in story:
        now += passed
        outcome = policy(world, ruling, now)
        available = {each.origin.source for each in world if each.endpoint.health in AVAILABLE}
        reporting = {each.origin.source for each in world}
        assert outcome.ruling.chosen in (available or reporting) if reporting else outcome.ruling.chosen is None
        assert all(each.due > now for each in outcome.ruling.returning)
        assert policy(world, outcome.ruling, now) == outcome, "a decision stands while nothing changes"
        ruling = outcome.ruling


@given(worlds, policies, st.integers(), st.sampled_from(["", "eu"]))
def test_the_version_does_not_tell_in_which_order_the_sources_spoke(
    world: Sequence[Report], policy: MergePolicy, seed: int, region: str
) -> None:
    def version(
        order: Sequence[SourceName], reports: Sequence[Report], name: Callable[[ServiceName], MergePolicy]
    ) -> str:
        registry = Registry(SOURCES, name, lambda: 0.0)
        for source in order:
            entries = frozenset(each.endpoint for each in reports if each.origin.source == source)
            registry.sink(source).update(Scope("s"), WEB, entries)
        snapshot = ResourceBuilder({}, []).apply(Snapshot(), registry.drain(), Flavour(region=region))
        return snapshot.version(ENDPOINT.url)

    assert version(SOURCES, world, lambda _: policy) == version(SOURCES[::-1], shuffled(world, seed), lambda _: policy)
