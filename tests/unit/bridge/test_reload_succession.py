"""Sources that are renamed or replaced: what takes requests is the same until the old one goes."""

from collections.abc import Mapping, Sequence

import pytest

from bridge.merge import First, MergePolicy, Weighted, failover, union
from bridge.model import Health, SourceName
from bridge.registry import Registry
from bridge.registry.options import BELIEVING
from bridge.reload import Plan
from bridge.reload.succession import Succession, placed
from support.guarded import SCOPE, WEB, entries

A, B, C, D = (SourceName(name) for name in "ABCD")
MAIN, RESERVE = range(1, 6), range(10, 12)


def weighted(**weights: int) -> MergePolicy:
    return Weighted(tuple((SourceName(name), weight) for name, weight in weights.items()))


class Bench:
    """A registry in which A has most of the requests, C the others, and that goes by other configurations."""

    def __init__(self, policy: MergePolicy, sources: Sequence[SourceName] = (A, C)) -> None:
        self.policy = policy
        self.succession = Succession()
        self.registry = Registry(sources, lambda _: policy, lambda: 1.0, monotonic=lambda: 1.0)
        for source, numbers in ((A, MAIN), (C, RESERVE)):
            self.read(source, numbers)

    def read(self, source: SourceName, numbers: Sequence[int]) -> None:
        self.registry.sink(source).replace(SCOPE, {WEB: entries(numbers)})
        self.registry.drain()

    def reload(self, *names: SourceName, policy: MergePolicy, renamed: Mapping[SourceName, SourceName] = {}) -> None:
        old, self.policy = self.policy, policy
        removed = tuple(name for name in self.registry.sources if name not in names)
        self.succession.begin(names, Plan(removed=removed, renamed=renamed), lambda _: old)
        order = self.succession.order(names, self.registry.sources)
        self.registry.configure(order, self.succession.policies(lambda _: policy), BELIEVING, retell=False)
        self.registry.drain()

    def forget(self, source: SourceName) -> None:
        self.registry.forget(source, "gone")
        self.registry.drain()

    def taking(self) -> dict[str, tuple[Health, int, int | None]]:
        """Health, priority and weight of each endpoint."""
        return {
            str(each.endpoint.key): (each.endpoint.health, each.priority, each.weight)
            for each in self.registry.services()[WEB].endpoints
        }

    def requests(self) -> dict[str, float]:
        """The part of the requests that the endpoints of the main and the reserve source get."""
        parts = {"main": 0, "reserve": 0}
        for each in self.registry.services()[WEB].endpoints:
            parts["reserve" if each.origins[0].source == C else "main"] += each.weight or 0
        return {name: round(part / sum(parts.values()), 6) for name, part in parts.items()}


POLICIES = {
    "union": (union, union),
    "failover": (failover, failover),
    "first": (First(30.0), First(30.0)),
    "weighted": (weighted(A=90, C=10), weighted(B=90, C=10)),
}


@pytest.mark.parametrize("order", [(A, C), (C, A)])
@pytest.mark.parametrize("policies", POLICIES.values(), ids=POLICIES.keys())
def test_a_renamed_source_takes_what_it_took_until_its_successor_does(
    policies: tuple[MergePolicy, MergePolicy], order: tuple[SourceName, SourceName]
) -> None:
    bench = Bench(policies[0], order)
    before = bench.taking()

    bench.reload(*(B if name == A else name for name in order), policy=policies[1], renamed={A: B})
    assert bench.taking() == before
    for count in range(1, len(MAIN) + 1):
        bench.read(B, MAIN[:count])
        assert bench.taking() == before
    bench.forget(A)

    assert bench.taking() == before


@pytest.mark.parametrize("order", [(A, C), (C, A)])
@pytest.mark.parametrize("policy", [union, failover, First(30.0), None])
def test_a_replaced_source_keeps_its_place_and_its_weight_until_it_goes(
    policy: MergePolicy | None, order: tuple[SourceName, SourceName]
) -> None:
    bench = Bench(policy or weighted(A=90, C=10), order)
    before = bench.taking()

    bench.reload(D, C, policy=policy or weighted(D=40, C=10))

    assert bench.taking() == before


def test_shares_hold_while_a_renamed_source_and_its_successor_report_other_endpoints() -> None:
    bench = Bench(weighted(A=90, C=10))
    bench.reload(B, C, policy=weighted(B=90, C=10), renamed={A: B})

    bench.read(B, range(20, 27))

    assert bench.requests() == {"main": 0.9, "reserve": 0.1}


def test_who_wins_an_address_stays_the_same() -> None:
    bench = Bench(union)
    bench.read(C, MAIN)

    bench.reload(B, C, policy=union, renamed={A: B})

    assert {each.origins[0].source for each in bench.registry.services()[WEB].endpoints[:5]} == {A}


def test_another_reload_meanwhile_changes_nothing_in_that() -> None:
    renamed, replaced = Bench(weighted(A=90, C=10)), Bench(weighted(A=90, C=10))
    renamed.reload(B, C, policy=weighted(B=90, C=10), renamed={A: B})
    replaced.reload(D, C, policy=weighted(D=90, C=10))

    renamed.reload(B, C, policy=weighted(B=50, C=50))
    replaced.reload(D, C, policy=weighted(D=50, C=10))

    assert renamed.requests() == {"main": 0.5, "reserve": 0.5}
    assert replaced.requests() == {"main": 0.9, "reserve": 0.1}


def test_who_comes_back_and_who_lost_its_successor_count_as_before() -> None:
    bench = Bench(weighted(A=90, C=10))
    bench.reload(B, C, policy=weighted(B=90, C=10), renamed={A: B})

    bench.reload(D, C, policy=weighted(D=1, C=10))
    assert bench.requests() == {"main": 0.9, "reserve": 0.1}

    bench.reload(A, C, policy=weighted(A=60, C=40))
    assert bench.requests() == {"main": 0.6, "reserve": 0.4}


def test_sources_that_wait_for_their_successors_keep_their_places() -> None:
    assert placed([B, C], {A}, [A, B, C], {}) == [A, B, C]
    assert placed([B, C], {A}, [B, A, C], {}) == [B, A, C]
    assert placed([C, B], {A}, [B, A, C], {}) == [C, B, A]
    assert placed([B], {A}, [B, C, A], {}) == [B, A]
    assert placed([B], set(), [A, B], {}) == [B]
