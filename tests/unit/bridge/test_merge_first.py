from collections.abc import Mapping

import pytest

from bridge.merge import Candidate, First, Outcome, Return, Ruling
from bridge.model import Health, SourceName
from support.reports import addresses, report, reports, sources

DC1, VMS, ECS = SourceName("dc1"), SourceName("vms"), SourceName("ecs")
POLICY = First(return_after=30.0)


class Story:
    """The decisions about one service, one after the other."""

    def __init__(self) -> None:
        self.ruling: Ruling | None = None

    def at(self, now: float, healths: Mapping[str, str]) -> Outcome:
        outcome = POLICY(reports(healths), self.ruling, now)
        self.ruling = outcome.ruling
        return outcome


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.mark.parametrize("letter", ["h", "?", "d"])
def test_the_first_source_that_can_take_requests_is_served_alone(story: Story, letter: str) -> None:
    outcome = story.at(0.0, {"vms": "ux", "ecs": f"u{letter}", "dc1": "h"})

    assert sources(outcome) == {"ecs"}
    assert outcome.ruling.candidates == (Candidate(VMS, 2, 0), Candidate(ECS, 2, 1), Candidate(DC1, 1, 1))
    assert outcome.ruling.diverted


def test_a_source_is_left_at_once_when_nothing_of_it_is_available(story: Story) -> None:
    story.at(0.0, {"vms": "hu", "ecs": "h"})

    outcome = story.at(0.0, {"vms": "uu", "ecs": "h"})

    assert sources(outcome) == {"ecs"}
    assert outcome.ruling.due is None


def test_an_earlier_source_is_served_again_when_it_was_available_for_a_while(story: Story) -> None:
    story.at(0.0, {"vms": "u", "ecs": "h"})

    waiting = story.at(100.0, {"vms": "h", "ecs": "h"})
    still = story.at(129.9, {"vms": "h", "ecs": "hh"})
    returned = story.at(130.0, {"vms": "h", "ecs": "h"})

    assert sources(waiting) == sources(still) == {"ecs"}
    assert waiting.ruling.returning == still.ruling.returning == (Return(VMS, due=130.0),)
    assert waiting.ruling.due == 130.0
    assert sources(returned) == {"vms"}
    assert returned.ruling.due is None
    assert not returned.ruling.diverted


def test_a_break_begins_the_wait_anew(story: Story) -> None:
    story.at(0.0, {"vms": "u", "ecs": "h"})
    story.at(100.0, {"vms": "h", "ecs": "h"})
    story.at(120.0, {"vms": "u", "ecs": "h"})

    outcome = story.at(131.0, {"vms": "h", "ecs": "h"})

    assert sources(outcome) == {"ecs"}
    assert outcome.ruling.due == 161.0


def test_nobody_waits_for_an_earlier_source_when_the_served_one_fails(story: Story) -> None:
    story.at(0.0, {"vms": "u", "ecs": "h"})
    story.at(100.0, {"vms": "h", "ecs": "h"})

    outcome = story.at(101.0, {"vms": "h", "ecs": "u"})

    assert sources(outcome) == {"vms"}


def test_each_earlier_source_waits_for_itself(story: Story) -> None:
    story.at(0.0, {"vms": "u", "ecs": "u", "dc1": "h"})
    story.at(100.0, {"vms": "u", "ecs": "h", "dc1": "h"})

    both = story.at(120.0, {"vms": "h", "ecs": "h", "dc1": "h"})
    second = story.at(130.0, {"vms": "h", "ecs": "h", "dc1": "h"})
    first = story.at(150.0, {"vms": "h", "ecs": "h", "dc1": "h"})

    assert both.ruling.returning == (Return(VMS, 150.0), Return(ECS, 130.0))
    assert (sources(second), second.ruling.returning) == ({"ecs"}, (Return(VMS, 150.0),))
    assert (sources(first), first.ruling.returning) == ({"vms"}, ())


def test_while_nothing_is_available_it_stays_where_it_is(story: Story) -> None:
    story.at(0.0, {"vms": "u", "ecs": "h"})

    outcome = story.at(1.0, {"vms": "u", "ecs": "u"})

    assert sources(outcome) == {"ecs"}


def test_nothing_available_from_the_start_is_still_somebody(story: Story) -> None:
    assert sources(story.at(0.0, {"vms": "x", "ecs": "u"})) == {"ecs"}
    assert sources(Story().at(0.0, {"vms": "x"})) == {"vms"}


def test_a_source_that_reports_nothing_any_more_is_left(story: Story) -> None:
    story.at(0.0, {"vms": "h", "ecs": "u"})

    outcome = story.at(1.0, {"ecs": "u"})

    assert sources(outcome) == {"ecs"}


def test_nobody_at_all_is_nothing_served(story: Story) -> None:
    story.at(0.0, {"vms": "h"})

    outcome = story.at(1.0, {})

    assert (outcome.endpoints, outcome.ruling.chosen) == ((), None)


def test_of_an_address_of_two_sources_the_served_one_is_believed() -> None:
    shared = [report("vms", "10.0.0.1", Health.UNHEALTHY), report("ecs", "10.0.0.1"), report("ecs", "10.0.0.2")]

    outcome = POLICY(shared)

    assert addresses(outcome) == ["10.0.0.1", "10.0.0.2"]
    assert [origin.source for origin in outcome.endpoints[0].origins] == ["ecs", "vms"]
    assert outcome.endpoints[0].endpoint.health is Health.HEALTHY
