"""Who has left, and how: by what is told of streams."""

from dataclasses import dataclass, field

import pytest

from bridge.absent import HOUR, REMEMBERED, Absent, Absentees
from bridge.wording import FETCHER
from support.observed_stream import FakeStream
from xds import CLUSTER, ENDPOINT, Node


@dataclass
class World:
    time: float = 1000.0
    absentees: Absentees = field(init=False)

    def __post_init__(self) -> None:
        self.absentees = Absentees(lambda: self.time)

    def comes(self, node: str, number: int = 1) -> FakeStream:
        stream = FakeStream(number, Node(node, "edge"))
        self.absentees.identified(stream)
        return stream

    def gone(self) -> list[tuple[str, bool]]:
        return [(each.node, each.unanswered) for each in self.absentees.absent()]


@pytest.fixture
def world() -> World:
    return World()


def test_who_leaves_is_told_of_for_an_hour(world: World) -> None:
    world.absentees.closed(world.comes("a"))

    assert world.absentees.absent() == (Absent("a", "ipv4:10.0.0.1:5000", 1000.0, unanswered=False),)
    world.time += HOUR
    assert world.gone() == []


def test_who_comes_back_has_not_left(world: World) -> None:
    world.absentees.closed(world.comes("a"))

    world.comes("a", 2)

    assert world.gone() == []


def test_an_envoy_with_several_streams_leaves_with_the_last(world: World) -> None:
    clusters, endpoints = world.comes("a", 1), world.comes("a", 2)

    world.absentees.closed(clusters)
    assert world.gone() == []
    world.absentees.closed(endpoints)

    assert world.gone() == [("a", False)]


def test_who_answers_nothing_more_leaves_without_a_word(world: World) -> None:
    frozen, slow, refuses = world.comes("frozen", 1), world.comes("slow", 2), world.comes("refuses", 3)
    for stream in (frozen, slow, refuses):
        world.absentees.unanswered(stream, CLUSTER.url)
    world.absentees.unanswered(frozen, ENDPOINT.url)

    world.absentees.acked(frozen, CLUSTER.url, "1", 9.0)
    world.absentees.acked(slow, CLUSTER.url, "1", 9.0)
    world.absentees.nacked(refuses, CLUSTER.url, "1", "no")
    for stream in (frozen, slow, refuses):
        world.absentees.closed(stream)

    assert world.gone() == [("frozen", True), ("slow", False), ("refuses", False)]


def test_a_stream_that_never_said_who_it_is_is_nobody_s(world: World) -> None:
    world.absentees.closed(FakeStream(1, None))
    world.absentees.closed(FakeStream(2, Node("", "edge")))

    assert world.gone() == []


def test_the_command_that_acts_as_an_envoy_is_none_that_left(world: World) -> None:
    world.absentees.closed(world.comes(FETCHER))

    assert world.gone() == []


def test_those_that_left_last_are_remembered(world: World) -> None:
    for number in range(REMEMBERED + 5):
        world.absentees.closed(world.comes(f"e{number}", number))

    assert [world.gone()[0], len(world.gone())] == [("e5", False), REMEMBERED]
