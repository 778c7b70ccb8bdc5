import re
from collections.abc import Mapping, Sequence

import pytest

from bridge.peers.comparison import (
    Difference,
    Look,
    alias,
    difference,
    differing_views,
    drift,
    fingerprints,
    judge,
    versions,
)
from support.xds_content import snapshot
from xds import Snapshot


def look(at: float, here: Mapping[str, str], *there: str) -> Look:
    return Look("default", at, here, frozenset(there))


def test_a_fingerprint_is_of_name_cluster_and_endpoints() -> None:
    known = fingerprints(snapshot({"web": "c", "api": "c"}, {"web": "e", "api": "e"}))

    assert known == fingerprints(snapshot({"api": "c", "web": "c"}, {"api": "e", "web": "e"}))
    assert len(set(known.values())) == 2
    for other in (snapshot({"web": "d"}, {"web": "e"}), snapshot({"web": "c"}, {"web": "f"}), snapshot({"web": "c"})):
        assert fingerprints(other)["web"] != known["web"]
    assert fingerprints(snapshot({"web": "c"}, {"web": "e"}))["web"] == known["web"]
    assert all(len(mark) == 16 for mark in known.values())


def test_versions_are_those_of_every_view_by_type() -> None:
    served = snapshot({"web": "c"})

    (view,) = versions({"default": served}).values()

    assert set(view) == {"cluster", "endpoint"}
    assert versions({"a": served}) == versions({"a": snapshot({"web": "c"})})
    assert versions({"a": served}) != versions({"a": snapshot({"web": "d"})})


@pytest.mark.parametrize("view", ["default", "views[0] in eu-west-1", "views[0] in \ud800"])
def test_what_a_view_is_called_tells_nothing_of_it(view: str) -> None:
    (known,) = versions({view: snapshot({"web": "c"})})

    assert known == alias(view) != alias(f"{view}2")
    assert re.fullmatch("[0-9a-f]{16}", known)


def test_views_that_only_one_side_has_are_not_compared() -> None:
    old, new = snapshot({"web": "c"}), snapshot({"web": "d"})

    def differing(here: Mapping[str, Snapshot], there: Mapping[str, Snapshot]) -> Sequence[str]:
        return differing_views(here, versions(there))

    assert differing({"default": old, "views[0]": old}, {"default": old, "views[1]": new}) == []
    assert differing({"default": old, "views[0]": old}, {"views[0]": new, "default": old}) == ["views[0]"]
    assert differing({"default": old, "views[0]": old}, {"views[0]": new, "default": new}) == ["default", "views[0]"]


def test_what_is_missing_on_the_other_side_grows_old() -> None:
    first = drift(None, look(10.0, {"web": "w1", "api": "a1"}, "a1", "w2"))
    second = drift(first, look(70.0, {"web": "w1", "api": "a1", "new": "n1"}, "a1", "w2"))

    assert difference(first, 9.0) is None
    assert difference(first, 10.0) == Difference("default", ("web",), 1, 1)
    assert difference(second, 10.0) == Difference("default", ("web",), 1, 1)
    assert difference(second, 70.0) == Difference("default", ("new", "web"), 2, 1)


def test_what_changes_on_a_side_begins_anew() -> None:
    found = drift(None, look(10.0, {"web": "w1"}, "w0"))
    found = drift(found, look(70.0, {"web": "w2"}, "w1"))

    assert difference(found, 10.0) is None
    assert difference(found, 70.0) == Difference("default", ("web",), 1, 1)


def test_what_agrees_in_between_begins_anew() -> None:
    found = drift(None, look(10.0, {"web": "w1", "api": "a1"}, "w2", "a2"))
    found = drift(found, look(20.0, {"web": "w1", "api": "a1"}, "w1", "a2"))
    found = drift(found, look(70.0, {"web": "w1", "api": "a1"}, "w2", "a2"))

    assert difference(found, 10.0) == Difference("default", ("api",), 1, 1)


def test_what_lasts_is_found_among_what_is_young() -> None:
    first = judge(None, look(10.0, {"web": "w1"}, "w2"), 60.0)
    second = judge(first.drift, look(70.0, {"web": "w1", "new": "n1"}, "w2"), 60.0)
    third = judge(second.drift, look(72.0, {"web": "w1"}, "w1"), 60.0)

    assert (first.since, first.lasting, first.difference) == (10.0, False, Difference("default", ("web",), 1, 1))
    assert (second.since, second.lasting, second.difference) == (10.0, True, Difference("default", ("web",), 1, 1))
    assert (third.lasting, third.difference) == (False, None)


def test_names_are_bounded_and_counted() -> None:
    found = drift(None, look(0.0, {f"s{number:03}": str(number) for number in range(100)}))

    told = difference(found, 0.0)

    assert told is not None
    assert told.services == tuple(f"s{number:03}" for number in range(20))
    assert (told.here, told.there) == (100, 0)
