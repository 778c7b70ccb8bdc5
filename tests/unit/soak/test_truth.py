"""What an Envoy must have: a change allows both states until it was followed, and nothing else ever."""

import pytest

from soak.truth import Expectation

A, B = "127.0.0.1:1", "127.0.0.1:2"


@pytest.fixture
def truth() -> Expectation:
    """Of an Envoy that has followed: `web` is one healthy endpoint."""
    truth = Expectation()
    truth.want("web", A, "HEALTHY")
    assert truth.followed("web", 1) == []
    return truth


def test_what_has_arrived_must_stay(truth: Expectation) -> None:
    assert truth.objections({"web": {A: "HEALTHY"}}) == []
    assert truth.objections({"web": {}}) == [f"web {A} is absent and must be HEALTHY"]
    assert truth.objections({}) == [f"web {A} is absent and must be HEALTHY"]
    assert truth.objections({"web": {A: "UNHEALTHY"}}) == [f"web {A} is UNHEALTHY and must be HEALTHY"]
    assert truth.objections({"web": {A: "HEALTHY", B: "HEALTHY"}}) == [f"web {B} is HEALTHY and must be absent"]


def test_until_it_is_followed_a_change_allows_what_was_and_what_is_to_be(truth: Expectation) -> None:
    truth.want("web", A, None)
    truth.want("web", B, "HEALTHY")

    for found in ({A: "HEALTHY"}, {A: "HEALTHY", B: "HEALTHY"}, {B: "HEALTHY"}, {}):
        assert truth.objections({"web": found}) == []
    assert truth.objections({"web": {A: "DRAINING"}}) == [f"web {A} is DRAINING and must be HEALTHY or absent"]
    assert truth.difference({"web": {B: "HEALTHY"}}, ["web"]) == []
    both = {"web": {A: "HEALTHY", B: "HEALTHY"}}
    assert truth.difference(both, ["web"]) == [f"web {A} is HEALTHY and is to be absent"]
    assert truth.difference(both, []) == []


def test_what_was_followed_must_not_come_back(truth: Expectation) -> None:
    truth.want("web", A, None)

    assert truth.followed("web", 1) == []
    assert truth.objections({"web": {A: "HEALTHY"}}) == [f"web {A} is HEALTHY and must be absent"]


def test_moves_without_a_reason_are_told(truth: Expectation) -> None:
    truth.want("web", A, "UNHEALTHY")

    assert truth.followed("web", 0) == []
    assert truth.followed("web", 2) == ["web: 2 times endpoints moved, for 0 changes"]
    truth.tolerate(["web"], 2)
    assert truth.followed("web", 2) == []


def test_its_age_tells_that_it_changed(truth: Expectation) -> None:
    ages = [truth.age]
    truth.want("web", B, "HEALTHY")
    ages.append(truth.age)
    truth.followed("web", 1)
    ages.append(truth.age)

    assert ages == sorted(set(ages))
