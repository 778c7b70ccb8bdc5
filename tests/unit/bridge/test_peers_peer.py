import logging
from collections.abc import Mapping

import pytest

from bridge.clock import Clock
from bridge.peers.comparison import Difference, Look, judge
from bridge.peers.peer import Peer, PeerState

URL = "http://10.0.0.6:19000"
PATIENCE = 60.0
LOGGER = "bridge.peers.peer"


class Story:
    """A peer, and a clock that the test moves: the wall clock is an hour late."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, LOGGER)
        self._log = caplog
        self.now = 1000.0
        self.peer = Peer(URL, PATIENCE, Clock(lambda: self.now + 3600, lambda: self.now))

    def differs(self, after: float, here: str = "w1", there: str = "w2") -> None:
        self.now += after
        self.look({"default": (here, there)})

    def look(self, views: Mapping[str, tuple[str, str]]) -> str:
        """Look while these views differ, in one service each; returns the view whose turn it was."""
        view, before = self.peer.turn(list(views))
        here, there = views[view]
        look = Look(view, self.now, {"web": here}, frozenset({there}))
        self.peer.differs(judge(before, look, PATIENCE))
        return view

    @property
    def state(self) -> tuple[PeerState, float]:
        """With the seconds since it began."""
        return self.peer.status.state, self.now + 3600 - self.peer.status.since

    @property
    def logged(self) -> list[str]:
        return [record.message for record in self._log.records]


@pytest.fixture
def story(caplog: pytest.LogCaptureFixture) -> Story:
    return Story(caplog)


def test_nothing_is_known_before_it_was_asked(story: Story) -> None:
    assert story.state == (PeerState.UNKNOWN, 0)


def test_a_difference_is_told_once_it_has_lasted_and_until_it_ends(story: Story) -> None:
    story.peer.agrees()
    story.differs(after=2)
    assert story.state == (PeerState.SETTLING, 0)
    story.differs(after=59)
    assert story.state == (PeerState.SETTLING, 59)
    assert story.logged == []

    story.differs(after=2)
    story.differs(after=2)
    assert story.state == (PeerState.DIFFERS, 63)
    assert story.peer.status.difference == Difference("default", ("web",), 1, 1)
    assert story.logged == ["peer.diverged"]

    story.peer.agrees()
    assert story.state == (PeerState.SAME, 0)
    assert story.peer.status.difference is None
    assert story.logged == ["peer.diverged", "peer.converged"]


def test_what_changes_all_the_time_on_both_sides_is_never_told(story: Story) -> None:
    for step in range(100):
        story.differs(after=2, here=f"w{step + 1}", there=f"w{step}")

    assert story.state == (PeerState.SETTLING, 0)
    assert story.logged == []


def test_a_view_that_differs_for_moments_hides_no_other(story: Story) -> None:
    lasting = {"views[0]": ("w1", "w2")}

    for step in range(32):
        story.now += 2
        story.look({"default": (f"a{step + 1}", f"a{step}"), **lasting} if step % 2 else lasting)

    assert story.state == (PeerState.DIFFERS, 62)
    assert story.peer.status.difference == Difference("views[0]", ("web",), 1, 1)
    assert story.logged == ["peer.diverged"]


def test_views_that_differ_take_turns_and_the_oldest_is_told(story: Story) -> None:
    views = dict.fromkeys(("default", "views[0]", "views[1]"), ("w1", "w2"))

    turns = []
    for _ in range(7):
        story.now += 20
        turns.append((story.look(views), story.peer.status.difference and story.peer.status.difference.view))

    assert [view for view, _ in turns] == [*views, *views, "default"]
    assert {told for _, told in turns} == {"default"}
    assert story.state == (PeerState.DIFFERS, 120)
    del views["default"]
    story.look(views)
    assert story.peer.status.difference == Difference("views[0]", ("web",), 1, 1)
    assert story.logged == ["peer.diverged"]


def test_a_view_that_agrees_in_between_begins_anew(story: Story) -> None:
    both = {"default": ("w1", "w2"), "views[0]": ("w1", "w2")}
    story.look(both)
    story.look(both)
    story.now += 30
    story.look({"views[0]": ("w1", "w2")})
    story.now += 30

    assert [story.look(both) for _ in range(2)] == ["views[0]", "default"]
    assert story.peer.status.difference == Difference("views[0]", ("web",), 1, 1)
    story.look({"default": ("w1", "w2")})
    assert story.state == (PeerState.SETTLING, 0)
    assert story.logged == ["peer.diverged", "peer.converged"]


def test_the_log_says_what_differs(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    story.differs(after=0)
    story.differs(after=60)

    (record,) = caplog.records
    fields = {key: getattr(record, key) for key in ("peer", "view", "services", "here", "there")}
    assert fields == {"peer": URL, "view": "default", "services": ("web",), "here": 1, "there": 1}
    assert record.levelno == logging.WARNING


def test_a_peer_that_cannot_be_asked_is_told_once_and_what_differed_is_remembered(story: Story) -> None:
    story.differs(after=0)
    story.differs(after=60)
    story.peer.failed("refused")
    story.now += 10
    story.peer.failed("no answer")

    assert story.state == (PeerState.UNREACHABLE, 10)
    assert story.peer.status.error == "no answer"
    story.differs(after=2)
    assert story.state == (PeerState.DIFFERS, 72)
    assert story.logged == ["peer.diverged", "peer.lost", "peer.returned"]


def test_one_that_answers_no_envoy_yet_is_compared_anew_afterwards(story: Story) -> None:
    story.differs(after=0)
    story.peer.waits()
    assert story.state == (PeerState.WAITING, 0)

    story.differs(after=60)

    assert story.state == (PeerState.SETTLING, 0)


def test_one_that_is_this_process_is_said_to_be_that(story: Story) -> None:
    story.peer.is_this_one()

    assert story.state == (PeerState.ITSELF, 0)
    assert story.logged == []
