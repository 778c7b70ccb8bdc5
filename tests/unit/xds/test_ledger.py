"""Counts names; the numbers are those of fleets that must pass, and of clients that must not."""

import pytest

from xds.ledger import Ledger
from xds.limit import Limits
from xds.message import ExcessiveRequest
from xds.subscription import NOTHING

EXISTING = frozenset(f"service-{number}" for number in range(2000))


def strange(number: int, prefix: str = "") -> frozenset[str]:
    """So many names that are no resource's."""
    return frozenset(f"{prefix}strange-{each}" for each in range(number))


def test_names_that_exist_are_not_counted_however_they_are_chosen() -> None:
    ledger, names = Ledger(Limits(names_per_client=1000)), sorted(EXISTING)

    for stream in range(1000):
        ledger.hold(stream, "client", [(frozenset(names[stream : stream + 1000]), EXISTING)])

    assert ledger.names == 0


def test_a_fleet_that_asks_alike_before_anything_exists_counts_once() -> None:
    ledger, names = Ledger(Limits(names=1000, names_per_client=1000)), frozenset(sorted(EXISTING)[:1000])

    for stream in range(1000):
        ledger.hold(stream, f"client-{stream % 10}", [(names, NOTHING)])

    assert ledger.names == 1000


def test_an_envoy_without_ads_may_ask_for_five_thousand_names_on_as_many_streams() -> None:
    ledger = Ledger(Limits())

    for stream in range(5000):
        ledger.hold(stream, "client", [(frozenset({f"strange-{stream}"}), NOTHING)])

    assert ledger.names == 5000


def test_a_client_with_too_many_strange_names_is_refused_and_others_are_not() -> None:
    ledger = Ledger(Limits(names_per_client=1000))
    ledger.hold(1, "a", [(strange(600, "1"), EXISTING)])
    ledger.hold(2, "b", [(strange(600, "2"), EXISTING)])

    with pytest.raises(ExcessiveRequest, match=r"more than 1000 names .*limits\.names_per_client"):
        ledger.hold(3, "a", [(strange(600, "3"), EXISTING)])

    ledger.hold(4, "b", [(strange(400, "4"), EXISTING)])


def test_all_clients_together_are_bounded() -> None:
    ledger = Ledger(Limits(names=1000))
    ledger.hold(1, "a", [(strange(600, "1"), NOTHING)])

    with pytest.raises(ExcessiveRequest, match=r"limits\.names\b"):
        ledger.hold(2, "b", [(strange(600, "2"), NOTHING)])


def test_what_is_held_replaces_what_was_and_is_given_back() -> None:
    ledger, shared = Ledger(Limits()), strange(10)
    ledger.hold(1, "a", [(shared, NOTHING), (strange(5, "1"), NOTHING)])
    ledger.hold(2, "a", [(shared, NOTHING)])
    ledger.hold(1, "a", [(strange(7, "2"), NOTHING)])

    assert ledger.names == 17
    ledger.release(2, "a")
    assert ledger.names == 7
    ledger.release(1, "a")
    ledger.release(1, "a")
    assert ledger.names == 0


def test_whoever_asks_for_less_is_not_refused() -> None:
    ledger = Ledger(Limits(names=1000))
    ledger.hold(1, "a", [(strange(900, "1"), NOTHING)])
    with pytest.raises(ExcessiveRequest):
        ledger.hold(2, "b", [(strange(900, "2"), NOTHING)])

    ledger.hold(1, "a", [(strange(800, "1"), NOTHING)])

    assert ledger.names == 1700


def test_a_large_set_is_looked_at_once() -> None:
    class Counting(frozenset[str]):
        looks = 0

        def __contains__(self, name: object) -> bool:
            Counting.looks += 1
            return super().__contains__(name)

    ledger, existing = Ledger(Limits()), Counting(EXISTING)

    for stream in range(100):
        ledger.hold(stream, "a", [(EXISTING, existing)])

    assert Counting.looks == len(EXISTING)
