from collections.abc import Mapping, Sequence

import pytest

from bridge.clock import Moment
from bridge.merge import First, MergePolicy, Report, Weighted, failover, union
from bridge.model import Endpoint, EndpointKey, Entry, Health, Scope, ServiceName, SourceName
from bridge.registry import Part
from bridge.registry.part import identity
from bridge.reload.forecast import Forecast, Known, Merging, foreseen
from support.builders import endpoint, service

WEB = ServiceName("web")
A, B, C = (SourceName(name) for name in "abc")
Ports = tuple[set[int] | None, set[int] | None]

FIRST = First(return_after=60.0)


def says(source: SourceName, *ports: int, health: Health = Health.HEALTHY, name: ServiceName = WEB) -> Known:
    entries: frozenset[Entry] = frozenset(endpoint("10.0.0.1", port, health=health) for port in ports)
    since = {identity(each): Moment(0.0, 0.0) for each in entries if isinstance(each, Endpoint)}
    return (source, Scope("s")), name, Part(entries, since)


def merging(
    *order: SourceName, policy: MergePolicy = union, names: Mapping[SourceName, SourceName] | None = None
) -> Merging:
    return Merging(order, lambda _: policy, names or {})


def ports(found: Forecast) -> Ports:
    """What there is of `web` before and after; None where it is gone."""
    before, after = found.before.get(WEB), found.after.get(WEB)
    return _ports(before), _ports(after)


def of(served: Sequence[int], known: Sequence[Known], old: Merging, new: Merging) -> Ports:
    services = {WEB: service("web", [endpoint("10.0.0.1", port) for port in served])}
    return ports(foreseen(services, known, old, new, _as_they_are))


def test_what_nobody_says_who_stays_is_gone() -> None:
    known = [says(A, 1, 2), says(B, 2, 3)]

    assert of([1, 2, 3], known, merging(A, B), merging(B)) == ({1, 2, 3}, {2, 3})
    assert of([1, 2], [says(A, 1, 2)], merging(A, B), merging(B)) == ({1, 2}, None)
    assert of([1], [says(A, 1), says(B)], merging(A, B), merging(B)) == ({1}, set())


def test_a_service_of_which_nobody_has_anything_to_say_stays_as_it_is() -> None:
    assert of([], [], merging(A), merging()) == (set(), set())


def test_one_source_alone_takes_from_what_all_have_served() -> None:
    known = [says(A, 1), says(B, 2, 3)]

    assert of([1, 2, 3], known, merging(A, B), merging(A, B, policy=FIRST)) == ({1, 2, 3}, {1})


def test_another_order_counts_although_it_shows_later() -> None:
    known = [says(A, 1, 2, 3), says(B, 4)]

    assert of([1, 2, 3], known, merging(A, B, policy=FIRST), merging(B, A, policy=FIRST)) == ({1, 2, 3}, {4})


def test_what_a_policy_is_about_to_do_anyway_is_no_loss() -> None:
    known = [says(A, 1), says(B, 2, 3), says(C, 4)]

    found = of([2, 3], known, merging(A, B, C, policy=FIRST), merging(A, B, policy=FIRST))

    assert found == ({2, 3}, {2, 3})


@pytest.mark.parametrize("policy", [failover, Weighted(((A, 1), (B, 0)))])
def test_policies_that_serve_all_take_nothing(policy: MergePolicy) -> None:
    known = [says(A, 1), says(B, 2)]

    assert of([1, 2], known, merging(A, B), merging(B, A, policy=policy)) == ({1, 2}, {1, 2})


def test_a_source_under_another_name_has_the_place_of_that() -> None:
    known = [says(A, 1), says(B, 2, 3)]

    found = of([1], known, merging(A, B, policy=FIRST), merging(C, B, policy=FIRST, names={A: C}))

    assert found == ({1}, {1})


def test_sources_that_go_in_any_case_count_on_neither_side() -> None:
    known = [says(A, 1, 2, 3), says(B, 4), says(C, 5)]

    assert of([1, 2, 3, 4, 5], known, merging(B, C), merging(B)) == ({4, 5}, {4})
    assert of([1, 2, 3], [says(A, 1, 2, 3)], merging(B), merging(B)) == (None, None)


def test_an_operators_word_counts() -> None:
    def drained(_: ServiceName, reports: Sequence[Report]) -> Sequence[Report]:
        return [each for each in reports if each.origin.source != A]

    services = {WEB: service("web", [endpoint("10.0.0.1", 2)])}
    known = [says(A, 1), says(B, 2)]

    found = foreseen(services, known, merging(A, B), merging(A, B, policy=FIRST), drained)

    assert ports(found) == ({2}, {2})


def _as_they_are(_: ServiceName, reports: Sequence[Report]) -> Sequence[Report]:
    return reports


def _ports(keys: frozenset[EndpointKey] | None) -> set[int] | None:
    return None if keys is None else {key.port for key in keys}
